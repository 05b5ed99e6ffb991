"""A key that Miso does not want."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.faults.conftest import KEY
from tests.helpers.misbehaving import OK, Say
from tests.helpers.processes import started_program
from tests.helpers.rows import last_line, row

REFUSALS = {
    "401": Say(401, {"message": "invalid api key."}),
    "403": Say(403, {"message": "Request is denied due to bot blocking."}),
    "401 without a body": Say(401, ""),
    "403 with a page": Say(403, "<html></html>"),
    "400 of the Playground": Say(400, {"message": "The Playground is read-only."}),
}
parametrize_refusals = pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)


@parametrize_refusals
@pytest.mark.parametrize("auth", ["query", "header"])
def test_a_refused_key_stops_the_run_at_once(job, serve, answer, auth, golden):
    server = serve(OK, then=answer)

    said = job.must_stop(server, "--auth", auth, code=4)

    assert len(server.heard) == 2
    assert f"{answer.status}" in said
    assert last_line(said) == golden
    server.heal()
    job.must_finish(server)


def test_a_key_refused_at_once_leaves_all_rows_pending(job, serve):
    server = serve(then=REFUSALS["401"])

    run = job.upload(server)

    assert run.code == 4
    assert job.status() == (2, 0, 0, 0, 2, 0)
    assert len(server.heard) == 1


def test_a_refused_key_is_reported_without_useless_advice(job, serve, golden):
    run = job.upload(serve(then=REFUSALS["401"]))

    assert run.out == golden
    assert last_line(run.err) == golden
    assert "401" in run.err.splitlines()[-1]


def test_after_a_refused_key_only_requests_in_flight_are_sent(job, serve):
    job.more_rows(100)

    def refuse(_records):
        time.sleep(0.05)
        return REFUSALS["401"]

    server = serve(then=refuse)

    run = job.upload(server, "--concurrency", "4", "--chunk-size", "1")

    assert run.code == 4
    assert len(server.heard) <= 4
    assert server.held == []


@pytest.mark.skipif(sys.platform == "win32", reason="a read is broken off as POSIX does it")
@pytest.mark.parametrize("answer", [REFUSALS["401"], Say(404, "")], ids=["401", "404"])
def test_a_stopped_run_does_not_wait_for_standard_input(serve, answer):
    """In a process of its own, whose input says no more and does not end."""
    server = serve(then=answer)
    with started_program(
        *("-", "--format", "jsonl", "--server", server.url, "--chunk-size", 100),
        env={**os.environ, "MISO_API_KEY": KEY},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for number in range(1000):
            process.stdin.write(json.dumps(row(number)) + "\n")
        process.stdin.flush()

        code = process.wait(20)
        said = process.stderr.read()

    assert code == (4 if answer.status == 401 else 3)
    assert str(answer.status) in said
    assert "Traceback" not in said
