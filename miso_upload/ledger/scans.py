"""Stores scans, and finds those that an input may continue.

    new ──▶ reading ──▶ complete      the input was read to its end; growth is read from there
              │  ▲          │
              ▼  │          ▼
          interrupted    superseded   a new scan has read the source from its start
              └─────────────┘

A candidate is only a guess. A scan is continued if its spans are proven to be in the input. Without
proof, the input is read from its start, and content keys decide which records Miso has.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from miso_upload.ledger.entries import Scan
from miso_upload.ledger.migration import old_digest
from miso_upload.records import Stamp
from miso_upload.records.outside import OutsideRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from miso_upload.ledger.database import Database, Value
    from miso_upload.records import SourceIdentity

_SCAN = (
    "scans.id, source_id, sources.key, name, jobs.text, file, state, preamble, compressed, "
    "complete, keyless, mixed, scans.outside, seen_at, superseded"
)
_FROM = (
    "FROM scans JOIN sources ON sources.id = source_id AND sources.scan_id = scans.id "
    "JOIN jobs ON jobs.id = job_id"
)


class Scans:
    """The last scan of each source. The caller opens the transaction for changes."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._has_keyless: bool | None = None

    def of(self, scan_id: int) -> Scan:
        """Return a scan by its id."""
        return _scan(self._db.row(f"SELECT {_SCAN} {_FROM} WHERE scans.id = :scan", scan=scan_id))

    def all(self) -> list[Scan]:
        """Return the last scan of every source, in the order of the sources' first scans."""
        return self._found("ORDER BY sources.id")

    def candidates(self, identity: SourceIdentity, name: str, beginning: bytes) -> list[Scan]:
        """Return the scans that an input may continue, most likely first.

        They are the scans of the same file, with the same head, or with the same path or URL.
        """
        found: dict[int, Scan] = {}
        stamp = identity.stamp
        if stamp is not None:
            found.update(self._by("file", stamp.file))
        if identity.head is not None:
            found.update(self._by("head", identity.head))
        found.update(self._by("sources.key", stored(identity.key)))
        if self.has_keyless:
            found.update(self._by("sources.key", stored(name)))
            found.update((each.id, each) for each in self._with_same_start(beginning))
        return list(found.values())

    def of_key(self, key: str) -> list[Scan]:
        """Return the scans of the sources at a path or URL, latest first."""
        return self._found("WHERE sources.key = :key ORDER BY scans.id DESC", key=stored(key))

    def of_other_sources(self, key: str) -> frozenset[int]:
        """Return the ids of all scans except those of the source at a path or URL."""
        rows = self._db.rows(
            "SELECT scans.id FROM scans LEFT JOIN sources ON sources.id = source_id "
            "WHERE sources.key IS NOT :key",
            key=stored(key),
        )
        return frozenset(scan_id for (scan_id,) in rows)

    def before_run(self, run_id: int) -> frozenset[int]:
        """Return the ids of all scans that earlier runs started."""
        rows = self._db.rows("SELECT id FROM scans WHERE run_id != :run", run=run_id)
        return frozenset(scan_id for (scan_id,) in rows)

    def job_before(self, job: str) -> str | None:
        """Return the latest job fingerprint; None if any scan was read under this one."""
        known = self._db.row(
            "SELECT 1 FROM jobs JOIN scans ON job_id = jobs.id WHERE text = :job LIMIT 1", job=job
        )
        if known:
            return None
        latest = self._db.row(
            "SELECT text FROM scans JOIN jobs ON jobs.id = job_id ORDER BY scans.id DESC LIMIT 1"
        )
        return str(latest[0]) if latest else None

    def name_of(self, scan_id: int) -> str:
        """Return the name of a scan's source, even if the scan was superseded."""
        row = self._db.row("SELECT name FROM scans WHERE id = :scan", scan=scan_id)
        return named(row[0]) if row else "a forgotten source"

    def begin(self, identity: SourceIdentity, name: str, job: str, run_id: int) -> int:
        """Start a new scan, which becomes the last scan of the source at this path."""
        before = self._db.rows(
            "SELECT id, scan_id FROM sources WHERE key = :key ORDER BY id DESC",
            key=stored(identity.key),
        )
        for source_id, scan_id in before:
            self.retire(scan_id)
            if source_id != before[0][0]:
                # This source had the path before its file was renamed, and that file is gone.
                self._db.change("DELETE FROM sources WHERE id = :source", source=source_id)
        source_id = before[0][0] if before else self._db.change(
            "INSERT INTO sources (key, scan_id, seen_at) VALUES (:key, 0, :now)",
            key=stored(identity.key), now=now(),
        )  # fmt: skip
        stamp = identity.stamp
        scan_id = self._db.change(
            "INSERT INTO scans (source_id, name, job_id, file, state, head, preamble, run_id) "
            "VALUES (:source, :name, :job, :file, :state, :head, :preamble, :run)",
            source=source_id, name=stored(name), job=self._job(job), file=stamp and stamp.file,
            state=stamp and stamp.state, head=identity.head, preamble=identity.preamble,
            run=run_id,
        )  # fmt: skip
        self._db.change(
            "UPDATE sources SET scan_id = :scan, seen_at = :now WHERE id = :source",
            scan=scan_id,
            now=now(),
            source=source_id,
        )
        return scan_id

    def continue_(self, scan: Scan, identity: SourceIdentity, name: str, job: str) -> None:
        """Store the new name, job and state of an input that is proven to continue a scan."""
        stamp, job_id = identity.stamp, self._job(job)
        self._db.change(
            "UPDATE scans SET name = :name, mixed = mixed OR job_id != :job, job_id = :job, "
            "file = :file, state = :state, head = coalesce(:head, head), "
            "preamble = coalesce(preamble, :preamble), complete = 0 WHERE id = :scan",
            name=stored(name), job=job_id, file=stamp and stamp.file, state=stamp and stamp.state,
            head=identity.head, preamble=identity.preamble, scan=scan.id,
        )  # fmt: skip
        self._db.change(
            "UPDATE sources SET key = :key, seen_at = :now WHERE id = :source",
            key=stored(identity.key),
            now=now(),
            source=scan.source_id,
        )

    def add_outside(self, scan_id: int, rows: OutsideRows) -> None:
        """Store where rows are that are outside the scope of a scan."""
        (known,) = self._db.row("SELECT outside FROM scans WHERE id = :scan", scan=scan_id)
        found = OutsideRows.from_text(known)
        found.include(rows)
        if (text := found.to_text()) != known:
            self._db.change(
                "UPDATE scans SET outside = :outside WHERE id = :scan", outside=text, scan=scan_id
            )

    def retire(self, scan_id: int) -> None:
        """Delete the positions of a scan, which will not be resumed; keep its name and totals."""
        self._db.change(
            "UPDATE scans SET file = NULL, state = NULL, head = NULL, "
            "accepted_before = accepted_before + "
            "(SELECT coalesce(sum(accepted), 0) FROM spans WHERE scan_id = scans.id), "
            "duplicates_before = duplicates_before + "
            "(SELECT coalesce(sum(duplicates), 0) FROM spans WHERE scan_id = scans.id) "
            "WHERE id = :scan",
            scan=scan_id,
        )
        for table in ("spans", "rejections", "met"):
            self._db.change(f"DELETE FROM {table} WHERE scan_id = :scan", scan=scan_id)

    @property
    def has_keyless(self) -> bool:
        """Whether any source from version 0.1 has no content keys yet."""
        if self._has_keyless is not False:
            row = self._db.row("SELECT 1 FROM scans WHERE keyless = 1 LIMIT 1")
            self._has_keyless = row is not None
        return self._has_keyless

    def _job(self, text: str) -> int:
        self._db.change("INSERT OR IGNORE INTO jobs (text) VALUES (:job)", job=text)
        return int(self._db.row("SELECT id FROM jobs WHERE text = :job", job=text)[0])

    def _by(self, column: str, value: str | bytes) -> Iterator[tuple[int, Scan]]:
        latest = f"WHERE {column} = :value ORDER BY scans.id DESC LIMIT 3"
        for scan in self._found(latest, value=value):
            yield scan.id, scan

    def _found(self, where: str, /, **values: Value) -> list[Scan]:
        return list(map(_scan, self._db.rows(f"SELECT {_SCAN} {_FROM} {where}", **values)))

    def _with_same_start(self, beginning: bytes) -> list[Scan]:
        """Return the scans from version 0.1 with the longest start that the input shares."""
        lengths = self._db.rows(
            "SELECT DISTINCT length FROM old_heads WHERE length BETWEEN 1 AND :longest "
            "ORDER BY length DESC",
            longest=len(beginning),
        )
        for (length,) in lengths:
            found = self._found(
                "WHERE keyless = 1 AND scans.id IN "
                "(SELECT scan_id FROM old_heads WHERE length = :length AND digest = :digest)",
                length=length,
                digest=old_digest(beginning[:length]),
            )
            if found:
                return found
        return []


def stored(name: str) -> str | bytes:
    """Return a name as text, or as bytes if it is not valid UTF-8, because SQLite needs UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def stored_path(path: Path) -> str | bytes:
    """Return an absolute path in the form of `stored`."""
    return stored(str(path.absolute()))


def named(name: str | bytes) -> str:
    """Return the name from a value of `stored`."""
    return os.fsdecode(name) if isinstance(name, bytes) else name


def now() -> str:
    """Return the current time in the ledger's format."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _scan(row: Sequence[Any]) -> Scan:
    scan_id, source_id, key, name, job, file, state, *others, seen_at, superseded = row
    preamble, compressed, complete, keyless, mixed, outside = others
    stamp = None if file is None else Stamp(file, state)
    return Scan(
        scan_id, source_id, named(key), named(name), job, stamp, preamble, compressed,
        bool(complete), bool(keyless), bool(mixed), datetime.fromisoformat(seen_at), superseded,
        outside,
    )  # fmt: skip
