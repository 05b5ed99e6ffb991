"""Stores spans before their records are sent, and their outcomes afterward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.ledger.entries import LedgerSpan
from miso_upload.ledger.line_ranges import from_ranges, to_ranges
from miso_upload.ledger.scans import now
from miso_upload.records import Leftover
from miso_upload.records.keyed_records import KeyedRecords
from miso_upload.records.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.ledger.database import Database
    from miso_upload.ledger.entries import Settlement
    from miso_upload.records import Batch, Selection

MAX_SHARED_KEYS = 4_096
"""How many keys of records that other scans had sent are stored; see `Ledger.shared_keys`."""
_SPAN = "start, end, first_line, checksum, line_count, state, unknown_lines, pending_lines"
_TOTALS = ", ".join(f"coalesce(sum({name}), 0)" for name in Totals.names())
_COUNTED = (
    "UPDATE spans SET state = :state, rows = rows * :kept + :rows, "
    "accepted = accepted * :kept + :accepted, already_sent = already_sent * :kept + :already_sent, "
    "skipped = skipped * :kept + :skipped, rejected = rejected * :kept + :rejected, "
    "changed = changed * :kept + :changed, outside = outside * :kept + :outside, "
    "remembered = remembered + :remembered, "
    "unknown = :unknown, pending = :pending, "
    "duplicates = duplicates + :duplicates, unknown_lines = :unknown_lines, "
    "pending_lines = :pending_lines, run_id = :run, changed_at = :now "
    "WHERE scan_id = :scan AND start = :start"
)


class Spans:
    """The spans of all scans. The caller opens the transaction for changes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, scan_id: int, where: str) -> list[LedgerSpan]:
        """Return the spans of a scan, selected and ordered by an SQL clause."""
        rows = self._db.rows(
            f"SELECT {_SPAN} FROM spans WHERE scan_id = :scan {where}", scan=scan_id
        )
        return list(map(_span, rows))

    def totals(self, scan_id: int) -> Totals:
        """Return the outcomes of all rows of a scan."""
        row = self._db.row(f"SELECT {_TOTALS} FROM spans WHERE scan_id = :scan", scan=scan_id)
        return Totals(*row)

    def enter(self, scan_id: int, batch: Batch, selection: Selection, run_id: int) -> bool:
        """Insert the span of `batch` as intended; return False if it exists already."""
        left_out, records = selection.left_out, len(batch.lines)
        return self._db.added(
            "INSERT INTO spans (scan_id, start, end, first_line, line_count, checksum, state, "
            "rows, already_sent, changed, unknown, pending, run_id, changed_at) "
            "VALUES (:scan, :start, :end, :first_line, :line_count, :checksum, 'intended', :rows, "
            ":already_sent, :changed, :unknown, :pending, :run, :now) ON CONFLICT DO NOTHING",
            scan=scan_id, start=batch.start, end=batch.end, first_line=batch.first_line,
            line_count=batch.line_count, checksum=batch.checksum, rows=batch.rows,
            already_sent=left_out, changed=len(selection.changed), unknown=records - left_out,
            pending=batch.rows - records, run=run_id, now=now(),
        )  # fmt: skip

    def reopen_intended(self) -> None:
        """Reset all rows of the spans that a killed run was about to send.

        The ledger does not know which of these rows were rejected or skipped, so the next run
        transforms the whole spans again, and looks up again which records were already sent.
        """
        self._db.change(
            "DELETE FROM met WHERE EXISTS (SELECT 1 FROM spans WHERE state = 'intended' "
            "AND spans.scan_id = met.scan_id AND spans.start = met.start)"
        )
        self._db.change(
            "UPDATE spans SET state = 'unknown', unknown = unknown + already_sent, "
            "already_sent = 0, changed = 0, changed_at = :now WHERE state = 'intended'",
            now=now(),
        )

    def reopen(self, scan_id: int, batch: Batch) -> None:
        """Count the pending rows of a known span as unknown, because they are about to be sent."""
        known = self._db.row(
            "SELECT unknown_lines, pending_lines FROM spans "
            "WHERE scan_id = :scan AND start = :start AND state = 'pending'",
            scan=scan_id,
            start=batch.start,
        )
        if known:
            lines = to_ranges(sorted(_lines(known[0]) | _lines(known[1])))
            self._db.change(
                "UPDATE spans SET state = 'unknown', unknown = unknown + pending, pending = 0, "
                "unknown_lines = :lines, pending_lines = NULL, changed_at = :now "
                "WHERE scan_id = :scan AND start = :start",
                lines=lines,
                now=now(),
                scan=scan_id,
                start=batch.start,
            )

    def count(self, scan_id: int, settlement: Settlement, run_id: int) -> None:
        """Store the outcomes of the rows of a span."""
        batch, receipt, selection = settlement.batch, settlement.receipt, settlement.selection
        # If only a part of the span was sent, add to its counts; else replace them.
        kept = int(settlement.partial)
        unknown, remembered = settlement.unknown_lines, settlement.remembered
        self._db.change(
            _COUNTED,
            state=settlement.state, kept=kept, rows=0 if kept else batch.rows,
            accepted=receipt.accepted - remembered,
            already_sent=selection.left_out + remembered, remembered=remembered,
            skipped=settlement.skipped, rejected=len(settlement.rejections),
            changed=len(selection.changed), outside=settlement.outside, unknown=len(unknown),
            pending=len(receipt.pending),
            duplicates=receipt.possible_duplicates, unknown_lines=to_ranges(unknown),
            pending_lines=to_ranges(receipt.pending), run=run_id, now=now(), scan=scan_id,
            start=batch.start,
        )  # fmt: skip

    def store_shared_keys(self, scan_id: int, batch: Batch, selection: Selection) -> None:
        """Store the keys of records that were already sent, up to a limit for each scan."""
        if not selection.left_out:
            return
        (stored,) = self._db.row(
            "SELECT coalesce(sum(length(keys)), 0) / 8 FROM met WHERE scan_id = :scan", scan=scan_id
        )
        if stored + selection.left_out <= MAX_SHARED_KEYS:
            known = batch.keyed.pick(sorted({*selection.already_sent, *selection.changed}))
            keys, days, contents = known.to_bytes()
            self._db.change(
                "INSERT INTO met VALUES (:scan, :start, :keys, :days, :contents)",
                scan=scan_id, start=batch.start, keys=keys, days=days, contents=contents,
            )  # fmt: skip

    def shared_keys(self, scan_id: int) -> KeyedRecords | None:
        """Return the keys from `store_shared_keys`; None if the limit was exceeded."""
        rows = self._db.rows(
            "SELECT keys, days, contents FROM met WHERE scan_id = :scan", scan=scan_id
        )
        found = KeyedRecords.joined(KeyedRecords.from_bytes(*row) for row in rows)
        (shared,) = self._db.row(
            "SELECT coalesce(sum(already_sent - remembered), 0) FROM spans WHERE scan_id = :scan",
            scan=scan_id,
        )
        return found if len(found.keys) == shared else None


def _span(row: Sequence[Any]) -> LedgerSpan:
    start, end, first_line, checksum, line_count, state, unknown, pending = row
    everything = state == "unknown" and unknown is None
    leftover = Leftover(_lines(unknown), _lines(pending), everything)
    return LedgerSpan(start, end, first_line, checksum, line_count, state, leftover)


def _lines(text: str | None) -> frozenset[int]:
    return frozenset(from_ranges(text)) if text else frozenset()
