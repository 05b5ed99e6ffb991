"""What the sandbox was sent, in SQLite: one row a request, one row an accepted record.

The store never holds a key. Its tables are made to be read by others, while the sandbox runs too:
`requests` (with the status answered, none where the connection was cut, and the number of records
stored) and `records` (with the record as JSON in `body`).
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
"""The outcome of a request's records: kept, found good in a dry run, or not taken."""

_APPLICATION_ID = 0x6D69736F  # "miso", so that no other SQLite file is taken for a store
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
    """One request as the store remembers it.

    Attributes:
        path: The path and the flags that matter, never the query as it came.
        status: What was answered; None where the connection was cut.
        outcome: The outcome of the records.
        fault: Which fault happened to it, if any.
    """

    path: str
    status: int | None
    outcome: Outcome
    fault: str | None = None


class Store:
    """The sandbox's memory, in a file or, without `path`, for as long as this object lives.

    May be used from several threads. A file that exists is added to.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the store.

        Raises:
            SandboxError: `path` cannot be opened, or is something else than a store.
        """
        try:
            if path is not None:
                _create_private(path)
            self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise SandboxError(
                f"{path}: cannot be used as a store ({error}); name another with --store."
            ) from None
        # However the owner lets go of it, SQLite gets to fold the log back into the file.
        self.close = weakref.finalize(self, self._connection.close)
        self._lock = threading.Lock()

    def add(self, request: ServedRequest, records: Sequence[Record] = ()) -> None:
        """Remember a request, and the records stored with it, in one transaction."""
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
        """Return the totals over everything that the store remembers."""
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
        """Fold the write-ahead log into the file, so that the file alone is the whole store."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _create_private(path: Path) -> None:
    """Make sure that the file exists, and that a new one is for its owner's eyes from the start."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", check_same_thread=False)
    try:
        is_new = _is_new(connection)
        if path is not None:
            path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        # A rehearsal may lose its last requests when the power fails, but must not wait for a disk.
        connection.execute("PRAGMA synchronous = OFF")
        if is_new:
            connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Return whether the database is empty; if it is neither that nor a store, raise."""
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise sqlite3.DatabaseError("it is not a sandbox's store")
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
    """Return a timestamp as a number that compares, or None for one that Python cannot read."""
    if timestamp is None:
        return None
    try:
        return (datetime.fromisoformat(timestamp).astimezone(UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _as_text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
