"""Faults in which nobody can tell whether Miso took the records.

Each of them happens in two ways that look the same from here: Miso took the records, or not.
"""

import json

import pytest

from tests.helpers.misbehaving import OK, Do, Say, dripping, hang, hang_up, pouring, tear_down
from tests.helpers.rows import counts_in, last_line

PAGE = "<html><body><h1>Sign in to the network</h1></body></html>"
GATEWAY = "<html><head><title>502 Bad Gateway</title></head></html>"
HEAD = b"HTTP/1.1 200 OK\r\n"

UNKNOWN = {
    "408": lambda keep: Say(408, {"message": "Request timeout."}, keep=keep),
    "400 that means 408": lambda keep: Say(400, {"message:": "Request timeout."}, keep=keep),
    "500": lambda keep: Say(500, {"message": "Something went wrong."}, keep=keep),
    "501": lambda keep: Say(501, "", keep=keep),
    "503 without Retry-After": lambda keep: Say(503, PAGE, keep=keep),
    "503 with nonsense": lambda keep: Say(503, "", {"Retry-After": "soon"}, keep=keep),
    "522": lambda keep: Say(522, "", keep=keep),
    "502": lambda keep: Say(502, GATEWAY, keep=keep),
    "504": lambda keep: Say(504, "", keep=keep),
    "no answer in time": lambda keep: Do(hang, keep),
    "hung up": lambda keep: Do(hang_up, keep),
    "torn down": lambda keep: Do(tear_down, keep),
    "a drip in the head": lambda keep: Do(dripping(HEAD + b"X-Drip: ", b"x"), keep),
    "a drip in the body": lambda keep: Do(
        dripping(HEAD + b"Content-Length: 1000000\r\n\r\n", b" "), keep
    ),
    "an answer that never ends": lambda keep: Do(pouring(HEAD + b"\r\n", 2**40), keep),
    "a page": lambda keep: Say(200, PAGE, keep=keep),
    "nothing": lambda keep: Say(200, "", keep=keep),
    "half an answer": lambda keep: Say(200, '{"message": "succ', keep=keep),
    "somebody else's JSON": lambda keep: Say(200, {"status": "ok"}, keep=keep),
}
parametrize_unknown = pytest.mark.parametrize("fault", UNKNOWN.values(), ids=UNKNOWN)
parametrize_kept = pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
SOON = ("--read-timeout", "1")
"""Long enough for a good answer on a machine that has other things to do."""


@parametrize_unknown
@parametrize_kept
def test_resend_loses_nothing_and_counts_possible_duplicates(job, serve, fault, kept):
    server = serve(OK, fault(kept))
    report = job.place / "report.json"

    run = job.must_finish(server, *SOON, "--report", report, twice=[3, 4] if kept else [])

    assert job.status()[5] == 2
    assert counts_in(run.out) == [6, 6, 0, 0, 0, 0, 0]
    assert json.loads(report.read_text())["totals"]["duplicates"] == 2


@parametrize_unknown
@parametrize_kept
def test_hold_sends_nothing_twice_until_the_user_decides(job, serve, fault, kept):
    server = serve(OK, fault(kept))
    report = job.place / "report.json"

    run = job.upload(server, *SOON, "--on-unknown", "hold", "--report", report)

    assert run.code == 1
    assert job.status() == (6, 4, 0, 2, 0, 0)
    assert server.numbers == ([1, 2, 3, 4, 5, 6] if kept else [1, 2, 5, 6])
    assert "--on-unknown resend" in run.out
    assert json.loads(report.read_text())["totals"]["unknown"] == 2
    job.must_finish(server, "--on-unknown", "resend", twice=[3, 4] if kept else [])
    assert job.status()[5] == 2


@parametrize_kept
@pytest.mark.parametrize("name", ["502", "504", "no answer in time", "torn down", "a page"])
def test_skip_never_sends_them_again(job, serve, name, kept):
    server = serve(OK, UNKNOWN[name](kept))

    run = job.upload(server, *SOON, "--on-unknown", "skip")
    again = job.upload(server, "--on-unknown", "resend")

    assert (run.code, again.code) == (1, 0)
    assert job.status() == (6, 4, 0, 2, 0, 0)
    assert server.numbers == ([1, 2, 3, 4, 5, 6] if kept else [1, 2, 5, 6])
    assert len(server.heard) == 3


