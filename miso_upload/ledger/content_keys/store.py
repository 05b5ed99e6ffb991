"""Stores the content keys of sent records: which ones Miso accepted, and which ones it may have.

A *scan* is one pass over a source from its start; its integer id is never reused. The records that
a scan sends are appended as *parts*, one for each day of a span. A span whose records have many
days becomes one part of mixed days, and many of these are later folded into parts of single days.
`reader` looks up which records other scans have sent, and merges parts into `runs` if that makes
lookups faster.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from miso_upload.ledger.content_keys.layout import DELETE_PART, IN_DOUBT, MIXED, Limits, stored_keys
from miso_upload.records.keyed_records import KeyedRecords, to_bytes

if TYPE_CHECKING:
    from miso_upload.ledger.database import Database

SCHEMA = """
CREATE TABLE sent_parts (
    id INTEGER PRIMARY KEY, day INTEGER NOT NULL, scan INTEGER NOT NULL, start INTEGER,
    unknown INTEGER NOT NULL, records INTEGER NOT NULL,
    keys BLOB NOT NULL, days BLOB, contents BLOB
);
CREATE INDEX sent_parts_by_day ON sent_parts (day, scan, records);
CREATE INDEX sent_parts_by_span ON sent_parts (scan, start);
CREATE TABLE sent_in_doubt (
    scan INTEGER NOT NULL, start INTEGER NOT NULL, first_part INTEGER NOT NULL,
    PRIMARY KEY (scan, start)
) WITHOUT ROWID;
CREATE TABLE sent_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, day INTEGER NOT NULL, bits INTEGER NOT NULL,
    entries INTEGER NOT NULL, records INTEGER NOT NULL, scan INTEGER
);
CREATE INDEX sent_runs_by_day ON sent_runs (day);
CREATE TABLE sent_pages (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL,
    keys BLOB NOT NULL, scans BLOB, contents BLOB, counts BLOB
);
CREATE TABLE sent_dead (scan INTEGER PRIMARY KEY)
"""


_SETTLED = "DELETE FROM sent_in_doubt WHERE scan = :scan AND start = :start"


class OpenReader(Protocol):
    """The interface through which the store notifies its readers; see `reader.Reader`."""

    scan: int

    def mark_stale(self) -> None:
        """Note that other scans have sent or settled records."""

    def release_memory(self) -> None:
        """Free memory for another reader."""

    def close_day(self, day: int) -> list[tuple[int, int]]:
        """Close a day whose parts are about to be rewritten; return their used entries."""

    def is_using(self, run: int) -> bool:
        """Return whether any entry of a run is used up."""


class ContentStore:
    """The content keys in one ledger. All methods raise LedgerError.

    Args:
        db: The ledger's database, with the tables of SCHEMA.
        limits: Thresholds of the store, for tests.
    """

    def __init__(self, db: Database, limits: Limits | None = None) -> None:
        self.db = db
        self.limits = limits or Limits()
        self.readers: WeakSet[OpenReader] = WeakSet()
        self._dead: frozenset[int] | None = None
        self._mixed: int | None = None

    @property
    def dead(self) -> frozenset[int]:
        """The forgotten scans."""
        if self._dead is None:
            self._dead = frozenset(scan for (scan,) in self.db.rows("SELECT scan FROM sent_dead"))
        return self._dead

    def close(self) -> None:
        """Release resources that only this store uses."""

    # -- writing; the caller opens the transaction -------------------------------------------------

    def note(self, scan: int, start: int, sent: KeyedRecords) -> None:
        """Note records of a span that are about to be sent.

        They count as unknown until the span is settled. Earlier unknown records of the span are not
        counted twice if they are resent; the others stay unknown.
        """
        self._release(scan, start, sent)
        first = self._add(scan, start, sent)
        if first:
            self.db.change(
                "INSERT INTO sent_in_doubt VALUES (:scan, :start, :first)",
                scan=scan,
                start=start,
                first=first,
            )
        self._fold_many()
        self._mark_readers_stale(scan)

    def settle(self, scan: int, start: int) -> None:
        """Note that Miso accepted all records of the last `note` for a span."""
        self.db.change(_SETTLED, scan=scan, start=start)
        self._mark_readers_stale(scan)

    def settle_partly(
        self, scan: int, start: int, accepted: KeyedRecords, unknown: KeyedRecords
    ) -> None:
        """Note which records of the last `note` for a span are accepted, and which are unknown.

        The others are removed, because Miso rejected them or they were not sent.
        """
        found = self.db.row(
            "SELECT first_part FROM sent_in_doubt WHERE scan = :scan AND start = :start",
            scan=scan,
            start=start,
        )
        if found:
            self.db.change(
                "DELETE FROM sent_parts WHERE scan = :scan AND start = :start AND id >= :first",
                scan=scan,
                start=start,
                first=found[0],
            )
        self._add(scan, start, accepted)
        self._add(scan, start, unknown, unknown=True)
        self.settle(scan, start)

    def forget(self, scan: int) -> None:
        """Ignore the records of a scan from now on; their space is reused later."""
        self.db.change("INSERT OR IGNORE INTO sent_dead VALUES (:scan)", scan=scan)
        self.db.change("DELETE FROM sent_in_doubt WHERE scan = :scan", scan=scan)
        self._dead = None
        self._mark_readers_stale(scan)

    # -- reading -----------------------------------------------------------------------------------

    def prepare(self, day: int) -> None:
        """Prepare for lookups in a day, or in the parts of mixed days."""

    # -- helpers -----------------------------------------------------------------------------------

    def _mark_readers_stale(self, scan: int) -> None:
        for reader in self.readers:
            if reader.scan != scan:
                reader.mark_stale()

    def _release(self, scan: int, start: int, sent: KeyedRecords) -> None:
        """Delete the unknown records of a span that are about to be resent."""
        rows = self.db.rows(
            f"SELECT id, day, keys, days, contents FROM sent_parts AS part "
            f"WHERE scan = :scan AND start = :start AND {IN_DOUBT}",
            scan=scan,
            start=start,
        )
        if not rows:
            return
        left: Counter[tuple[int, int, int]] = Counter()
        for _, *stored in rows:
            left.update(stored_keys(*stored).entries())
        left.subtract(sent.entries())
        self.db.change_many(DELETE_PART, [{"part": part} for part, *_ in rows])
        self.db.change(_SETTLED, scan=scan, start=start)
        self._add(scan, start, KeyedRecords.of((+left).elements()), unknown=True)

    def _add(self, scan: int, start: int, sent: KeyedRecords, *, unknown: bool = False) -> int:
        """Add records; return the id of their first part, or 0 without records."""
        few = max(4, len(sent.keys) >> 8)
        first = 0
        if not sent.keys:
            pass
        elif sent.days.count(sent.days[0]) < len(sent.days) and len(set(sent.days)) > few:
            first = self._add_part(MIXED, scan, start, sent, unknown=unknown)
            if self._mixed is not None:
                self._mixed += len(sent.keys)
        else:
            for day, keys, contents in sent.by_day():
                part = KeyedRecords(keys, array("i"), contents)
                added = self._add_part(day, scan, start, part, unknown=unknown)
                first = first or added
        return first

    def _add_part(
        self, day: int, scan: int, start: int | None, part: KeyedRecords, *, unknown: bool = False
    ) -> int:
        return self.db.change(
            "INSERT INTO sent_parts (day, scan, start, unknown, records, keys, days, contents) "
            "VALUES (:day, :scan, :start, :unknown, :records, :keys, :days, :contents)",
            day=day, scan=scan, start=start, unknown=unknown, records=len(part.keys),
            keys=to_bytes(part.keys), days=to_bytes(part.days) if day == MIXED else None,
            contents=to_bytes(part.contents) if part.contents is not None else None,
        )  # fmt: skip

    def _fold_many(self) -> None:
        if self._mixed is None:
            (self._mixed,) = self.db.row(
                "SELECT coalesce(sum(records), 0) FROM sent_parts WHERE day = :day", day=MIXED
            )
        if self._mixed > self.limits.fold:
            self.fold()

    def fold(self) -> None:
        """Split the settled parts of mixed days by day. The caller opens the transaction."""
        for reader in self.readers:
            reader.close_day(MIXED)
        keys: defaultdict[tuple[int, int, bool], array[int]] = defaultdict(lambda: array("Q"))
        contents: defaultdict[tuple[int, int, bool], array[int]] = defaultdict(lambda: array("Q"))
        ids = self.db.rows(
            f"SELECT id FROM sent_parts AS part WHERE day = :day AND NOT {IN_DOUBT}", day=MIXED
        )
        for (part_id,) in ids:
            scan, *stored = self.db.row(
                "SELECT scan, day, keys, days, contents FROM sent_parts WHERE id = :part",
                part=part_id,
            )
            part = stored_keys(*stored) if scan not in self.dead else KeyedRecords.none()
            natural = part.contents is not None
            for key, day in zip(part.keys, part.days, strict=True):
                keys[day, scan, natural].append(key)
            if natural:
                for _, day, content in part.entries():
                    contents[day, scan, True].append(content)
        for (day, scan, natural), found in keys.items():
            found_contents = contents[day, scan, True] if natural else None
            self._add_part(day, scan, None, KeyedRecords(found, array("i"), found_contents))
        self.db.change_many(DELETE_PART, [{"part": part} for (part,) in ids])
        self._mixed = 0
