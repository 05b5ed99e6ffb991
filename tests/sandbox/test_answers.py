import json

import pytest
import requests

from miso_upload.sandbox import Sandbox
from tests.helpers.requests_to_sandbox import BAD, GOOD, PATH, get, post, send


def test_good_records_are_answered_with_success_and_kept(sandbox):
    answer = post(sandbox, GOOD, {**GOOD, "type": "share"})

    assert (answer.status_code, answer.json()) == (200, {"message": "success"})
    assert [record["type"] for record in sandbox.records()] == ["like", "share"]


def test_the_key_may_come_in_a_header(sandbox):
    answer = requests.post(
        sandbox.url + PATH,
        json={"data": [GOOD]},
        headers={"X-API-KEY": sandbox.key, "Connection": "close"},
        timeout=10,
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("key", ["", "wrong", "schlüssel"])
def test_a_wrong_key_is_refused(sandbox, key, golden):
    answer = post(sandbox, GOOD, key=key)

    assert (answer.status_code, list(answer.json())) == (401, ["message"])
    assert answer.json() == golden
    assert sandbox.counts()["records"] == 0


def test_a_missing_key_is_refused(sandbox):
    answer = requests.post(
        sandbox.url + PATH, json={"data": []}, headers={"Connection": "close"}, timeout=10
    )

    assert answer.status_code == 401


def test_one_bad_record_keeps_all_of_them_out(sandbox, golden):
    answer = post(sandbox, GOOD, BAD, GOOD)

    assert answer.status_code == 422
    body = answer.json()
    assert body["errors"] is True
    assert body["message"] == golden
    assert [line.split(" ")[0] for line in body["data"]] == ["data.1.product_ids"]
    assert sandbox.counts()["records"] == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"data": {}}', b'{"items": []}', b'{"data": [NaN]}', b"\xff"],
)
def test_a_body_that_is_no_upload_is_refused_in_the_other_shape(sandbox, body):
    answer = send(sandbox, data=body)

    assert answer.status_code == 422
    (error,) = answer.json()["data"]["errors"]
    assert sorted(error) == ["loc", "msg", "type"]
    assert error["loc"][0] == "body"


def test_an_empty_list_is_a_success(sandbox):
    assert post(sandbox).status_code == 200


def test_neither_other_keys_nor_a_content_type_matter(sandbox):
    answer = send(
        sandbox,
        data=json.dumps({"data": [GOOD], "note": 1}).encode(),
        headers={"Content-Type": "text/plain"},
    )

    assert answer.status_code == 200


def test_a_dry_run_judges_and_keeps_nothing(sandbox):
    good = post(sandbox, GOOD, params={"dry_run": "1"})
    bad = post(sandbox, BAD, params={"dry_run": "1"})

    assert (good.status_code, bad.status_code) == (200, 422)
    counts = sandbox.counts()
    assert (counts["records"], counts["dry_run_requests"], counts["refused_requests"]) == (0, 1, 1)


def test_an_asynchronous_upload_is_kept_all_the_same(sandbox):
    post(sandbox, GOOD, params={"async": "1"})

    assert sandbox.counts()["records"] == 1


def test_a_compressed_body_is_refused(sandbox):
    answer = send(sandbox, data=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 415
    assert "gzip" in answer.json()["message"]


def test_a_body_of_many_megabytes_is_taken(sandbox):
    records = [{**GOOD, "context": {"page": {"url": "x" * 1000}}}] * 20_000

    answer = post(sandbox, *records, timeout=30)

    assert answer.status_code == 200
    assert sandbox.counts()["records"] == 20_000


def in_chunks():
    yield b'{"data": ['
    yield json.dumps(GOOD).encode()
    yield b"]}"


def test_a_chunked_body_is_taken(sandbox):
    assert send(sandbox, data=in_chunks()).status_code == 200


@pytest.mark.parametrize("body", [b'{"data": [%s]}' % (b" " * 1000), in_chunks()])
def test_a_body_beyond_the_limit_is_refused(body):
    with Sandbox(max_body_bytes=50) as sandbox:
        answer = send(sandbox, data=body)

    assert answer.status_code == 413
    assert "50 bytes" in answer.json()["message"]


def test_a_refusal_leaves_the_connection_usable():
    with Sandbox(max_body_bytes=1000) as sandbox, requests.Session() as session:
        session.params = {"api_key": sandbox.key}
        large = session.post(sandbox.url + PATH, data=b" " * 3_000_000, timeout=10)
        small = session.post(sandbox.url + PATH, json={"data": [GOOD]}, timeout=10)

    assert (large.status_code, small.status_code) == (413, 200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", PATH, 405), ("DELETE", PATH, 405), ("POST", "/", 405), ("GET", "/v1/products", 404)],
)
def test_other_addresses_say_so_in_json(sandbox, method, path, status):
    answer = requests.request(
        method, sandbox.url + path, headers={"Connection": "close"}, timeout=10
    )

    assert answer.status_code == status
    assert path in answer.json()["message"]


def test_the_counts_are_told_as_json(sandbox):
    post(sandbox, GOOD, {**GOOD, "timestamp": "2025-03-01T10:00:00+02:00"})
    post(sandbox, BAD)

    counts = get(sandbox).json()

    assert counts == sandbox.counts()
    assert counts == {
        "requests": 2,
        "accepted_requests": 1,
        "refused_requests": 1,
        "dry_run_requests": 0,
        "records": 2,
        "types": {"like": 2},
        "first_timestamp": "2025-03-01T08:00:00Z",
        "last_timestamp": "2025-03-01T09:30:00Z",
        "statuses": {"200": 1, "422": 1},
        "faults": {},
    }


def test_a_browser_gets_the_counts_as_a_page(sandbox):
    post(sandbox, *[GOOD] * 1500)

    answer = get(sandbox, Accept="text/html,application/xhtml+xml,*/*;q=0.8")

    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<td>1,500</td>" in answer.text
    assert "like" in answer.text
    assert sandbox.key not in answer.text