@pytest.mark.parametrize("name", ["502", "no answer in time", "torn down", "a page", "nothing"])
def test_a_persistent_unknown_outcome_is_given_up_and_not_counted_as_accepted(
    job, serve, name, golden
):
    server = serve(OK, then=UNKNOWN[name](False))

    run = job.upload(server, *SOON)

    assert run.code == 3
    assert job.status() == (4, 2, 0, 2, 0, 0)
    assert last_line(run.err) == golden
    assert server.numbers == [1, 2]
    server.heal()
    job.must_finish(server)
    assert job.status()[5] == 2


def test_possible_duplicates_are_reported_by_the_run_and_by_status(job, serve, golden):
    run = job.upload(serve(OK, UNKNOWN["502"](True)))

    assert run.out == golden
    assert job.run("status").out == golden


def test_held_rows_are_reported_by_the_run_and_by_status(job, serve, golden):
    run = job.upload(serve(OK, UNKNOWN["502"](True)), "--on-unknown", "hold")

    assert run.out == golden
    assert job.run("status").out == golden


CAUSES = {
    "5xx": ("503 without Retry-After", "500", "502", "504"),
    "408": ("408", "400 that means 408"),
    "lost answer": ("no answer in time", "torn down"),
    "foreign answer": ("a page", "nothing"),
}
parametrize_causes = pytest.mark.parametrize(
    ("cause", "name"), [(cause, name) for cause, names in CAUSES.items() for name in names]
)


@parametrize_causes
def test_possible_copies_are_shown_by_cause_in_records_and_as_extra_copies(
    job, serve, cause, name, golden
):
    server = serve(OK, UNKNOWN[name](True), UNKNOWN[name](True))
    report = job.place / "report.json"

    run = job.upload(server, *SOON, "--max-attempts", "3", "--report", report)

    assert run.out == golden
    assert json.loads(report.read_text())["possible_copies"] == {
        "records": 2,
        "extra_copies": 4,
        "by_cause": {cause.replace(" ", "_"): 4},
    }
    assert len(server.numbers) == job.rows + 4


@parametrize_causes
def test_unknown_rows_are_shown_by_cause(job, serve, cause, name, golden):
    server = serve(OK, UNKNOWN[name](False))
    report = job.place / "report.json"

    run = job.upload(server, *SOON, "--on-unknown", "hold", "--report", report)

    assert run.out == golden
    assert json.loads(report.read_text())["unknown_by_cause"] == {cause.replace(" ", "_"): 2}


def test_hold_reports_how_many_rows_not_stored_would_have_resent(job, serve, golden):
    server = serve(Say(503, ""), Say(500, ""), OK)

    run = job.upload(server, "--on-unknown", "hold")

    assert run.out == golden
    assert job.status() == (6, 2, 0, 4, 0, 0)
    again = job.upload(server, "--on-unknown", "hold", "--not-stored", "503")
    assert "--not-stored" not in again.out


def test_a_record_with_repeated_500_is_neither_resent_forever_nor_lost(job, serve, golden):
    bad = Say(500, {"message": "Something went wrong."})
    server = serve(then=lambda rows: bad if rows[0]["user_id"] == "user-3" else OK)
    one_by_one = ("--chunk-size", "1")

    run = job.upload(server, *one_by_one)

    assert run.code == 3
    assert job.status() == (3, 2, 0, 1, 0, 0)
    assert last_line(run.err) == golden
    assert len(server.heard) == 4
    skipped = job.upload(server, *one_by_one, "--on-unknown", "skip")
    assert skipped.code == 0
    assert job.status() == (6, 5, 0, 1, 0, 0)


def test_many_unknown_outcomes_in_a_row_stop_the_run(job, serve):
    job.more_rows(40)
    server = serve(OK, then=UNKNOWN["502"](False))

    run = job.upload(server, "--on-unknown", "hold")

    assert run.code == 3
    assert job.status() == (18, 2, 0, 16, 0, 0)
    assert len(server.heard) == 9
