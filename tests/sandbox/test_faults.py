import json
import time

import pytest
import requests

from miso_upload.errors import ConfigurationError
from miso_upload.sandbox import Faults, Sandbox, parse_faults
from miso_upload.sandbox.faults import FaultDraw
from tests.helpers.requests_to_sandbox import BAD, GOOD, PATH, connect, post, send


@pytest.mark.parametrize("status", [401, 403, 408, 413, 429, 500, 502, 503, 504])
def test_a_status_is_answered_and_nothing_kept(sandbox, status):
    sandbox.faults = Faults(statuses={status: 1})

    answer = post(sandbox, GOOD)

    assert answer.status_code == status
    assert sandbox.counts()["records"] == 0
    assert sandbox.counts()["faults"] == {str(status): 1}


@pytest.mark.parametrize("status", [502, 504])
def test_a_status_can_come_after_the_records_were_kept(sandbox, status):
    sandbox.faults = Faults(after_statuses={status: 1})

    answer = post(sandbox, GOOD)

    assert answer.status_code == status
    assert list(sandbox.records()) == [GOOD]


@pytest.mark.parametrize(("status", "delay"), [(429, "7"), (503, "7"), (500, None)])
def test_only_a_busy_server_says_when_to_come_back(sandbox, status, delay):
    sandbox.faults = Faults(statuses={status: 1}, retry_after="7")

    assert post(sandbox, GOOD).headers.get("Retry-After") == delay


def test_a_connection_is_cut_before_the_records_are_kept(sandbox):
    sandbox.faults = Faults(drop_before=1)

    with pytest.raises(requests.ConnectionError):
        post(sandbox, GOOD)

    assert sandbox.counts()["records"] == 0
    assert sandbox.counts()["statuses"] == {"no answer": 1}


def test_a_connection_is_cut_after_the_records_were_kept(sandbox):
    sandbox.faults = Faults(drop_after=1)

    with pytest.raises(requests.ConnectionError):
        post(sandbox, GOOD)

    assert list(sandbox.records()) == [GOOD]
    assert sandbox.counts()["accepted_requests"] == 1


