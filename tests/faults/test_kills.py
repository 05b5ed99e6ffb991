"""The program is killed with SIGKILL at every step of its loop, and run again to its end."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.helpers.crashes import BAD, GOOD, MANY, ROWS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

LEDGER = "miso_upload.ledger:Ledger"
REJECTS = "miso_upload.ledger.rejects_file:RejectsFile"
CLIENT = "miso_upload.delivery.client:Client"


def kill_at_every(step, moment, cases, *options, before=lambda case: None):
    """Kill a run at the first call of a step, another at the second, and so on; finish each."""
    for count, case in enumerate(cases, start=1):
        before(case)
        died = case.upload(*options, step=step, count=count, moment=moment)
        if died.code != -signal.SIGKILL:
            case.must_be_whole()
            return count - 1
        case.status()
        case.must_be_private()

        again = case.upload(*options)

        assert again.code in (0, 1), again
        case.must_be_whole()
    raise AssertionError("it dies forever")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("step", "times"),
    [
        ("miso_upload.ledger.lock:Locked.__enter__", 2),
        ("miso_upload.ledger.database:Database.begin_work", 1),
        ("miso_upload.ledger.database:Database.close", 1),
        (f"{LEDGER}.begin_run", 1),
        (f"{LEDGER}.begin_scan", 1),
        (f"{LEDGER}.intend", 4),
        (f"{LEDGER}.enter_rejects_file", 1),
        (f"{LEDGER}.settle", 4),
        (f"{LEDGER}.end_run", 1),
        (f"{REJECTS}.open", 1),
        (f"{REJECTS}.add", 2),
        (f"{CLIENT}.post", 4),
        ("miso_upload.delivery.wire:WiredConnection.request", 4),
        ("miso_upload.report.file:_replace", 1),
    ],
)
def test_killed_at_a_step_of_the_loop(step, times, moment, cases):
    assert kill_at_every(step, moment, cases, "--report", "report.json") == times


def test_killed_at_any_statement_of_the_ledger(cases):
    """Also within a transaction: after one statement is before the next."""
    step = "miso_upload.ledger.database:Database.change"

    assert kill_at_every(step, "before", cases) > 20


@pytest.mark.parametrize(
    ("step", "moment"),
    [("os:write", "before"), ("os:write", "half"), ("os:write", "after"), ("os:fsync", "before")],
)
def test_killed_between_the_rejects_and_their_commit(step, moment, cases):
    # Before the first row is read, the secret of the content keys and its folder are synced.
    of_secret = 2 if step == "os:fsync" else 0

    assert kill_at_every(step, moment, cases) == of_secret + len(BAD)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_a_report_replaces_another(moment, cases):
    def write_report(case):
        (case.place / "report.json").write_text('"the one before"')
        (case.place / "report.json").chmod(0o600)

    step = "pathlib:Path.replace"
    assert kill_at_every(step, moment, cases, "--report", "report.json", before=write_report) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("step", "times"), [("continue_scan", 1), ("intend", 3), ("settle", 3)])
def test_killed_while_resuming_a_file_that_has_grown(step, times, moment, cases):
    def upload_a_part(case):
        case.rows(4)
        case.upload()
        case.rows(ROWS)

    assert kill_at_every(f"{LEDGER}.{step}", moment, cases, before=upload_a_part) == times


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "step",
    [
        "pathlib:Path.rename",
        "miso_upload.ledger.lock:Locked.remove",
        "miso_upload.ledger.database:Database.begin_work",
    ],
)
def test_killed_while_a_target_is_named(step, moment, cases):
    def upload_a_part(case):
        case.rows(4)
        case.upload()
        case.rows(ROWS)

    options = ("--target", "shop")
    assert kill_at_every(step, moment, cases, *options, before=upload_a_part) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_again_and_again_at_the_same_step(moment, cases):
    """Each run gets no further than one step more, and still all of them come to the end."""
    case = next(cases)
    died = 0
    while case.upload(step=f"{LEDGER}.settle", count=2, moment=moment).code == -signal.SIGKILL:
        died += 1
        assert died < MANY

    assert died
    assert set(case.arrived()) == set(GOOD)
    twice = [number for number, count in case.arrived().items() if count > 1]
    assert len(twice) <= case.status()["duplicates"]
    assert sorted(case.rejected_rows()) == list(BAD)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_during_a_restart(moment, cases):
    """Miso has everything once more, and what it had before is still told."""
    for step in ("forget", "forget_rejects_file", "intend"):
        case = next(cases)
        case.upload()
        died = case.upload("--restart", step=f"{LEDGER}.{step}", count=1, moment=moment)
        assert died.code == -signal.SIGKILL

        case.upload("--restart")

        assert set(case.arrived()) == set(GOOD)
        assert case.status()["accepted"] == len(GOOD)
        assert sorted(case.rejected_rows()) == list(BAD)


def test_a_killed_run_holds_no_lock(cases):
    case = next(cases)
    case.upload(step=f"{CLIENT}.post", count=1, moment="after")
    (lock,) = (case.place / "state").glob("*.ledger.lock")
    assert lock.exists()

    again = case.upload()

    assert again.code == 1
    case.must_be_whole()


def test_a_question_is_asked_again_after_a_kill(cases, golden):
    """With --on-unknown hold, what a crash leaves unknown is not sent until somebody says so."""
    case = next(cases)
    case.upload(step=f"{LEDGER}.settle", count=1, moment="before")
    before = case.arrived()

    held = case.upload("--on-unknown", "hold")

    assert held.code == 1
    assert held.out == golden
    assert max(case.arrived().values()) == 1
    assert case.status()["unknown"] > 0
    assert set(before) <= set(case.arrived())

    case.upload("--on-unknown", "resend")

    case.must_be_whole()
