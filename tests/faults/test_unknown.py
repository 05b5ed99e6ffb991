"""Faults in which nobody can tell whether Miso took the records.

Each of them happens in two ways that look the same from here: Miso took the records, or not.
"""

import json

import pytest

from .misbehaving import OK, Do, Say, dripping, hang, hang_up, pouring, tear_down

PAGE = "<html><body><h1>Sign in to the network</h1></body></html>"
GATEWAY = "<html><head><title>502 Bad Gateway</title></head></html>"
HEAD = b"HTTP/1.1 200 OK\r\n"

UNKNOWN = {
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
def test_resend_loses_nothing_and_counts_what_may_be_there_twice(job, serve, fault, kept):
    server = serve(OK, fault(kept))
    report = job.place / "report.json"

    run = job.must_finish(server, *SOON, "--report", report, twice=[3, 4] if kept else [])

    assert job.status()[5] == 2
    assert "2 of the accepted may be there more than once" in run.out
    assert "2 of the accepted may be there more than once" in job.run("status").out
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
    assert "2 records are held, because nobody knows whether Miso has them" in run.out
    assert json.loads(report.read_text())["totals"]["unknown"] == 2
    assert "2 unknown" in job.run("status").out
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
def test_what_stays_unknown_is_not_asked_forever_and_never_counted_as_accepted(job, serve, name):
    server = serve(OK, then=UNKNOWN[name](False))

    run = job.upload(server, *SOON)

    assert run.code == 3
    assert job.status() == (4, 2, 0, 2, 0, 0)
    assert "gave up after 2 attempt(s)" in run.err
    assert server.numbers == [1, 2]
    server.heal()
    job.must_finish(server)
    assert job.status()[5] == 2


def test_a_gateway_that_is_out_of_order_does_not_make_all_of_the_history_unknown(job, serve):
    job.more_rows(40)
    server = serve(OK, then=UNKNOWN["502"](False))

    run = job.upload(server, "--on-unknown", "hold")

    assert run.code == 3
    assert job.status() == (18, 2, 0, 16, 0, 0)
    assert len(server.heard) == 9
