"""Records what was sent, before and after sending it, and answers what later runs need to know."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from miso_upload.ledger.content_keys.store import ContentStore
from miso_upload.ledger.database import Database
from miso_upload.ledger.rejections import Rejections
from miso_upload.ledger.scans import Scans, now
from miso_upload.ledger.schema import has_content_keys, prepare
from miso_upload.ledger.spans import MAX_SHARED_KEYS, Spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from miso_upload.ledger.entries import LedgerSpan, Scan, Settlement
    from miso_upload.records import Batch, Leftover, Receipt, Rejection, Selection, SourceIdentity
    from miso_upload.records.keyed_records import KeyedRecords
    from miso_upload.records.totals import Totals

__all__ = ["MAX_SHARED_KEYS", "Ledger"]


class Ledger:
    """The record of what was sent to one target. Only one thread may use it.

    Args:
        path: The file; None for a temporary ledger that is deleted by `close`.
        about: Facts about the target to store in a new ledger, for `status`.

    Raises:
        LedgerError: The file cannot be used. All methods raise this too.
    """

    def __init__(self, path: Path | None, about: dict[str, str] | None = None) -> None:
        self._open(Database(path), about or {})

    @classmethod
    def to_read(cls, path: Path) -> Self | None:
        """Open a ledger read-only, even during a run; return None if it has no content keys yet."""
        from miso_upload.ledger.content_keys.mirror import (  # noqa: PLC0415 -- dry runs only
            ContentMirror,
        )

        self = cls.__new__(cls)
        db = Database(path, read_only=True)
        if not has_content_keys(db):
            db.close()
            return None
        self._open(db, {}, ContentMirror)
        # The mirror copies day by day, and all copies must come from the same state.
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
        """Return the file; None for a temporary ledger."""
        return self._db.path

    def close(self) -> None:
        """Close the file."""
        self.contents.close()
        self._reading.close()
        self._db.close()

    def about(self) -> dict[str, str]:
        """Return the facts stored about the target."""
        return dict(self._db.rows("SELECT name, value FROM about"))

    def begin_work(self, about: dict[str, str]) -> None:
        """Store facts about the target, and mark a run as active (see `Database.begin_work`)."""
        self._db.begin_work(about)

    # -- runs --------------------------------------------------------------------------------------

    def begin_run(self, version: str) -> None:
        """Note the start of a run, and reopen the spans that a killed run left as intended."""
        with self._db.transaction():
            self._run_id = self._db.change(
                "INSERT INTO runs (started_at, version) VALUES (:now, :version)",
                now=now(),
                version=version,
            )
            self._spans.reopen_intended()

    def end_run(self, exit_code: int) -> None:
        """Note the exit code of the run."""
        with self._db.transaction():
            self._db.change(
                "UPDATE runs SET ended_at = :now, exit_code = :exit_code WHERE id = :run",
                now=now(),
                exit_code=exit_code,
                run=self._run_id,
            )

    # -- scans -------------------------------------------------------------------------------------

    def begin_scan(self, identity: SourceIdentity, name: str, job: str) -> Scan:
        """Start a scan of a source from its beginning; it supersedes the last scan."""
        with self._db.transaction():
            scan_id = self.scans.begin(identity, name, job, self._run_id)
        return self.scans.of(scan_id)

    def continue_scan(self, scan: Scan, identity: SourceIdentity, name: str, job: str) -> Scan:
        """Note that an input is proven to start with what a scan has read."""
        with self._db.transaction():
            self.scans.continue_(scan, identity, name, job)
        return self.scans.of(scan.id)

    def sent_before(self) -> frozenset[int]:
        """Return the ids of all scans that earlier runs started."""
        return self.scans.before_run(self._run_id)

    def complete(self, scan: Scan, compressed: str | None = None) -> None:
        """Note that a scan reached the end of its input.

        Args:
            scan: The scan.
            compressed: Size and checksum of a compressed input.
        """
        with self._db.transaction():
            self._db.change(
                "UPDATE scans SET complete = 1, compressed = :compressed WHERE id = :scan",
                compressed=compressed,
                scan=scan.id,
            )

    def note_covered(self, scan: Scan, by: Scan) -> None:
        """Note that another scan has all records of this one, whose input is damaged."""
        with self._db.transaction():
            self._db.change(
                "UPDATE scans SET covered_by = :other WHERE id = :scan", other=by.id, scan=scan.id
            )

    def is_covered(self, scan: Scan, by: Scan) -> bool:
        """Return whether another scan has all records of this one (see `note_covered`)."""
        found = self._db.row(
            "SELECT 1 FROM scans WHERE id = :scan AND covered_by = :other",
            scan=scan.id,
            other=by.id,
        )
        return found is not None

    def fill_in(self, scan: Scan) -> None:
        """Note that all records of a scan from version 0.1 have content keys now."""
        with self._db.transaction():
            self._db.change("UPDATE scans SET keyless = 0 WHERE id = :scan", scan=scan.id)
            self._db.change("DELETE FROM old_heads WHERE scan_id = :scan", scan=scan.id)

    def forget(self, scans: Iterable[Scan], *, restart: bool = False) -> int:
        """Forget what was sent from some sources; return how many of these rows Miso had accepted.

        The next run that reads these sources sends their records again.

        Args:
            scans: The last scan of each source.
            restart: Whether to keep the sources, with the numbers of rows that Miso accepted.
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
        """Drop scans from version 0.1 for which nothing can prove which rows they have read."""
        with self._db.transaction():
            for scan in scans:
                self.scans.retire(scan.id)
                self._db.change("UPDATE scans SET keyless = 0 WHERE id = :scan", scan=scan.id)
                self._db.change("DELETE FROM old_heads WHERE scan_id = :scan", scan=scan.id)
                self._db.change("DELETE FROM sources WHERE scan_id = :scan", scan=scan.id)

    def drop_empty(self, scan: Scan) -> None:
        """Delete a scan that has read nothing."""
        with self._db.transaction():
            self._db.change("DELETE FROM scans WHERE id = :scan", scan=scan.id)
            self._db.change("DELETE FROM sources WHERE scan_id = :scan", scan=scan.id)

    def has_proven(self, job: str) -> bool:
        """Return whether Miso has accepted any row that was read under this job fingerprint."""
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

    def shared_keys(self, scan: Scan) -> KeyedRecords | None:
        """Return the content keys of the scan's records that other scans had sent already.

        None if there were too many to store. The scan then cannot be resumed by position, because a
        further copy of a record could not be distinguished from the copy that Miso has.
        """
        return self._spans.shared_keys(scan.id)

    # -- spans -------------------------------------------------------------------------------------

    def unfinished(self, scan: Scan, *, hold_unknown: bool) -> list[LedgerSpan]:
        """Return the spans with records to send, in the order of the source.

        Spans with held unknown records are included only after a crash, to find out which records
        are unknown.
        """
        unknown = "unknown_lines IS NULL" if hold_unknown else "TRUE"
        return self._spans.of(
            scan.id, f"AND (state = 'pending' OR (state = 'unknown' AND {unknown})) ORDER BY start"
        )

    def spans(self, scan: Scan) -> list[LedgerSpan]:
        """Return all spans of a scan, in order."""
        return self._spans.of(scan.id, "ORDER BY start")

    def last_span(self, scan: Scan) -> LedgerSpan | None:
        """Return the last span of a scan; None if it has read nothing."""
        found = self._spans.of(scan.id, "ORDER BY start DESC LIMIT 1")
        return found[0] if found else None

    def spans_with_rejections(self, scan: Scan) -> list[LedgerSpan]:
        """Return the spans of a scan with rejected rows, in order."""
        return self._spans.of(scan.id, "AND rejected > 0 ORDER BY start")

    def spans_with_skips(self, scan: Scan) -> list[LedgerSpan]:
        """Return the spans in which lines may have been skipped, in order."""
        return self._spans.of(
            scan.id, "AND (skipped > 0 OR state != 'settled' OR checksum = x'') ORDER BY start"
        )

    def intend(self, scan: Scan, batch: Batch, selection: Selection) -> None:
        """Note which records of `batch` are about to be sent, before the first byte is sent.

        If a known span is sent again, its leftover becomes unknown, in case this run is killed.
        """
        with self._db.transaction():
            if self._spans.enter(scan.id, batch, selection, self._run_id):
                self._spans.store_shared_keys(scan.id, batch, selection)
            else:
                self._spans.reopen(scan.id, batch)
            self.contents.note(scan.id, batch.start, selection.sent_keys(batch))

    def unseen(
        self, scan: Scan, batch: Batch, receipt: Receipt, leftover: Leftover | None
    ) -> list[Rejection]:
        """Return the rejections in `batch` and `receipt` that the ledger does not have yet.

        If only a leftover was sent, rejections of the span's other rows are ignored.
        """
        found = sorted((*batch.rejections, *receipt.rejections), key=lambda found: found.line)
        if leftover is not None and not leftover.everything:
            lines = leftover.unknown | leftover.pending
            found = [rejection for rejection in found if rejection.line in lines]
        known = self._rejections.lines(scan.id, batch.start)
        return [rejection for rejection in found if rejection.line not in known]

    def settle(self, scan: Scan, settlement: Settlement) -> None:
        """Store the outcome of a batch in one transaction."""
        batch, selection = settlement.batch, settlement.selection
        with self._db.transaction():
            new = self._spans.enter(scan.id, batch, selection, self._run_id)
            if new or settlement.leftover is not None:
                self._spans.store_shared_keys(scan.id, batch, selection)
            self._rejections.add(scan.id, batch.start, settlement.rejections)
            self._spans.count(scan.id, settlement, self._run_id)
            if batch.outside_rows:
                self.scans.add_outside(scan.id, batch.outside_rows)
            self._settle_contents(scan, settlement)
            if settlement.rejects_file is not None:
                self._rejections.note_file(*settlement.rejects_file, self._run_id)

    def remember_keys(self, scan: Scan, batch: Batch, span: LedgerSpan) -> None:
        """Store the content keys of a span from version 0.1, which had none."""
        not_sent = self._rejections.lines(scan.id, batch.start) | span.leftover.pending
        left = span.leftover
        unknown = set(batch.lines) if left.everything else left.unknown
        sent = [(i, line) for i, line in enumerate(batch.lines) if line not in not_sent]
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
                batch.keyed.pick([i for i, line in sent if line not in unknown]),
                batch.keyed.pick([i for i, line in sent if line in unknown]),
            )

    # -- queries -----------------------------------------------------------------------------------

    def totals(self, scan: Scan) -> Totals:
        """Return the outcomes of all rows of a scan, over all runs."""
        return self._spans.totals(scan.id)

    def accepted_total(self) -> int:
        """Return how many rows Miso has ever accepted at this target; it never decreases."""
        return self._total("accepted")

    def duplicates_total(self) -> int:
        """Return how many of them Miso may have stored more than once; it never decreases."""
        return self._total("duplicates")

    def open_unknown(self, scan: Scan) -> int:
        """Return how many unknown records the user has not given up."""
        (count,) = self._db.row(
            "SELECT coalesce(sum(unknown), 0) FROM spans "
            "WHERE scan_id = :scan AND state != 'abandoned'",
            scan=scan.id,
        )
        return int(count)

    def rejections(self, scan: Scan) -> Iterator[Rejection]:
        """Yield the rejections of a scan in order of their lines, without the rows."""
        return self._rejections.of(scan.id)

    def rejects_length(self, path: Path) -> int | None:
        """Return how many bytes of a rejects file to keep; None if the file is unknown.

        After a killed run, bytes beyond the committed length are not kept. After a run that ended,
        all bytes are kept, including those that others have added since.
        """
        return self._rejections.length_of_file(path)

    def enter_rejects_file(self, path: Path, length: int) -> None:
        """Store the length of a rejects file before this run adds to it."""
        with self._db.transaction():
            self._rejections.note_file(path, length, self._run_id)

    def forget_rejects_file(self, path: Path) -> None:
        """Forget a rejects file, so that it is written from the start."""
        with self._db.transaction():
            self._rejections.forget_file(path)

    # -- helpers -----------------------------------------------------------------------------------

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
        not_accepted = {*pending, *(rejection.line for rejection in receipt.rejections), *unknown}
        sent = settlement.selection.sent_indices(batch)
        lines, keyed = batch.lines, batch.keyed
        self.contents.settle_partly(
            scan.id,
            batch.start,
            keyed.pick([i for i in sent if lines[i] not in not_accepted]),
            keyed.pick([i for i in sent if lines[i] in unknown]),
        )
