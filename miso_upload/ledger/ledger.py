"""What was sent, noted before and after, and asked for by later runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from miso_upload.ledger.content_keys.mirror import ContentMirror
from miso_upload.ledger.content_keys.store import ContentStore
from miso_upload.ledger.database import Database
from miso_upload.ledger.rejections import Rejections
from miso_upload.ledger.scans import Scans, now
from miso_upload.ledger.schema import has_content_keys, prepare
from miso_upload.ledger.spans import MOST_MET, Spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from miso_upload.ledger.entries import LedgerSpan, Scan, Settlement
    from miso_upload.records import Batch, Identity, Leftover, Receipt, Rejection, Selection
    from miso_upload.records.keyed import Keyed
    from miso_upload.records.totals import Totals

__all__ = ["MOST_MET", "Ledger"]


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
        # What the mirror copies day by day has to be of one moment.
        self._reading.enter_context(db.snapshot())
        return self

    def _open(
        self, db: Database, about: dict[str, str], store: type[ContentStore] = ContentStore
    ) -> None:
        self._reading = ExitStack()
        try:
            prepare(db, about)
            self.contents = store(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        self.scans = Scans(db)
        self._spans = Spans(db)
        self._rejections = Rejections(db)
        self._run_id = 0
        self._proven: set[str] = set()

    @property
    def path(self) -> Path | None:
        """Return the file; None of a ledger that is gone when it is closed."""
        return self._db.path

    def close(self) -> None:
        """Close the file."""
        self.contents.close()
        self._reading.close()
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
                "INSERT INTO runs (started_at, version) VALUES (:now, :version)",
                now=now(),
                version=version,
            )
            self._spans.reopen_intended()

    def end_run(self, exit_code: int) -> None:
        """Note how the run ended."""
        with self._db.transaction():
            self._db.change(
                "UPDATE runs SET ended_at = :now, exit_code = :exit_code WHERE id = :run",
                now=now(),
                exit_code=exit_code,
                run=self._run_id,
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

    def sent_before(self) -> frozenset[int]:
        """Return the ids of all scans that earlier runs began."""
        return self.scans.before_run(self._run_id)

    def complete(self, scan: Scan, compressed: str | None = None) -> None:
        """Note that a scan came to the end of its input.

        Args:
            scan: The scan.
            compressed: Size and checksum of the compressed file, if it is one.
        """
        with self._db.transaction():
            self._db.change(
                "UPDATE scans SET complete = 1, compressed = :compressed WHERE id = :scan",
                compressed=compressed,
                scan=scan.id,
            )

    def note_covered(self, scan: Scan, by: Scan) -> None:
        """Note that another scan has all records of a scan, whose input is damaged."""
        with self._db.transaction():
            self._db.change(
                "UPDATE scans SET covered_by = :other WHERE id = :scan", other=by.id, scan=scan.id
            )

    def is_covered(self, scan: Scan, by: Scan) -> bool:
        """Return whether that was noted."""
        found = self._db.row(
            "SELECT 1 FROM scans WHERE id = :scan AND covered_by = :other",
            scan=scan.id,
            other=by.id,
        )
        return found is not None

    def fill_in(self, scan: Scan) -> None:
        """Note that all records of a scan of version 0.1 have content keys now."""
        with self._db.transaction():
            self._db.change("UPDATE scans SET keyless = 0 WHERE id = :scan", scan=scan.id)
            self._db.change("DELETE FROM old_heads WHERE scan_id = :scan", scan=scan.id)

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
                    "SELECT id FROM scans WHERE source_id = :source AND NOT forgotten",
                    source=source_id,
                ):
                    self.contents.forget(scan_id)
                    self.scans.retire(scan_id)
                    (each,) = self._db.row(
                        "SELECT accepted_before FROM scans WHERE id = :scan", scan=scan_id
                    )
                    accepted += each
                self._db.change(
                    "UPDATE scans SET forgotten = 1 WHERE source_id = :source", source=source_id
                )
                if restart:
                    self._db.change(
                        "UPDATE sources SET superseded = superseded + :accepted WHERE id = :source",
                        accepted=accepted,
                        source=source_id,
                    )
                else:
                    self._db.change("DELETE FROM sources WHERE id = :source", source=source_id)
                forgotten += accepted
        return forgotten

    def give_up_keyless(self, scans: Iterable[Scan]) -> None:
        """Note that nothing will prove which rows these scans of version 0.1 have read."""
        with self._db.transaction():
            for scan in scans:
                self.scans.retire(scan.id)
                self._db.change("UPDATE scans SET keyless = 0 WHERE id = :scan", scan=scan.id)
                self._db.change("DELETE FROM old_heads WHERE scan_id = :scan", scan=scan.id)
                self._db.change("DELETE FROM sources WHERE scan_id = :scan", scan=scan.id)

    def drop_empty(self, scan: Scan) -> None:
        """Drop a scan that has read nothing."""
        with self._db.transaction():
            self._db.change("DELETE FROM scans WHERE id = :scan", scan=scan.id)
            self._db.change("DELETE FROM sources WHERE scan_id = :scan", scan=scan.id)

    def has_proven(self, job: str) -> bool:
        """Whether Miso has accepted a row of any source that was read under a job fingerprint."""
        if job in self._proven:
            return True
        found = self._db.row(
            "SELECT 1 FROM jobs JOIN scans ON job_id = jobs.id JOIN spans ON scan_id = scans.id "
            "WHERE text = :job AND accepted + already_sent > 0 LIMIT 1",
            job=job,
        )
        if found is not None:
            self._proven.add(job)
        return found is not None

    def met(self, scan: Scan) -> Keyed | None:
        """Return the content keys of the records of a scan that were already sent by others.

        None where there are more than are kept: such a scan cannot be continued by position,
        because a further copy of a record could not be told from the one that Miso has.
        """
        return self._spans.met(scan.id)

    # -- spans -------------------------------------------------------------------------------------

    def unfinished(self, scan: Scan, *, hold_unknown: bool) -> list[LedgerSpan]:
        """Return the spans that need work, in the order of the source.

        Held unknown records need none, except to find out which they are after a crash.
        """
        unknown = "unknown_lines IS NULL" if hold_unknown else "TRUE"
        return self._spans.of(
            scan.id, f"AND (state = 'pending' OR (state = 'unknown' AND {unknown})) ORDER BY start"
        )

    def spans(self, scan: Scan) -> list[LedgerSpan]:
        """Return all spans of a scan, in order."""
        return self._spans.of(scan.id, "ORDER BY start")

    def last_span(self, scan: Scan) -> LedgerSpan | None:
        """Return the span that reaches furthest into a source; None if nothing was read of it."""
        found = self._spans.of(scan.id, "ORDER BY start DESC LIMIT 1")
        return found[0] if found else None

    def spans_with_rejections(self, scan: Scan) -> list[LedgerSpan]:
        """Return the spans of a scan in which rows were rejected, in order."""
        return self._spans.of(scan.id, "AND rejected > 0 ORDER BY start")

    def intend(self, scan: Scan, batch: Batch, selection: Selection) -> None:
        """Note, before the first byte is sent, which records of `batch` are about to be.

        Of a span that is sent again nothing else changes, but its leftover may be sent now: should
        this run die, all of it is unknown.
        """
        with self._db.transaction():
            if self._spans.enter(scan.id, batch, selection, self._run_id):
                self._spans.note_met(scan.id, batch, selection)
            else:
                self._spans.reopen(scan.id, batch)
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
        known = self._rejections.lines(scan.id, batch.start)
        return [rejection for rejection in found if rejection.line not in known]

    def settle(self, scan: Scan, settlement: Settlement) -> None:
        """Note, in one transaction, the outcome of the records of a batch that were sent."""
        batch, selection = settlement.batch, settlement.selection
        with self._db.transaction():
            new = self._spans.enter(scan.id, batch, selection, self._run_id)
            if new or settlement.leftover is not None:
                self._spans.note_met(scan.id, batch, selection)
            self._rejections.add(scan.id, batch.start, settlement.rejections)
            self._spans.count(scan.id, settlement, self._run_id)
            self._settle_contents(scan, settlement)
            if settlement.rejects_file is not None:
                self._rejections.note_file(*settlement.rejects_file, self._run_id)

    def remember_keys(self, scan: Scan, batch: Batch, span: LedgerSpan) -> None:
        """Note the content keys of a span that was settled before there were any."""
        lost = self._rejections.lines(scan.id, batch.start)
        left = span.leftover
        unknown = set(batch.lines) if left.everything else left.unknown
        known = enumerate(batch.lines)
        meant = [(index, line) for index, line in known if line not in lost | left.pending]
        with self._db.transaction():
            self._db.change(
                "UPDATE spans SET checksum = :checksum WHERE scan_id = :scan AND start = :start",
                checksum=batch.checksum,
                scan=scan.id,
                start=batch.start,
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
        return self._spans.totals(scan.id)

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
            "WHERE scan_id = :scan AND state != 'abandoned'",
            scan=scan.id,
        )
        return int(count)

    def rejections(self, scan: Scan) -> Iterator[Rejection]:
        """Return the rejections of a scan by line, without their rows, which are not kept here."""
        return self._rejections.of(scan.id)

    def rejects_length(self, path: Path) -> int | None:
        """Return how many bytes of a rejects file are to stay; None if it is not known here.

        What a run that died wrote behind them was not committed. After a run that came to its end
        all of it stays, also what others have added since.
        """
        return self._rejections.length_of_file(path)

    def enter_rejects_file(self, path: Path, length: int) -> None:
        """Note how long a rejects file is before this run adds to it."""
        with self._db.transaction():
            self._rejections.note_file(path, length, self._run_id)

    def forget_rejects_file(self, path: Path) -> None:
        """Forget a rejects file, so that it is written from its beginning."""
        with self._db.transaction():
            self._rejections.forget_file(path)

    # -- inside ------------------------------------------------------------------------------------

    def _total(self, count: str) -> int:
        (retired,) = self._db.row(f"SELECT coalesce(sum({count}_before), 0) FROM scans")
        (current,) = self._db.row(f"SELECT coalesce(sum({count}), 0) FROM spans")
        return int(retired + current)

    def _settle_contents(self, scan: Scan, settlement: Settlement) -> None:
        batch, receipt = settlement.batch, settlement.receipt
        if not settlement.selection.sends(batch):
            return
        unknown = frozenset(receipt.unknown)
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


def _sent_indices(batch: Batch, selection: Selection) -> Sequence[int]:
    if selection.fresh is None:
        return range(len(batch.lines))
    return sorted((*selection.fresh, *selection.doubtful))


def _sent(batch: Batch, selection: Selection) -> Keyed:
    """Return the content keys of the records that are sent."""
    if selection.fresh is None:
        return batch.keyed
    return batch.keyed.pick(_sent_indices(batch, selection))