def test_a_cut_connection_carries_not_one_byte_of_an_answer(sandbox):
    sandbox.faults = Faults(drop_after=1)
    body = json.dumps({"data": [GOOD]})

    with connect(sandbox) as raw:
        raw.sendall(
            f"POST {PATH}?api_key={sandbox.key} HTTP/1.1\r\nHost: sandbox\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        try:
            received = raw.recv(1000)
        except ConnectionResetError:
            received = b""

    assert received == b""


def test_a_cut_connection_is_seen_by_a_client_that_is_still_sending(sandbox):
    sandbox.faults = Faults(drop_before=1)

    with pytest.raises(requests.ConnectionError):
        send(sandbox, data=b" " * 30_000_000)


def test_garbage_is_answered_although_the_records_were_kept(sandbox):
    sandbox.faults = Faults(garbage=1)

    answer = post(sandbox, GOOD)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert list(sandbox.records()) == [GOOD]


def test_a_refusal_in_garbage_is_still_a_refusal(sandbox):
    sandbox.faults = Faults(garbage=1)

    assert post(sandbox, BAD).status_code == 422


def test_errors_may_hide_behind_a_good_status(sandbox):
    sandbox.faults = Faults(errors_true=1)

    answer = post(sandbox, GOOD)

    assert (answer.status_code, answer.json()["errors"]) == (200, True)
    assert sandbox.counts()["records"] == 0


def test_a_client_that_gives_up_waiting_was_accepted(sandbox):
    sandbox.faults = Faults(latency=5)

    with pytest.raises(requests.ReadTimeout):
        post(sandbox, GOOD, timeout=0.2)

    assert list(sandbox.records()) == [GOOD]


def test_the_latency_holds_back_every_answer(sandbox):
    sandbox.faults = Faults(latency=0.2)
    began = time.monotonic()

    post(sandbox, BAD)

    assert time.monotonic() - began >= 0.2


def test_a_wrong_key_meets_no_fault(sandbox):
    sandbox.faults = Faults(statuses={503: 1})

    assert post(sandbox, GOOD, key="wrong").status_code == 401


def test_a_scripted_fault_affects_only_its_request():
    with Sandbox(faults=Faults(script=("503", "ok", "502-after"))) as sandbox:
        answers = [post(sandbox, GOOD).status_code for _ in range(4)]

    assert answers == [503, 200, 502, 200]
    assert sandbox.counts()["records"] == 3


def test_faults_change_while_the_sandbox_runs(sandbox):
    first = post(sandbox, GOOD).status_code
    sandbox.faults = Faults(statuses={500: 1})
    second = post(sandbox, GOOD).status_code
    sandbox.faults = Faults()
    third = post(sandbox, GOOD).status_code

    assert (first, second, third) == (200, 500, 200)


def test_listeners_hear_of_each_fault():
    heard = []
    with Sandbox(
        faults=Faults(script=("ok", "503", "drop-after")),
        on_request=lambda *told: heard.append(told),
    ) as sandbox:
        post(sandbox, GOOD)
        post(sandbox, GOOD)
        with pytest.raises(requests.ConnectionError):
            send(sandbox, json={"data": [GOOD, GOOD]})

    assert heard == [(200, 1, None), (503, 0, "503"), (None, 2, "drop-after")]


def test_faults_come_at_their_rates():
    draw = FaultDraw(Faults(statuses={429: 0.2}, drop_after=0.1, seed=7))

    drawn = [fault.name if (fault := draw.next()) else "none" for _ in range(10_000)]

    assert drawn.count("429") == pytest.approx(2000, abs=150)
    assert drawn.count("drop-after") == pytest.approx(1000, abs=150)
    assert drawn.count("none") == pytest.approx(7000, abs=200)


def test_a_seed_makes_the_faults_repeatable():
    faults = Faults(statuses={429: 0.3}, garbage=0.3, seed=1)

    first, second = ([draw.next() for _ in range(100)] for draw in map(FaultDraw, [faults] * 2))

    assert first == second


def test_every_request_meets_a_fault_at_a_rate_of_one():
    draw = FaultDraw(Faults(statuses={429: 0.7, 503: 0.2}, drop_before=0.1))

    assert None not in [draw.next() for _ in range(1000)]


def test_a_specification_is_read():
    faults = parse_faults(
        [
            "429:0.1",
            "503:0.05",
            "502-after:0.05",
            "drop:0.1",
            "drop-after:0.1",
            "garbage:0.05",
            "errors-true:0.1",
            "latency:0.5",
            "retry-after:Wed, 21 Oct 2026 07:28:00 GMT",
            "seed:3",
        ]
    )

    assert faults == Faults(
        latency=0.5,
        statuses={429: 0.1, 503: 0.05},
        after_statuses={502: 0.05},
        retry_after="Wed, 21 Oct 2026 07:28:00 GMT",
        drop_before=0.1,
        drop_after=0.1,
        garbage=0.05,
        errors_true=0.1,
        seed=3,
    )


def test_an_unknown_fault_is_answered_with_the_known_ones():
    with pytest.raises(ConfigurationError) as caught:
        parse_faults(["flood:0.1"])

    assert '"flood"' in str(caught.value)
    assert "drop-after, garbage" in str(caught.value)


@pytest.mark.parametrize(
    "specs",
    [
        ["drop"],
        ["drop:"],
        ["drop:often"],
        ["seed:0.5"],
        ["drop:1.5"],
        ["drop:-1"],
        ["drop:nan"],
        ["latency:-1"],
        ["latency:inf"],
        ["retry-after:\n"],
        ["drop:0.1", "drop:0.2"],
        ["429:0.6", "drop:0.6"],
        ["200:0.1"],
    ],
    ids=" ".join,
)
def test_a_specification_that_cannot_be_meant_is_refused(specs, golden):
    with pytest.raises(ConfigurationError) as caught:
        parse_faults(specs)

    assert str(caught.value) == golden


@pytest.mark.parametrize(
    "options", [{"statuses": {200: 0.1}}, {"script": ("flood",)}, {"retry_after": "1\r\nX: y"}]
)
def test_faults_that_cannot_be_meant_are_refused(options):
    with pytest.raises(ConfigurationError):
        Faults(**options)
