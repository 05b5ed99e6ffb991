"""Looks up content keys in a ledger without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.ledger.content_keys import runs as content_runs
from miso_upload.ledger.content_keys.layout import IN_DOUBT
from miso_upload.ledger.content_keys.store import SCHEMA, ContentStore
from miso_upload.ledger.database import Database

if TYPE_CHECKING:
    from miso_upload.ledger.content_keys.layout import Limits

_FIRST_RUN = 2**38
"""The first id of a mirror's own runs, higher than the ids of the runs that it copies."""

_PART = "day, scan, start, {unknown}, records, keys, days, contents"


class ContentMirror(ContentStore):
    """A store of content keys that copies each day from a ledger on first use.

    Changes, such as noting the records that a dry run would send, affect only the copies. They are
    in a private temporary file, which `close` deletes.

    Args:
        source: The ledger's database, which is only read. If other processes may write to it, use
            the mirror within one `source.snapshot()`.
        limits: Thresholds of the store, for tests.
    """

    def __init__(self, source: Database, limits: Limits | None = None) -> None:
        super().__init__(Database(None), limits)
        self._source = source
        self._copied: set[int] = set()
        with self.db.transaction():
            for statement in () if self._has_tables() else SCHEMA.split(";"):
                self.db.change(statement)
            self.db.change_many(
                "INSERT INTO sent_dead VALUES (?)", source.each("SELECT scan FROM sent_dead")
            )
            self.db.change("INSERT INTO sqlite_sequence VALUES ('sent_runs', :run)", run=_FIRST_RUN)

    def close(self) -> None:
        """Delete the copies."""
        self.db.close()

    def prepare(self, day: int) -> None:
        """Copy a day, unless it was copied before; rows are copied as tuples, which is faster."""
        if day in self._copied:
            return
        with self.db.transaction():
            self.db.change_many(
                f"INSERT INTO sent_parts ({_PART.format(unknown='unknown')}) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                self._source.each(
                    f"SELECT {_PART.format(unknown=IN_DOUBT)} FROM sent_parts AS part "
                    "WHERE day = :day",
                    day=day,
                ),
            )
            self.db.change_many(
                "INSERT INTO sent_runs VALUES (?, ?, ?, ?, ?, ?)",
                self._source.each(
                    "SELECT id, day, bits, entries, records, scan FROM sent_runs WHERE day = :day",
                    day=day,
                ),
            )
            for run in content_runs.runs_of(self._source, day):
                self.db.change_many(
                    "INSERT INTO sent_pages VALUES (?, ?, ?, ?, ?, ?)",
                    content_runs.stored_pages(self._source, run),
                )
        self._copied.add(day)

    def _has_tables(self) -> bool:
        return bool(self.db.rows("SELECT 1 FROM sqlite_master WHERE name = 'sent_parts'"))
