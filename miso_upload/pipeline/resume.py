"""Decides where to start reading an input: after what an earlier run has read, or at its start.

A run resumes at a position only if it can prove that the part before is unchanged. It does not read
a file again whose size and times are those of the last run; for any other input, it compares the
checksums of everything read before. It reads an unproven input from its start, as a new scan, and
content keys tell which records Miso has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import ChangedJobError, SourceError, UnprovenSourceError
from miso_upload.ledger.migration import checksum_test
from miso_upload.pipeline.job_changes import changed_job, changed_options
from miso_upload.sources.checksums import still_has
from miso_upload.transform.scope import WHOLE
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from miso_upload.ledger import Ledger, LedgerSpan, Scan
    from miso_upload.ledger.options import ResumeOptions
    from miso_upload.records.keyed_records import KeyedRecords
    from miso_upload.report.listener import Listener
    from miso_upload.sources import Source
    from miso_upload.transform.scope import Scope


@dataclass(slots=True)
class Start:
    """Where to start reading a source.

    Attributes:
        scan: The scan to resume, or a new one.
        is_new: Whether the scan is new.
        offset: The position to start at.
        line: The line at this position.
        leftovers: Earlier spans with records still to send.
        without_keys: Spans of a ledger of version 0.1 whose content keys are still to be noted.
        met: Keys of records that this scan has in common with others.
        unchanged: Whether the source was read completely, has not changed, and has no work left.
        new_options: The changes from the options of earlier runs; empty if the ledger has records
            with these options.
    """

    scan: Scan
    is_new: bool
    offset: int
    line: int
    leftovers: list[LedgerSpan] = field(default_factory=list)
    without_keys: list[LedgerSpan] = field(default_factory=list)
    met: KeyedRecords | None = None
    unchanged: bool = False
    new_options: str = ""


class Comparison(NamedTuple):
    """The result of comparing a source's first records with those already sent.

    Attributes:
        compared: The number of records compared: those on days that the ledger has, at most 10,000.
        known: The number of those that Miso has.
    """

    compared: int
    known: int


class SourceToRead(NamedTuple):
    """A source that is about to be read.

    Attributes:
        source: The opened input.
        name: Its name, as the user wrote it.
        job: The job fingerprint of this run.
        compare: Maps the rows before a line, and compares the records with the ledger.
    """

    source: Source
    name: str
    job: str
    compare: Callable[[int], Comparison]


class Resumer:
    """Decides where to start reading each source.

    Args:
        ledger: The ledger of the run.
        options: The resume options.
        listener: Receives notes for the user.
        known: The ledger that a dry run uses for its forecast; no scan of it is resumed.
        hold_unknown: Whether records with an unknown outcome are not resent.
        scope: Which records the run sends.
    """

    def __init__(
        self,
        ledger: Ledger,
        options: ResumeOptions,
        listener: Listener,
        *,
        known: Ledger | None = None,
        hold_unknown: bool = False,
        scope: Scope = WHOLE,
    ) -> None:
        self._ledger = ledger
        self._known = known
        self._options = options
        self._hold_unknown = hold_unknown
        self._listener = listener
        self._scope = scope
        self._taken: set[int] = set()
        self._jobs_before: dict[str, str | None] = {}

    def start(self, each: SourceToRead) -> Start:
        """Return where to start reading a source.

        Raises:
            ChangedJobError: Its rows were sent with other options, and no option says what to do.
            UnprovenSourceError: Only a ledger of version 0.1 has it, and which rows is unclear, or
                the run leaves some of them out.
        """
        source, name, job, _ = each
        candidates = [
            scan
            for scan in self._ledger.scans.candidates(source.identity, name, source.beginning)
            if scan.id not in self._taken and not _is_of_another_file(source, scan)
        ]
        proven = self._proven(source, candidates)
        if not self._scope.is_whole and any(scan.keyless for scan in candidates):
            raise UnprovenSourceError(_needs_all_rows(name))
        if self._options.restart:
            start = self._restarted(each, candidates, proven)
        elif proven is None:
            start = self._from_start(each, candidates)
        elif proven.job != job:
            start = self._under_another_job(each, proven)
        else:
            start = self._continued(each, proven)
        self._taken.add(start.scan.id)
        return start

    def _proven(self, source: Source, candidates: Collection[Scan]) -> Scan | None:
        """Return a scan for which everything it has read is proven to be unchanged, if any."""
        for scan in candidates:
            if _is_unchanged(source, scan):
                return scan
        if not source.can_reopen:
            return None
        for scan in candidates:
            if _has_same_bytes(source, scan):
                return scan
        for scan in candidates:
            try:
                if _has_all(source, scan, self._ledger.spans(scan)):
                    return scan
            except SourceError:
                continue  # the input is damaged before the end of this scan
        return None

    def _continued(self, each: SourceToRead, scan: Scan) -> Start:
        source, name, job, _ = each
        ledger = self._ledger
        leftovers = ledger.unfinished(scan, hold_unknown=self._hold_unknown)
        same = _is_unchanged(source, scan) or _has_same_bytes(source, scan)
        unchanged = same and scan.complete and not leftovers
        if self._is_to_be_sent_again(scan):
            return self._new(each)
        met, last = ledger.shared_keys(scan), ledger.last_span(scan)
        must_read_again = self._must_read_again(scan)
        # Without content keys, a new scan would send all rows again.
        if not (unchanged or scan.keyless) and (met is None or _goes_on_in_row(source, last)):
            must_read_again = True
        if must_read_again:
            if scan.mixed:
                self._compare(each, scan, _ALL, proven=False)
            return self._new(each)
        if scan.name != name:
            self._listener.noted(f"{name}: resumes the input that was read earlier as {scan.name}")
        without_keys = ledger.spans(scan) if scan.keyless else []
        if not (unchanged and _is_unchanged(source, scan) and scan.job == job):
            scan = ledger.continue_scan(scan, source.identity, name, job)
        if unchanged and not scan.complete:
            ledger.complete(scan, scan.compressed)
        offset, line = source.body_start, source.body_line
        if last is not None:
            offset, line = last.end, last.next_line
        return Start(
            scan, is_new=False, offset=offset, line=line, leftovers=leftovers,
            without_keys=without_keys, met=met, unchanged=unchanged,
        )  # fmt: skip

    def _is_to_be_sent_again(self, scan: Scan) -> bool:
        """Return whether the user wants records sent that an earlier run has left out."""
        totals, options = self._ledger.totals(scan), self._options
        return bool(
            (options.changed == "send" and totals.changed)
            # Some records may not have been sent because another source has them.
            or (options.already_sent == "send" and totals.already_sent)
            or (options.on_changed_mapping == "send" and scan.mixed)
        )

    def _must_read_again(self, scan: Scan) -> bool:
        """Return whether rows of a scan that were outside may be inside the scope now."""
        return self._scope.may_include(scan.outside_rows)

    def _new(self, each: SourceToRead) -> Start:
        source, name, job, _ = each
        if job not in self._jobs_before:
            self._jobs_before[job] = (self._known or self._ledger).scans.job_before(job)
        before = self._jobs_before[job]
        scan = self._ledger.begin_scan(source.identity, name, job)
        return Start(
            scan, is_new=True, offset=source.body_start, line=source.body_line,
            new_options=changed_options(before, job) if before is not None else "",
        )  # fmt: skip

    def _from_start(self, each: SourceToRead, candidates: Sequence[Scan]) -> Start:
        source, name, job, _ = each
        keyless = [scan for scan in candidates if scan.keyless]
        for scan in keyless:
            totals = self._ledger.totals(scan)
            if (totals.accepted or totals.unknown) and not self._options.remember:
                raise UnprovenSourceError(_unproven(name, scan, totals.accepted))
        self._ledger.give_up_keyless(keyless)
        before = self._ledger.scans.of_key(source.identity.key)
        if before and _differs(before[0], job) and _is_at_miso(self._ledger, before[0]):
            self._compare(each, before[0], _ALL, proven=False)
        return self._new(each)

    def _under_another_job(self, each: SourceToRead, scan: Scan) -> Start:
        name, job = each.name, each.job
        totals = self._ledger.totals(scan)
        if not _is_at_miso(self._ledger, scan) and not totals.pending:
            if totals.rows:
                self._listener.noted(
                    f"{name}: the options have changed and Miso has none of its rows, so all rows "
                    f"are read again (before: {totals.rejected:,} rejected, {totals.skipped:,} "
                    "skipped)"
                )
            return self._new(each)
        if self._options.on_changed_mapping == "continue":
            if self._must_read_again(scan):
                # Read from the start, the rows that Miso has would become other records.
                last = self._ledger.last_span(scan)
                self._compare(each, scan, last.next_line if last else 0, proven=False)
            self._listener.noted(
                f"{name}: resumes with changed options; earlier outcomes stay as they are "
                f"({totals.accepted:,} accepted, {totals.rejected:,} rejected, "
                f"{totals.skipped:,} skipped)"
            )
            return self._continued(each, scan)
        if scan.keyless and self._options.on_changed_mapping == "stop":
            raise ChangedJobError(changed_job(name, scan, job, totals.rows))
        last = self._ledger.last_span(scan)
        self._compare(each, scan, last.next_line if last else 0)
        return self._new(each)

    def _compare(self, each: SourceToRead, scan: Scan, until: int, *, proven: bool = True) -> None:
        """Stop if the options now produce different records, unless the user wants them sent."""
        compared, known = each.compare(until)
        if known < compared and self._options.on_changed_mapping != "send":
            raise ChangedJobError(
                changed_job(each.name, scan, each.job, compared, known, can_continue=proven)
            )

    def _restarted(
        self, each: SourceToRead, candidates: Sequence[Scan], proven: Scan | None
    ) -> Start:
        source, name = each.source, each.name
        here = {scan.id for scan in self._ledger.scans.of_key(source.identity.key)}
        scans = [
            scan for scan in candidates if scan is proven or scan.id in here or scan.name == name
        ]
        accepted = self._ledger.forget(scans, restart=True)
        if scans:
            self._listener.noted(
                f"{name}: restarting from the beginning; {counted(accepted, 'row')} that Miso has "
                "already accepted will be sent again"
            )
        return self._new(each)


def would_stop(known: Ledger, each: SourceToRead) -> str | None:
    """Return why an upload would stop because the options now produce different records, if so.

    Args:
        known: The ledger of the target.
        each: The source; its records are compared with this ledger.
    """
    source, name, job, compare = each
    scans = known.scans.of_key(source.identity.key)
    if not scans or not _differs(scans[0], job) or not _is_at_miso(known, scans[0]):
        return None
    last = known.last_span(scans[0])
    compared, found = compare(last.next_line if last else 0)
    if found == compared:
        return None
    return changed_job(name, scans[0], job, compared, found)


_ALL = 2**63 - 1


def _unproven(name: str, scan: Scan, accepted: int) -> str:
    return (
        f"{name}: version 0.1 of miso-upload sent {counted(accepted, 'row')} of {scan.name}, and "
        "the input has changed since, so it is unclear which of its rows Miso has. Nothing was "
        "sent. Possible fixes: if Miso has all rows, note them as sent with 'miso-upload remember "
        "FILE'; to send all rows again, add --restart"
    )


def _needs_all_rows(name: str) -> str:
    return (
        f"{name}: version 0.1 of miso-upload sent rows of this input without noting which records "
        "they are. Nothing was sent. Upload it once without --since, --until, --only-type and "
        "--skip-type; the next run can use them"
    )


def _is_unchanged(source: Source, scan: Scan) -> bool:
    """Return whether size and times prove that the file has not changed since the scan."""
    now, then = source.identity.stamp, scan.stamp
    return now is not None and now.state is not None and now == then


def _has_same_bytes(source: Source, scan: Scan) -> bool:
    """Return whether its compressed bytes prove that the file has not changed since the scan."""
    return scan.compressed is not None and source.has_compressed_checksum(scan.compressed)


def _is_of_another_file(source: Source, scan: Scan) -> bool:
    """Return whether a scan is of another file, which still exists."""
    identity, stamp = source.identity, scan.stamp
    # Without content keys, only an identical input keeps its records from being sent again.
    if scan.keyless or stamp is None or scan.key == identity.key:
        return False
    is_same = identity.stamp is not None and identity.stamp.file == stamp.file
    return not is_same and still_has(scan.key, stamp)


def _has_all(source: Source, scan: Scan, spans: Sequence[LedgerSpan]) -> bool:
    if not spans or (scan.preamble or source.identity.preamble) != source.identity.preamble:
        return False
    return source.has_spans(spans, checksum_test(keyless=scan.keyless))


def _goes_on_in_row(source: Source, last: LedgerSpan | None) -> bool:
    """Return whether the last row that was read may have been incomplete then."""
    return last is not None and source.can_reopen and source.is_inside_row(last.end)


def _differs(scan: Scan, job: str) -> bool:
    """Return whether rows of a scan were sent with options other than those of this run."""
    return scan.job != job or scan.mixed


def _is_at_miso(ledger: Ledger, scan: Scan) -> bool:
    totals = ledger.totals(scan)
    return bool(totals.accepted or totals.already_sent or totals.unknown)
