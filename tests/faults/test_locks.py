"""Two runs at once; somebody else who holds on to the ledger."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing

import pytest

from miso_upload.sandbox import Faults
from tests.helpers.crashes import GOOD
from tests.helpers.processes import started_program
from tests.helpers.rows import last_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")

IMPATIENT = (
    "import sqlite3; connect = sqlite3.connect; "
    "sqlite3.connect = lambda *a, **o: connect(*a, **{**o, 'timeout': 0.2})"
)


def start(case, sandbox, *options):
    options = ("--chunk-size", 3, "--max-reject-rate", 1, *options)
    return started_program(
        *(case.history, "--server", sandbox.url, *options),
        env={
            **os.environ,
            "MISO_API_KEY": sandbox.key,
            "MISO_UPLOAD_STATE_DIR": str(case.state),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ledger(case):
    (path,) = case.state.glob("*.ledger")
    return path


def test_a_second_run_ends_at_once_and_status_still_works(case, sandbox, golden):
    sandbox.faults = Faults(latency=60)
    with start(case, sandbox):
        while not case.arrived():
            time.sleep(0.01)

        second = case.upload()

        assert second.code == 5
        assert second.err == golden
        assert case.status()["unknown"] > 0
    sandbox.faults = Faults()
    assert case.upload().code == 1
    case.must_be_whole()


def test_only_one_of_many_parallel_runs_sends(case, sandbox):
    sandbox.faults = Faults(latency=0.3)
    with ExitStack() as stack:
        runs = [stack.enter_context(start(case, sandbox)) for _ in range(4)]

        codes = [run.wait(60) for run in runs]
        for run in runs:
            assert "Traceback" not in run.communicate()[1]

    assert sorted(set(codes)) in ([1, 5], [0, 1, 5], [0, 1])
    assert codes.count(1) == 1
    assert max(case.arrived().values()) == 1
    case.must_be_whole()


def test_a_run_waits_for_another_writer_of_the_ledger(case):
    case.rows(4)
    case.upload()
    case.rows(12)
    with closing(
        sqlite3.connect(ledger(case), isolation_level=None, check_same_thread=False)
    ) as db:
        db.execute("BEGIN IMMEDIATE")
        alarm = threading.Timer(0.5, db.execute, ["COMMIT"])
        alarm.start()

        done = case.upload()

        alarm.join()
    assert done.code == 1
    case.must_be_whole()


def test_a_writer_that_keeps_the_ledger_locked_is_reported_before_anything_is_sent(case, golden):
    case.rows(4)
    case.upload()
    case.rows(12)
    before = case.arrived()
    with closing(sqlite3.connect(ledger(case), isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")

        done = case.upload(prelude=IMPATIENT)

    assert done.code == 3
    assert last_line(done.err) == golden
    assert case.arrived() == before
    case.upload()
    case.must_be_whole()


def test_a_writer_that_interrupts_a_run_causes_only_counted_duplicates(case, golden):
    """What was sent cannot be noted: the next run sends it again, and counts it."""
    script = (
        f"path = next(Path({str(case.state)!r}).glob('*.ledger')); import builtins, sqlite3; "
        "builtins.other = sqlite3.connect(path, isolation_level=None); "
        "builtins.other.execute('BEGIN IMMEDIATE')"
    )

    done = case.upload(
        prelude=IMPATIENT,
        step="miso_upload.ledger:Ledger.settle", count=2, moment="meddle", script=script,
    )  # fmt: skip

    assert done.code == 3
    # Whether a request is in flight at that time is left to chance.
    assert done.err.replace("stopping: finishing requests in flight\n", "") == golden
    assert case.status()["unknown"] > 0
    assert case.upload().code == 1
    case.must_be_whole()
    assert len(case.arrived()) == len(GOOD)
