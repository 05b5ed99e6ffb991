"""What was sent, noted before and after, and asked for by later runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from miso_upload.accounting import Totals
from miso_upload.encoding import decode, encode
from miso_upload.keyed import Keyed
from miso_upload.ledger.content_mirror import ContentMirror
from miso_upload.ledger.contents import ContentStore
from miso_upload.ledger.database import Database
from miso_upload.ledger.entries import LedgerSpan, Scan
from miso_upload.ledger.scans import Scans, now, stored_path
from miso_upload.ledger.schema import has_content_keys, prepare
from miso_upload.line_ranges import from_ranges, to_ranges
from miso_upload.records import Leftover, Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from miso_upload.ledger.entries import Settlement
    from miso_upload.records import Batch, Receipt, Selection
    from miso_upload.sources import Identity

MOST_MET = 4_096
"""Keys that are kept of records that a scan has in common with others; see `met`."""
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


class Ledger:
    """The record of what was sent to one target. Only one thread may use it.

    Args:
        path: The file; None keeps a ledger that is gone when it is closed.
        about: What to note in a new ledger about its target, for `status`.

    Raises:
        LedgerError: The file cannot be used. So do all methods.
    """

    def __init__(self, path: Path | None, about: dict[str, str] | None = None) -> None:
        self._open(Database(path), about or {})

    @classmethod
    def to_read(cls, path: Path) -> Self | None:
        """Open a ledger that another run may be writing; None if it has no content keys yet."""
        self = cls.__new__(cls)
        db = Database(path, read_only=True)
        if not has_content_keys(db):
            db.close()
            return None
        self._open(db, {}, ContentMirror)
        return self

    def _open(
        self, db: Database, about: dict[str, str], store: type[ContentStore] = ContentStore
    ) -> None:
        try:
            prepare(db, about)
            self.contents = store(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        self.scans = Scans(db)
        self._run_id = 0

    def close(self) -> None:
        """Close the file."""
        self.contents.close()
        self._db.close()

    def about(self) -> dict[str, str]:
        """Return what is noted about the target."""
        return dict(self._db.rows("SELECT name, value FROM about"))

    def begin_work(self, about: dict[str, str]) -> None:
        """Note what the target is now, and that a run is at work; see `Database.begin_work`."""
        self._db.begin_work(about)

    # -- runs --------------------------------------------------------------------------------------

    def begin_run(self, version: str) -> None:
        """Note that a run starts, and that what an earlier one was about to send may be sent."""
        with self._db.transaction():
            self._run_id = self._db.change(
                "INSERT INTO runs (started_at, version) VALUES (?, ?)", (now(), version)
            )
            self._reopen_intended()

    def end_run(self, exit_code: int) -> None:
        """Note how the run ended."""
        with self._db.transaction():
            self._db.change(
                "UPDATE runs SET ended_at = ?, exit_code = ? WHERE id = ?",
                (now(), exit_code, self._run_id),
            )

    # -- scans -------------------------------------------------------------------------------------

    def begin_scan(self, identity: Identity, name: str, job: str) -> Scan:
        """Enter a scan of a source from its beginning; the last one before it is superseded."""
        with self._db.transaction():
            scan_id = self.scans.begin(identity, name, job, self._run_id)
        return self.scans.of(scan_id)

    def continue_scan(self, scan: Scan, identity: Identity, name: str, job: str) -> Scan:
        """Note that an input is proven to be what a scan has read, and perhaps more."""
        with self._db.transaction():
            self.scans.continue_(scan, identity, name, job)
        return self.scans.of(scan.id)

    def complete(self, scan: Scan) -> None:
        """Note that a scan came to the end of its input."""
        with self._db.transaction():
            self._db.change("UPDATE scans SET complete = 1 WHERE id = ?", (scan.id,))

    def fill_in(self, scan: Scan) -> None:
        """Note that all records of a scan of version 0.1 have content keys now."""
        with self._db.transaction():
            self._db.change("UPDATE scans SET keyless = 0 WHERE id = ?", (scan.id,))
            self._db.change("DELETE FROM old_heads WHERE scan_id = ?", (scan.id,))

    def forget(self, scans: Iterable[Scan], *, restart: bool = False) -> int:
        """Forget all that was sent from the sources of `scans`; return how many rows Miso took.

        Records of these sources are sent again by the next run that reads them.

        Args:
            scans: The last scan of each.
            restart: Keep the sources, and how many of their rows Miso had accepted.
        """
        forgotten = 0
        with self._db.transaction():
            for source_id in {scan.source_id for scan in scans}:
                accepted = 0
                for (scan_id,) in self._db.rows(
                    "SELECT id FROM scans WHERE source_id = ? AND NOT forgotten", (source_id,)
                ):
                    self.contents.forget(scan_id)
                    self.scans.retire(scan_id)
                    (each,) = self._db.row(
                        "SELECT accepted_before FROM scans WHERE id = ?", (scan_id,)
                    )
                    accepted += each
                self._db.change("UPDATE scans SET forgotten = 1 WHERE source_id = ?", (source_id,))
                self._db.change(
                    "UPDATE sources SET superseded = superseded + ? WHERE id = ?"
                    if restart
                    else "DELETE FROM sources WHERE ? >= 0 AND id = ?",
                    (accepted, source_id),
                )
                forgotten += accepted
        return forgotten

    def give_up_keyless(self, scans: Iterable[Scan]) -> None:
        """Note that nothing will prove which rows these scans of version 0.1 have read."""
        with self._db.transaction():
            for scan in scans:
                self.scans.retire(scan.id)
                self._db.change("UPDATE scans SET keyless = 0 WHERE id = ?", (scan.id,))
                self._db.change("DELETE FROM old_heads WHERE scan_id = ?", (scan.id,))

    def drop_empty(self, scan: Scan) -> None:
        """Drop a scan that has read nothing."""
        with self._db.transaction():
            self._db.change("DELETE FROM scans WHERE id = ?", (scan.id,))
            self._db.change("DELETE FROM sources WHERE scan_id = ?", (scan.id,))

    def has_proven(self, job: str) -> bool:
        """Whether Miso has accepted a row of any source that was read under a job fingerprint."""
        found = self._db.row(
            "SELECT 1 FROM jobs JOIN scans ON job_id = jobs.id JOIN spans ON scan_id = scans.id "
            "WHERE text = ? AND accepted + already_sent > 0 LIMIT 1",
            (job,),
        )
        return found is not None

    def met(self, scan: Scan) -> Keyed | None:
        """Return the content keys of the records of a scan that were already sent by others.

        None where there are more than are kept: such a scan cannot be continued by position,
        because a further copy of a record could not be told from the one that Miso has.
        """
        rows = self._db.rows("SELECT keys, days, contents FROM met WHERE scan_id = ?", (scan.id,))
        found = Keyed.joined(Keyed.from_bytes(*row) for row in rows)
        (met,) = self._db.row(
            "SELECT coalesce(sum(already_sent - remembered), 0) FROM spans WHERE scan_id = ?",
            (scan.id,),
        )
        return found if len(found.keys) == met else None

    # -- spans -------------------------------------------------------------------------------------

    def unfinished(self, scan: Scan, *, hold_unknown: bool) -> list[LedgerSpan]:
        """Return the spans that need work, in the order of the source.

        Held unknown records need none, except to find out which they are after a crash.
        """
        unknown = "unknown_lines IS NULL" if hold_unknown else "TRUE"
        return self._spans(
            f"AND (state = 'pending' OR (state = 'unknown' AND {unknown})) ORDER BY start", scan
        )

    def spans(self, scan: Scan) -> list[LedgerSpan]:
        """Return all spans of a scan, in order."""
        return self._spans("ORDER BY start", scan)

    def last_span(self, scan: Scan) -> LedgerSpan | None:
        """Return the span that reaches furthest into a source; None if nothing was read of it."""
        found = self._spans("ORDER BY start DESC LIMIT 1", scan)
        return found[0] if found else None

    def spans_with_rejections(self, scan: Scan) -> list[LedgerSpan]:
        """Return the spans of a scan in which rows were rejected, in order."""
        return self._spans("AND rejected > 0 ORDER BY start", scan)

    def intend(self, scan: Scan, batch: Batch, selection: Selection) -> None:
        """Note, before the first byte is sent, which records of `batch` are about to be.

        Of a span that is sent again nothing else changes, but its leftover may be sent now: should
        this run die, all of it is unknown.
        """
        with self._db.transaction():
            if self._enter_span(scan, batch, selection):
                self._note_met(scan, batch, selection)
            else:
                self._reopen_span(scan, batch)
            self.contents.note(scan.id, batch.start, _sent(batch, selection))

    def unseen(
        self, scan: Scan, batch: Batch, receipt: Receipt, leftover: Leftover | None
    ) -> list[Rejection]:
        """Return the rejections in `batch` and `receipt` that the ledger does not have yet.

        Where only a leftover was sent, nothing is said about the other rows of the span.
        """
        found = sorted((*batch.rejections, *receipt.rejections), key=lambda found: found.line)
        if leftover is not None and not leftover.everything:
            meant = leftover.unknown | leftover.pending
            found = [rejection for rejection in found if rejection.line in meant]
        known = {
            line
            for (line,) in self._db.rows(
                "SELECT line FROM rejections WHERE scan_id = ? AND start = ?",
                (scan.id, batch.start),
            )
        }
        return [rejection for rejection in found if rejection.line not in known]

    def settle(self, scan: Scan, settlement: Settlement) -> None:
        """Note, in one transaction, the outcome of the records of a batch that were sent."""
        batch, receipt, selection = settlement.batch, settlement.receipt, settlement.selection
        # Counts of a span that was sent in part are added to; those of any other are set.
        kept = int(settlement.partial)
        unknown, remembered = settlement.unknown_lines, settlement.remembered
        with self._db.transaction():
            if self._enter_span(scan, batch, selection) or settlement.leftover is not None:
                self._note_met(scan, batch, selection)
            self._db.change_many(
                "INSERT INTO rejections VALUES (?, ?, ?, ?, ?)",
                [
                    (scan.id, batch.start, found.line, found.by, _reasons_text(found.reasons))
                    for found in settlement.rejections
                ],
            )
            self._db.change(
                _COUNTED,
                {
                    "state": settlement.state, "kept": kept, "rows": 0 if kept else batch.rows,
                    "accepted": receipt.accepted - remembered,
                    "already_sent": selection.left_out + remembered, "remembered": remembered,
                    "skipped": settlement.skipped, "rejected": len(settlement.rejections),
                    "changed": len(selection.changed), "unknown": len(unknown),
                    "pending": len(receipt.pending), "duplicates": receipt.possible_duplicates,
                    "unknown_lines": to_ranges(unknown),
                    "pending_lines": to_ranges(receipt.pending),
                    "run": self._run_id, "now": now(), "scan": scan.id, "start": batch.start,
                },
            )  # fmt: skip
            self._settle_contents(scan, settlement)
            if settlement.rejects_file is not None:
                self._note_rejects_file(*settlement.rejects_file)

    def remember_keys(self, scan: Scan, batch: Batch, span: LedgerSpan) -> None:
        """Note the content keys of a span that was settled before there were any."""
        lost = {
            line
            for (line,) in self._db.rows(
                "SELECT line FROM rejections WHERE scan_id = ? AND start = ?",
                (scan.id, batch.start),
            )
        }
        left = span.leftover
        unknown = set(batch.lines) if left.everything else left.unknown
        known = enumerate(batch.lines)
        meant = [(index, line) for index, line in known if line not in lost | left.pending]
        with self._db.transaction():
            self._db.change(
                "UPDATE spans SET checksum = ? WHERE scan_id = ? AND start = ?",
                (batch.checksum, scan.id, batch.start),
            )
            self.contents.settle_partly(
                scan.id,
                batch.start,
                batch.keyed.pick([index for index, line in meant if line not in unknown]),
                batch.keyed.pick([index for index, line in meant if line in unknown]),
            )

    # -- answers -----------------------------------------------------------------------------------

    def totals(self, scan: Scan) -> Totals:
        """Return the outcomes of all rows of a scan, over all runs."""
        row = self._db.row(f"SELECT {_TOTALS} FROM spans WHERE scan_id = ?", (scan.id,))
        return Totals(*row)

    def accepted_total(self) -> int:
        """Return how many rows Miso has accepted at this target in all; it never falls."""
        return self._total("accepted")

    def duplicates_total(self) -> int:
        """Return how many of those may have been taken more than once; it never falls either."""
        return self._total("duplicates")

    def open_unknown(self, scan: Scan) -> int:
        """Return how many records wait for a decision whether they are sent again."""
        (count,) = self._db.row(
            "SELECT coalesce(sum(unknown), 0) FROM spans "
            "WHERE scan_id = ? AND state != 'abandoned'",
            (scan.id,),
        )
        return int(count)

    def rejections(self, scan: Scan) -> Iterator[Rejection]:
        """Yield the rejections of a scan by line, without their rows, which are not kept here."""
        for line, by, reasons in self._db.each(
            "SELECT line, by, reasons FROM rejections WHERE scan_id = ? ORDER BY start, line",
            (scan.id,),
        ):
            yield Rejection(line, _reasons(reasons), None, by=by)

    def rejects_length(self, path: Path) -> int | None:
        """Return how many bytes of a rejects file are to stay; None if it is not known here.

        What a run that died wrote behind them was not committed. After a run that came to its end
        all of it stays, also what others have added since.
        """
        row = self._db.row(
            "SELECT length, ended_at FROM rejects_files LEFT JOIN runs ON id = run_id "
            "WHERE path = ?",
            (stored_path(path),),
        )
        if row is None:
            return None
        length, ended_at = row
        return int(length) if ended_at is None else sys.maxsize

    def enter_rejects_file(self, path: Path, length: int) -> None:
        """Note how long a rejects file is before this run adds to it."""
        with self._db.transaction():
            self._note_rejects_file(path, length)

    def forget_rejects_file(self, path: Path) -> None:
        """Forget a rejects file, so that it is written from its beginning."""
        with self._db.transaction():
            self._db.change("DELETE FROM rejects_files WHERE path = ?", (stored_path(path),))

    # -- inside ------------------------------------------------------------------------------------

    def _total(self, count: str) -> int:
        (retired,) = self._db.row(f"SELECT coalesce(sum({count}_before), 0) FROM scans")
        (current,) = self._db.row(f"SELECT coalesce(sum({count}), 0) FROM spans")
        return int(retired + current)

    def _spans(self, where: str, scan: Scan) -> list[LedgerSpan]:
        rows = self._db.rows(f"SELECT {_SPAN} FROM spans WHERE scan_id = ? {where}", (scan.id,))
        return list(map(_span, rows))

    def _enter_span(self, scan: Scan, batch: Batch, selection: Selection) -> bool:
        """Enter the span of `batch` as intended; False if it is known already."""
        left_out, records = selection.left_out, len(batch.lines)
        return self._db.added(
            "INSERT INTO spans (scan_id, start, end, first_line, line_count, checksum, state, "
            "rows, already_sent, changed, unknown, pending, run_id, changed_at) "
            "VALUES (?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                scan.id, batch.start, batch.end, batch.first_line, batch.line_count, batch.checksum,
                batch.rows, left_out, len(selection.changed), records - left_out,
                batch.rows - records, self._run_id, now(),
            ),
        )  # fmt: skip

    def _reopen_intended(self) -> None:
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
            "already_sent = 0, changed = 0, changed_at = ? WHERE state = 'intended'",
            (now(),),
        )

    def _reopen_span(self, scan: Scan, batch: Batch) -> None:
        known = self._db.row(
            "SELECT unknown_lines, pending_lines FROM spans "
            "WHERE scan_id = ? AND start = ? AND state = 'pending'",
            (scan.id, batch.start),
        )
        if known:
            lines = to_ranges(sorted(_lines(known[0]) | _lines(known[1])))
            self._db.change(
                "UPDATE spans SET state = 'unknown', unknown = unknown + pending, pending = 0, "
                "unknown_lines = ?, pending_lines = NULL, changed_at = ? "
                "WHERE scan_id = ? AND start = ?",
                (lines, now(), scan.id, batch.start),
            )

    def _note_met(self, scan: Scan, batch: Batch, selection: Selection) -> None:
        """Keep the keys of records that were already sent, as long as they are few."""
        if not selection.left_out:
            return
        (kept,) = self._db.row(
            "SELECT coalesce(sum(length(keys)), 0) / 8 FROM met WHERE scan_id = ?", (scan.id,)
        )
        if kept + selection.left_out <= MOST_MET:
            known = batch.keyed.pick(sorted({*selection.already_sent, *selection.changed}))
            self._db.change(
                "INSERT INTO met VALUES (?, ?, ?, ?, ?)", (scan.id, batch.start, *known.to_bytes())
            )

    def _settle_contents(self, scan: Scan, settlement: Settlement) -> None:
        batch, receipt = settlement.batch, settlement.receipt
        if not settlement.selection.sends(batch):
            return
        unknown = frozenset() if settlement.abandon_unknown else frozenset(receipt.unknown)
        pending = () if settlement.forecasts else receipt.pending
        if not (unknown or pending or receipt.rejections):
            self.contents.settle(scan.id, batch.start)
            return
        lost = {*pending, *(rejection.line for rejection in receipt.rejections), *unknown}
        sent = _sent_indices(batch, settlement.selection)
        lines, keyed = batch.lines, batch.keyed
        self.contents.settle_partly(
            scan.id,
            batch.start,
            keyed.pick([index for index in sent if lines[index] not in lost]),
            keyed.pick([index for index in sent if lines[index] in unknown]),
        )

    def _note_rejects_file(self, path: Path, length: int) -> None:
        self._db.change(
            "INSERT OR REPLACE INTO rejects_files VALUES (?, ?, ?)",
            (stored_path(path), length, self._run_id),
        )


def _sent_indices(batch: Batch, selection: Selection) -> Sequence[int]:
    if selection.fresh is None:
        return range(len(batch.lines))
    return sorted((*selection.fresh, *selection.doubtful))


def _sent(batch: Batch, selection: Selection) -> Keyed:
    """Return the content keys of the records that are sent."""
    if selection.fresh is None:
        return batch.keyed
    return batch.keyed.pick(_sent_indices(batch, selection))


def _span(row: Sequence[Any]) -> LedgerSpan:
    start, end, first_line, checksum, line_count, state, unknown, pending = row
    everything = state == "unknown" and unknown is None
    leftover = Leftover(_lines(unknown), _lines(pending), everything)
    return LedgerSpan(start, end, first_line, checksum, line_count, state, leftover)


def _lines(text: str | None) -> frozenset[int]:
    return frozenset(from_ranges(text)) if text else frozenset()


def _reasons_text(reasons: Iterable[Reason]) -> str:
    return encode([[reason.about, reason.problem, reason.shown] for reason in reasons]).decode()


def _reasons(text: str) -> tuple[Reason, ...]:
    return tuple(Reason(*parts) for parts in decode(text))
