"""Stores the requests and the accepted records of the sandbox in SQLite.

The store never contains an API key. Other programs may read its tables, even while the sandbox
runs: `requests` (with the status, NULL if the connection was cut, and the number of records stored)
and `records` (with the record as JSON in `body`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from miso_upload.errors import SandboxError
from miso_upload.values.json import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from miso_upload.records import Record

Outcome = Literal["stored", "checked", "refused"]
"""The outcome of a request's records: stored, valid in a dry run, or refused."""

_APPLICATION_ID = 0x6D69736F  # "miso", to tell a store from other SQLite files
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PAGE = 1000

_TABLES = f"""
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    received_at TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER,
    records INTEGER NOT NULL,
    fault TEXT,
    outcome TEXT NOT NULL
);
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    request_id INTEGER NOT NULL REFERENCES requests (id),
    position INTEGER NOT NULL,
    type TEXT,
    user_id TEXT,
    anonymous_id TEXT,
    timestamp TEXT,
    body TEXT NOT NULL
);
CREATE TABLE tallies (
    type TEXT PRIMARY KEY,
    records INTEGER NOT NULL,
    first_instant INTEGER,
    last_instant INTEGER
);
"""


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request in the store.

    Attributes:
        path: The path and the relevant flags, never the whole query.
        status: The status of the answer; None if the connection was cut.
        outcome: The outcome of the records.
        fault: The fault that was injected, if any.
    """

    path: str
    status: int | None
    outcome: Outcome
    fault: str | None = None


class Store:
    """The store of the sandbox, in a file or, without `path`, in memory.

    Several threads may use it. It adds to a file that exists.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the store.

        Raises:
            SandboxError: `path` cannot be opened or is not a store.
        """
        try:
            if path is not None:
                _create_private(path)
            self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise SandboxError(
                f"{path}: cannot be used as a store ({error}). Name another file with --store."
            ) from None
        # Even if nobody calls close, SQLite must merge its log into the file.
        self.close = weakref.finalize(self, self._connection.close)
        self._lock = threading.Lock()

    def add(self, request: ServedRequest, records: Sequence[Record] = ()) -> None:
        """Store a request and its records in one transaction."""
        with self._lock, self._connection as transaction:
            request_id = transaction.execute(
                "INSERT INTO requests (received_at, path, status, records, fault, outcome)"
                " VALUES (:received_at, :path, :status, :records, :fault, :outcome)",
                {
                    "received_at": _as_text(datetime.now(UTC)),
                    "path": request.path,
                    "status": request.status,
                    "records": len(records),
                    "fault": request.fault,
                    "outcome": request.outcome,
                },
            ).lastrowid
            transaction.executemany(
                "INSERT INTO records"
                " (request_id, position, type, user_id, anonymous_id, timestamp, body)"
                " VALUES (:request, :position, :type, :user_id, :anonymous_id, :timestamp, :body)",
                (
                    {
                        "request": request_id,
                        "position": position,
                        "type": record["type"],
                        "user_id": record.get("user_id"),
                        "anonymous_id": record.get("anonymous_id"),
                        "timestamp": record.get("timestamp"),
                        "body": encode(record).decode(),
                    }
                    for position, record in enumerate(records)
                ),
            )
            transaction.executemany(
                "INSERT INTO tallies VALUES (:type, :records, :first, :last)"
                " ON CONFLICT (type) DO UPDATE SET"
                " records = records + excluded.records,"
                " first_instant = min(ifnull(first_instant, excluded.first_instant),"
                " ifnull(excluded.first_instant, first_instant)),"
                " last_instant = max(ifnull(last_instant, excluded.last_instant),"
                " ifnull(excluded.last_instant, last_instant))",
                _tallies(records),
            )

    def counts(self) -> dict[str, Any]:
        """Return the totals of everything in the store."""
        with self._lock:
            requests = self._connection.execute(
                "SELECT outcome, status, fault, count(*) FROM requests GROUP BY 1, 2, 3"
            ).fetchall()
            tallies = self._connection.execute(
                "SELECT type, records, first_instant, last_instant FROM tallies"
                " ORDER BY records DESC, type"
            ).fetchall()
        outcomes: Counter[Outcome] = Counter()
        statuses: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        for outcome, status, fault, number in requests:
            outcomes[outcome] += number
            statuses["no answer" if status is None else str(status)] += number
            if fault is not None:
                faults[fault] += number
        firsts = [first for _, _, first, _ in tallies if first is not None]
        lasts = [last for _, _, _, last in tallies if last is not None]
        return {
            "requests": outcomes.total(),
            "accepted_requests": outcomes["stored"],
            "refused_requests": outcomes["refused"],
            "dry_run_requests": outcomes["checked"],
            "records": sum(records for _, records, _, _ in tallies),
            "types": {name: records for name, records, _, _ in tallies},
            "first_timestamp": _as_text(_EPOCH + min(firsts) * _MICROSECOND) if firsts else None,
            "last_timestamp": _as_text(_EPOCH + max(lasts) * _MICROSECOND) if lasts else None,
            "statuses": dict(sorted(statuses.items())),
            "faults": dict(sorted(faults.items())),
        }

    def records(self) -> Iterator[Record]:
        """Yield the stored records in the order of their arrival, as they were sent."""
        last = 0
        while True:
            with self._lock:
                rows = self._connection.execute(
                    "SELECT id, body FROM records WHERE id > :last ORDER BY id LIMIT :most",
                    {"last": last, "most": _PAGE},
                ).fetchall()
            if not rows:
                return
            for _, body in rows:
                yield decode(body)
            last = rows[-1][0]

    def checkpoint(self) -> None:
        """Merge the write-ahead log into the file, so that the file is the whole store."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _create_private(path: Path) -> None:
    """Create the file if necessary, so that only its owner can ever read it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", check_same_thread=False)
    try:
        is_new = _is_new(connection)
        if path is not None:
            path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        # Losing the last requests in a power failure is acceptable; waiting for the disk is not.
        connection.execute("PRAGMA synchronous = OFF")
        if is_new:
            connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Return whether the database is empty; raise an error if it is not empty and not a store."""
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise sqlite3.DatabaseError("it is not a store of a sandbox")
    return False


def _tallies(records: Sequence[Record]) -> list[dict[str, str | int | None]]:
    """Return, for each type, how many records there are, and the first and the last instant."""
    numbers: Counter[str] = Counter()
    instants: dict[str, list[int]] = {}
    for record in records:
        name = record["type"]
        numbers[name] += 1
        if (instant := _microseconds(record.get("timestamp"))) is not None:
            instants.setdefault(name, []).append(instant)
    return [
        {
            "type": name,
            "records": number,
            "first": min(instants.get(name, ()), default=None),
            "last": max(instants.get(name, ()), default=None),
        }
        for name, number in numbers.items()
    ]


def _microseconds(timestamp: str | None) -> int | None:
    """Return a timestamp in microseconds since 1970, or None if Python cannot parse it."""
    if timestamp is None:
        return None
    try:
        return (datetime.fromisoformat(timestamp).astimezone(UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _as_text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
