"""The spans of scans: entered before they are sent, counted when they are settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.ledger.entries import LedgerSpan
from miso_upload.ledger.line_ranges import from_ranges, to_ranges
from miso_upload.ledger.scans import now
from miso_upload.records import Leftover
from miso_upload.records.keyed import Keyed
from miso_upload.records.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.ledger.database import Database
    from miso_upload.ledger.entries import Settlement
    from miso_upload.records import Batch, Selection

MOST_MET = 4_096
"""Keys that are kept of records that a scan has in common with others; see `Ledger.met`."""
_SPAN = "start, end, first_line, checksum, line_count, state, unknown_lines, pending_lines"
_TOTALS = ", ".join(f"coalesce(sum({name}), 0)" for name in Totals.names())
_COUNTED = (
    "UPDATE spans SET state = :state, rows = rows * :kept + :rows, "
    "accepted = accepted * :kept + :accepted, already_sent = already_sent * :kept + :already_sent, "
    "skipped = skipped * :kept + :skipped, rejected = rejected * :kept + :rejected, "
    "changed = changed * :kept + :changed, remembered = remembered + :remembered, "
    "unknown = :unknown, pending = :pending, "
    "duplicates = duplicates + :duplicates, unknown_lines = :unknown_lines, "
    "pending_lines = :pending_lines, run_id = :run, changed_at = :now "
    "WHERE scan_id = :scan AND start = :start"
)


class Spans:
    """The spans of all scans. Changes are made within the caller's transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, scan_id: int, where: str) -> list[LedgerSpan]:
        """Return the spans of a scan that a clause of SQL selects and orders."""
        rows = self._db.rows(
            f"SELECT {_SPAN} FROM spans WHERE scan_id = :scan {where}", scan=scan_id
        )
        return list(map(_span, rows))

    def totals(self, scan_id: int) -> Totals:
        """Return the outcomes of all rows of a scan."""
        row = self._db.row(f"SELECT {_TOTALS} FROM spans WHERE scan_id = :scan", scan=scan_id)
        return Totals(*row)

    def enter(self, scan_id: int, batch: Batch, selection: Selection, run_id: int) -> bool:
        """Enter the span of `batch` as intended; False if it is known already."""
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
        """Let all rows of what an earlier run was about to send be looked at again, as a whole.

        Which of them were rejected or skipped was not noted; nor does it matter any more which
        others had been sent already.
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
        """Count what is pending in a known span as unknown, because it is about to be sent."""
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
        """Note the outcomes of the rows of a span."""
        batch, receipt, selection = settlement.batch, settlement.receipt, settlement.selection
        # Counts of a span that was sent in part are added to; those of any other are set.
        kept = int(settlement.partial)
        unknown, remembered = settlement.unknown_lines, settlement.remembered
        self._db.change(
            _COUNTED,
            state=settlement.state, kept=kept, rows=0 if kept else batch.rows,
            accepted=receipt.accepted - remembered,
            already_sent=selection.left_out + remembered, remembered=remembered,
            skipped=settlement.skipped, rejected=len(settlement.rejections),
            changed=len(selection.changed), unknown=len(unknown), pending=len(receipt.pending),
            duplicates=receipt.possible_duplicates, unknown_lines=to_ranges(unknown),
            pending_lines=to_ranges(receipt.pending), run=run_id, now=now(), scan=scan_id,
            start=batch.start,
        )  # fmt: skip

    def note_met(self, scan_id: int, batch: Batch, selection: Selection) -> None:
        """Keep the keys of records that were already sent, as long as they are few."""
        if not selection.left_out:
            return
        (kept,) = self._db.row(
            "SELECT coalesce(sum(length(keys)), 0) / 8 FROM met WHERE scan_id = :scan", scan=scan_id
        )
        if kept + selection.left_out <= MOST_MET:
            known = batch.keyed.pick(sorted({*selection.already_sent, *selection.changed}))
            keys, days, contents = known.to_bytes()
            self._db.change(
                "INSERT INTO met VALUES (:scan, :start, :keys, :days, :contents)",
                scan=scan_id, start=batch.start, keys=keys, days=days, contents=contents,
            )  # fmt: skip

    def met(self, scan_id: int) -> Keyed | None:
        """Return what `note_met` has kept of a scan; None if that is not all."""
        rows = self._db.rows(
            "SELECT keys, days, contents FROM met WHERE scan_id = :scan", scan=scan_id
        )
        found = Keyed.joined(Keyed.from_bytes(*row) for row in rows)
        (met,) = self._db.row(
            "SELECT coalesce(sum(already_sent - remembered), 0) FROM spans WHERE scan_id = :scan",
            scan=scan_id,
        )
        return found if len(found.keys) == met else None


def _span(row: Sequence[Any]) -> LedgerSpan:
    start, end, first_line, checksum, line_count, state, unknown, pending = row
    everything = state == "unknown" and unknown is None
    leftover = Leftover(_lines(unknown), _lines(pending), everything)
    return LedgerSpan(start, end, first_line, checksum, line_count, state, leftover)


def _lines(text: str | None) -> frozenset[int]:
    return frozenset(from_ranges(text)) if text else frozenset()
