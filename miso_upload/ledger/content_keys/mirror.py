"""Look into the content keys of a ledger without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.ledger.content_keys import runs as content_runs
from miso_upload.ledger.content_keys.layout import IN_DOUBT
from miso_upload.ledger.content_keys.store import SCHEMA, ContentStore
from miso_upload.ledger.database import Database

if TYPE_CHECKING:
    from miso_upload.ledger.content_keys.layout import Limits

_FIRST_RUN = 2**38
"""Runs of a mirror's own have higher ids than those that it copies."""

_PART = "day, scan, start, {unknown}, records, keys, days, contents"


class ContentMirror(ContentStore):
    """A store of content keys that copies each day from a ledger when it is first looked into.

    What is noted here, such as the records that a dry run would send, stays here. The copies are
    in a temporary file of SQLite's, which nobody else sees and which is gone after `close`.

    Args:
        source: The ledger's database, which is only read. Where other processes may write to it,
            all uses of the mirror should be within one `source.snapshot()`.
        limits: When to tidy what; for tests.
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
        """Copy a day, unless it was copied before; rows are copied as they are, without names."""
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
