"""Faults in which Miso took nothing, and may take it later."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.helpers.misbehaving import OK, Say
from tests.helpers.rows import last_line

PAGE = "<html><body><h1>Service Unavailable</h1></body></html>"
BUSY = {
    "429": Say(429, {"message": "Too many requests."}),
    "429 with Retry-After: 0": Say(429, "", {"Retry-After": "0"}),
    "429 with a date that has passed": Say(
        429, "", {"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}
    ),
    "429 with nonsense": Say(429, "", {"Retry-After": "soon"}),
    "503 with Retry-After": Say(503, "", {"Retry-After": "0"}),
    "503 with a page and Retry-After": Say(503, PAGE, {"Retry-After": "0"}),
}
parametrize_busy = pytest.mark.parametrize("answer", BUSY.values(), ids=BUSY)


@parametrize_busy
def test_a_busy_server_is_retried(job, serve, answer, golden):
    server = serve(OK, answer)

    run = job.must_finish(server)

    assert run.err == golden
    assert len(server.heard) == 4
    assert job.status()[5] == 0


@parametrize_busy
def test_a_persistently_busy_server_is_given_up(job, serve, answer, golden):
    server = serve(OK, then=answer)

    said = job.must_stop(server)

    assert last_line(said) == golden
    assert len(server.heard) == 3
    server.heal()
    job.must_finish(server)


@pytest.mark.parametrize("form", ["seconds", "date", "date by a clock that is wrong"])
def test_the_retry_after_of_a_busy_server_is_obeyed(job, serve, form):
    now = datetime.now(UTC) if form == "date" else datetime(2031, 5, 6, tzinfo=UTC)
    headers = {"Retry-After": "1"}
    if form != "seconds":
        headers = {"Retry-After": format_datetime(now + timedelta(seconds=2), usegmt=True)}
    if form == "date by a clock that is wrong":
        headers["Date"] = format_datetime(now, usegmt=True)
    asked = []

    def busy(_records):
        asked.append(time.monotonic())
        return Say(429, "", headers)

    def served(_records):
        asked.append(time.monotonic())
        return OK

    server = serve(OK, busy, served)

    job.must_finish(server)

    assert asked[1] - asked[0] >= 0.9


@pytest.mark.parametrize(
    "when", ["86400", "9" * 40, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["a day", "forever", "a date"]
)
@pytest.mark.parametrize("status", [429, 503])
def test_an_absurd_retry_after_is_reported_and_not_waited_for(job, serve, status, when, golden):
    server = serve(OK, Say(status, "", {"Retry-After": when}))

    said = job.must_stop(server, "--retry-for", "30")

    assert last_line(said) == golden
    assert len(server.heard) == 2
    job.must_finish(server)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_gets_fewer_requests_at_a_time(job, serve, status, golden):
    server = serve(*[Say(status, "")] * 3)

    run = job.must_finish(server, "--concurrency", "4", "--chunk-size", "1", "--max-attempts", "8")

    # Which of the others is heard next is a matter of chance.
    assert run.err.splitlines()[:2] == golden


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_status_given_as_not_stored_causes_no_possible_copy(job, serve, status):
    server = serve(OK, Say(status, ""))

    job.must_finish(server, "--not-stored", f"408,500,{status}", "--not-stored", "599")

    assert job.status()[5] == 0


def test_not_stored_accepts_only_unproven_statuses(job, serve, golden):
    server = serve()

    run = job.upload(server, "--not-stored", "503,404")

    assert run.code == 2
    assert run.err == golden
    assert server.heard == []
    job.must_finish(server)


def test_a_server_of_little_capacity_gets_everything_and_is_rarely_overloaded(job, serve):
    """It serves two at once, of eight that may be sent."""
    capacity, refused = 2, []
    server = serve()

    def answer(_records):
        time.sleep(0.01)
        if server.in_flight <= capacity:
            return OK
        refused.append(1)
        return Say(429, {"message": "Too many requests."})

    server.then = answer
    job.more_rows(300)

    run = job.upload(
        server, "--concurrency", "8", "--chunk-size", "1", "--max-attempts", "20", "--json"
    )

    assert run.code == 0, run
    assert sorted(server.numbers) == list(range(1, 301))
    assert server.peak <= 8
    assert len(refused) < 45
