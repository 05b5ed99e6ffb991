"""The program is killed at random moments, and rerun until it is through.

`MISO_UPLOAD_CRASH_ROWS=1000000 pytest tests/runs/test_crash.py` does it with a million rows.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest

from miso_upload.sandbox import Sandbox
from tests.helpers.processes import started_program
from tests.helpers.rows import row, write_rows

KILLS = 10
ROWS = int(os.environ.pop("MISO_UPLOAD_CRASH_ROWS", "0")) or 30_000
BAD_EVERY = 101


@pytest.fixture
def history(tmp_path):
    rows = (
        row(number, timestamp="2024-13-01") if number % BAD_EVERY == 0 else row(number)
        for number in range(1, ROWS + 1)
    )
    return write_rows(tmp_path / "history.jsonl", rows)


def kill_and_rerun(histories, sandbox, draw, *options, between=lambda killed: None):
    """Run the upload again and again, killing it at a random moment of each of the first runs."""
    options = ("--chunk-size", max(ROWS // 100, 100), "--json", *options)
    killed = 0
    while True:
        between(killed)
        with started_program(
            *histories,
            *("--server", sandbox.url, *options),
            env={**os.environ, "MISO_API_KEY": sandbox.key},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            if killed < KILLS:
                # Wait until it has got somewhere, and then a moment that nobody chose.
                for _ in range(draw.randrange(1, 9)):
                    process.stderr.readline()
                time.sleep(draw.random() * 0.05)
                process.send_signal(signal.SIGKILL)
            process.stderr.read()
            process.wait()
        if process.returncode != -signal.SIGKILL:
            return process.returncode, killed
        killed += 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a matter of POSIX")
def test_nothing_is_lost_and_nothing_is_doubled_unsaid_however_often_it_is_killed(
    history, tmp_path
):
    draw = random.Random(ROWS)
    store = tmp_path / "store.sqlite"
    with Sandbox(store=store) as sandbox:
        exit_code, killed = kill_and_rerun([history], sandbox, draw)
        arrived = Counter(int(record["user_id"][5:]) for record in sandbox.records())

    (ledger,) = (tmp_path / "state").glob("*.ledger")
    with closing(sqlite3.connect(ledger)) as db:
        spans = db.execute("SELECT first_line, line_count, duplicates FROM spans").fetchall()
        (totals,) = db.execute(
            "SELECT sum(rows), sum(accepted), sum(rejected), sum(unknown), sum(pending), "
            "sum(duplicates) FROM spans"
        )
    rejects = (tmp_path / "history.jsonl.rejects.jsonl").read_text().splitlines()
    bad = ROWS // BAD_EVERY
    twice = {number for number, count in arrived.items() if count > 1}
    suspects = {
        line
        for first, count, duplicates in spans
        if duplicates
        for line in range(first, first + count)
    }
    print(
        f"{killed} kills, {ROWS:,} rows: {len(arrived):,} arrived, {len(twice):,} of them more "
        f"than once; {totals[5]:,} were counted as possible duplicates"
    )
    assert set(arrived) == {n for n in range(1, ROWS + 1) if n % BAD_EVERY}
    assert twice <= suspects
    assert len(twice) <= totals[5]
    assert totals[:5] == (ROWS, ROWS - bad, bad, 0, 0)
    assert len(rejects) == len(set(rejects)) == bad
    assert killed == KILLS
    assert exit_code in (0, 1)


SHARES = {"first": (0, 50), "overlaps": (30, 80), "within": (10, 40), "contains": (0, 60)}
"""Which part of all rows is in each file, in percent."""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a matter of POSIX")
def test_no_row_of_overlapping_files_is_lost_or_doubled_unsaid_however_often_it_is_killed(tmp_path):
    """One of them grows between two runs, and is at last a part of no other any more."""
    draw = random.Random(ROWS + 1)
    lines = [
        json.dumps(row(n, **({"timestamp": "2024-13-01"} if n % BAD_EVERY == 0 else {})))
        for n in range(ROWS)
    ]
    for name, (start, end) in SHARES.items():
        write_rows(tmp_path / name, lines[start * ROWS // 100 : end * ROWS // 100])

    def grow(killed):
        if 0 < killed <= 5:
            start, end = SHARES["within"][1] + 10 * (killed - 1), 40 + 10 * killed
            with (tmp_path / "within").open("a") as file:
                more = lines[start * ROWS // 100 : end * ROWS // 100]
                file.writelines(f"{line}\n" for line in more)

    report = tmp_path / "report.json"
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        files = [tmp_path / name for name in SHARES]
        exit_code, killed = kill_and_rerun(files, sandbox, draw, "--report", report, between=grow)
        arrived = Counter(int(record["user_id"][5:]) for record in sandbox.records())

    found = json.loads(report.read_text())
    good = {n for n in range(ROWS * 90 // 100) if n % BAD_EVERY}
    assert set(arrived) == good
    assert sum(count > 1 for count in arrived.values()) <= found["duplicates_at_target"]
    assert found["accepted_at_target"] == len(good)
    assert found["balanced"]
    assert killed == KILLS
    assert exit_code in (0, 1)
