import sqlite3
import stat
import sys
from contextlib import closing

import pytest

from miso_upload.errors import SandboxError
from miso_upload.sandbox import Sandbox
from miso_upload.sandbox.store import ServedRequest, Store
from tests.helpers.requests_to_sandbox import BAD, GOOD, post

STORED = ServedRequest("/v1/interactions", 200, "stored")


def rows(path, query):
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
        return reader.execute(query).fetchall()


def test_a_request_and_its_records_can_be_read_while_the_sandbox_runs(tmp_path):
    path = tmp_path / "store.db"
    with Sandbox(store=path) as sandbox:
        post(sandbox, {**GOOD, "anonymous_id": "a1"}, params={"async": "1"})
        post(sandbox, BAD)

        requests = rows(path, "SELECT id, path, status, records, fault, outcome FROM requests")
        records = rows(
            path,
            "SELECT request_id, position, type, user_id, anonymous_id, timestamp,"
            " json_extract(body, '$.user_id') FROM records",
        )

    assert requests == [
        (1, "/v1/interactions?async=1", 200, 1, None, "stored"),
        (2, "/v1/interactions", 422, 0, None, "refused"),
    ]
    assert records == [(1, 0, "like", "u1", "a1", "2025-03-01T09:30:00Z", "u1")]


def test_the_key_is_nowhere_in_the_store(tmp_path):
    with Sandbox(store=tmp_path / "store.db") as sandbox:
        post(sandbox, GOOD)
        post(sandbox, GOOD, key="another-key")

        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert b"u1" in written
    assert sandbox.key.encode() not in written
    assert b"another-key" not in written


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
def test_the_store_is_for_its_owner_only(tmp_path):
    with Sandbox(store=tmp_path / "store.db") as sandbox:
        post(sandbox, GOOD)

        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert modes == {0o600}


def test_a_store_is_added_to(tmp_path):
    path = tmp_path / "store.db"
    with Sandbox(store=path) as first:
        post(first, GOOD)

    with Sandbox(store=path) as second:
        post(second, {**GOOD, "timestamp": "2026-01-01T00:00:00Z"}, {**GOOD, "type": "share"})

    counts = second.counts()
    assert counts["types"] == {"like": 2, "share": 1}
    assert counts["last_timestamp"] == "2026-01-01T00:00:00Z"


def test_a_stopped_store_is_one_file(tmp_path):
    path = tmp_path / "store.db"
    with Sandbox(store=path) as sandbox:
        post(sandbox, GOOD)

    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())

    assert rows(copy, "SELECT count(*) FROM records") == [(1,)]


def test_a_file_that_is_no_store_is_left_alone(tmp_path):
    text, database = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("Not a database, but long enough to be looked at as if it were one." * 20)
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE precious (x)")

    for path in (text, database, tmp_path, tmp_path / "nowhere" / "store.db"):
        with pytest.raises(SandboxError, match="--store"):
            Store(path)

    assert text.read_text().startswith("Not a database")
    assert rows(database, "SELECT name FROM sqlite_master") == [("precious",)]


def test_many_records_come_back_in_order():
    store = Store()

    store.add(STORED, [{"type": "like", "user_id": str(number)} for number in range(2500)])

    assert [record["user_id"] for record in store.records()] == [str(n) for n in range(2500)]


@pytest.mark.parametrize(
    "timestamp",
    ["2025-12-31T23:59:60Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"],
)
def test_a_timestamp_that_python_cannot_read_is_kept_and_not_counted(timestamp):
    store = Store()

    store.add(STORED, [{"type": "like", "timestamp": timestamp}, {"type": "share"}])

    assert next(store.records())["timestamp"] == timestamp
    assert store.counts()["first_timestamp"] is None


def test_the_time_range_spans_requests_and_types():
    store = Store()
    for name, timestamp in [
        ("like", None),
        ("like", "2025-02-01T00:00:00Z"),
        ("like", None),
        ("like", "2025-03-01T00:00:00.5Z"),
        ("share", "2025-01-01T00:00:00+01:00"),
    ]:
        store.add(STORED, [{"type": name} | ({"timestamp": timestamp} if timestamp else {})])

    counts = store.counts()

    assert counts["first_timestamp"] == "2024-12-31T23:00:00Z"
    assert counts["last_timestamp"] == "2025-03-01T00:00:00.500000Z"
