"""Stores what became of the rows of spans in which rows are not always records.

For a span that is missing here, every row is one record, and its own counts say everything. The
table is created when the first such span is stored, so that other ledgers do not have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miso_upload.ledger.database import Database
    from miso_upload.records.batch import RowCounts

_OUTCOMES = "spans.accepted + already_sent + spans.rejected + unknown + pending"
_TABLE = """
CREATE TABLE IF NOT EXISTS row_counts (
    scan_id INTEGER NOT NULL, start INTEGER NOT NULL, records INTEGER NOT NULL,
    mapped INTEGER NOT NULL, rejected INTEGER NOT NULL,
    PRIMARY KEY (scan_id, start)
) WITHOUT ROWID
"""
_JOINED = "spans LEFT JOIN row_counts AS counts USING (scan_id, start)"


class RowCountStore:
    """The counts of rows of all scans. The caller opens the transaction for changes."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._exists = False

    @property
    def exists(self) -> bool:
        """Whether the ledger has the table."""
        if not self._exists:
            found = self._db.row("SELECT 1 FROM sqlite_master WHERE name = 'row_counts'")
            self._exists = found is not None
        return self._exists

    def totals(self, scan_id: int) -> tuple[int, int, int]:
        """Return how many records a scan has, and how many rows are mapped and rejected.

        All are 0 if every row of the scan is one record.
        """
        if not self.exists:
            return 0, 0, 0
        known, *sums = self._db.row(
            f"SELECT count(counts.records), sum(coalesce(counts.records, {_OUTCOMES})), "
            f"sum(coalesce(counts.mapped, {_OUTCOMES} - spans.rejected)), "
            f"sum(coalesce(counts.rejected, spans.rejected)) FROM {_JOINED} "
            "WHERE scan_id = :scan",
            scan=scan_id,
        )
        records, mapped, rejected = sums
        return (records, mapped, rejected) if known else (0, 0, 0)

    def store(self, scan_id: int, start: int, counts: RowCounts | None) -> None:
        """Store the counts of a span; None if every row of it is one record."""
        if counts is not None:
            if not self.exists:
                self._db.change(_TABLE)
            self._db.change(
                "INSERT OR REPLACE INTO row_counts VALUES (:scan, :start, :records, :mapped, "
                ":rejected)",
                scan=scan_id,
                start=start,
                **counts._asdict(),
            )
        elif self.exists:
            self._db.change(
                "DELETE FROM row_counts WHERE scan_id = :scan AND start = :start",
                scan=scan_id,
                start=start,
            )

    def adjust(self, scan_id: int, start: int, counts: RowCounts | None) -> None:
        """Adjust the counts of a span after a part of it was sent again.

        Other options than before may have made more or fewer records of the rows of that part.
        """
        if counts is None and not self.exists:
            return
        if not self.exists:
            self._db.change(_TABLE)
        self._db.change(
            "INSERT OR REPLACE INTO row_counts "
            f"SELECT scan_id, start, {_OUTCOMES}, "
            "rows - skipped - coalesce(counts.rejected, min(spans.rejected, rows - skipped)), "
            "coalesce(counts.rejected, min(spans.rejected, rows - skipped)) "
            f"FROM {_JOINED} WHERE scan_id = :scan AND start = :start AND "
            f"coalesce(counts.records, rows - skipped) != {_OUTCOMES}",
            scan=scan_id,
            start=start,
        )

    def retire(self, scan_id: int) -> None:
        """Delete the counts of a scan."""
        if self.exists:
            self._db.change("DELETE FROM row_counts WHERE scan_id = :scan", scan=scan_id)
