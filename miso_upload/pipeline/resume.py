"""Where a run begins to read an input: behind what an earlier one has read, or at its beginning.

Position spares work only on proof. A file whose size and times are those of the last run is not
read again; of any other input, the checksums of all that was read before are compared. What is not
proven is read from its beginning as a new scan, and content keys tell which records Miso has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import ChangedJobError, SourceError, UnprovenSourceError
from miso_upload.ledger.migration import checksum_test
from miso_upload.pipeline.job_changes import changed_job, changed_options
from miso_upload.sources.fingerprint import still_has
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from miso_upload.ledger import Ledger, LedgerSpan, Scan
    from miso_upload.ledger.options import ResumeOptions
    from miso_upload.records.keyed_records import KeyedRecords
    from miso_upload.report.listener import Listener
    from miso_upload.sources import Source


@dataclass(slots=True)
class Start:
    """Where to begin.

    Attributes:
        scan: The scan that is continued, or a new one.
        is_new: It is a new one.
        offset: Where reading goes on; `line` is the line there.
        leftovers: Spans before that of which records are still to be sent.
        without_keys: Spans of a ledger of version 0.1, whose content keys are to be noted.
        met: Keys of records that this scan has in common with others.
        unchanged: Nothing has come since all of it was read, and nothing is left to do.
        new_options: What differs from the options that the ledger has known so far; empty if it has
            known these.
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
    """How many of a source's first records are known as they come out now.

    Attributes:
        compared: Those on days of which the ledger has records, the first 10,000 at most.
        known: Those of them that Miso has.
    """

    compared: int
    known: int


class SourceToRead(NamedTuple):
    """A source that is about to be read, and what says where to begin.

    Attributes:
        source: The opened input.
        name: Its name, as the user wrote it.
        job: The job fingerprint of now.
        compare: Maps the rows before a line, and compares the records with the ledger.
    """

    source: Source
    name: str
    job: str
    compare: Callable[[int], Comparison]


class Resumer:
    """Finds out where to begin, for one source after the other.

    Args:
        ledger: Knows what was read.
        options: How.
        listener: Is told what the user should know.
        known: The ledger that a dry run forecasts by; nothing is resumed from it.
        hold_unknown: Records with an unknown outcome are not sent again.
    """

    def __init__(
        self,
        ledger: Ledger,
        options: ResumeOptions,
        listener: Listener,
        *,
        known: Ledger | None = None,
        hold_unknown: bool = False,
    ) -> None:
        self._ledger = ledger
        self._known = known
        self._options = options
        self._hold_unknown = hold_unknown
        self._listener = listener
        self._taken: set[int] = set()
        self._jobs_before: dict[str, str | None] = {}

    def start(self, each: SourceToRead) -> Start:
        """Return where to begin with a source.

        Raises:
            ChangedJobError: Its rows were sent under other options, and it is not said what to do.
            UnprovenSourceError: A ledger of version 0.1 knows it, and nothing proves which rows.
        """
        source, name, job, _ = each
        candidates = [
            scan
            for scan in self._ledger.scans.candidates(source.identity, name, source.beginning)
            if scan.id not in self._taken and not _is_of_another_file(source, scan)
        ]
        proven = self._proven(source, candidates)
        if self._options.restart:
            start = self._restarted(each, candidates, proven)
        elif proven is None:
            start = self._from_beginning(each, candidates)
        elif proven.job != job:
            start = self._under_another_job(each, proven)
        else:
            start = self._continued(each, proven)
        self._taken.add(start.scan.id)
        return start

    def _proven(self, source: Source, candidates: Collection[Scan]) -> Scan | None:
        """Return the scan whose part of the input is proven to be what it was; None if none is."""
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
                continue  # it is damaged before the end of what was read
        return None

    def _continued(self, each: SourceToRead, scan: Scan) -> Start:
        source, name, job, _ = each
        ledger = self._ledger
        leftovers = ledger.unfinished(scan, hold_unknown=self._hold_unknown)
        same = _is_unchanged(source, scan) or _has_same_bytes(source, scan)
        unchanged = same and scan.complete and not leftovers
        totals = ledger.totals(scan)
        if self._options.changed == "send" and totals.changed:
            return self._new(each)
        if self._options.already_sent == "send" and totals.already_sent:
            # Some may have been left out because another source has them.
            return self._new(each)
        if scan.mixed and self._options.on_changed_mapping == "send":
            return self._new(each)
        met, last = ledger.shared_keys(scan), ledger.last_span(scan)
        # Without content keys, reading it from the beginning would send all of it again.
        if not (unchanged or scan.keyless) and (met is None or _goes_on_in_row(source, last)):
            if scan.mixed:
                self._compare(each, scan, _ALL, proven=False)
            return self._new(each)
        if scan.name != name:
            self._listener.noted(f"{name}: continues what was read as {scan.name}")
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

    def _from_beginning(self, each: SourceToRead, candidates: Sequence[Scan]) -> Start:
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
                    f"{name}: Miso has none of its rows, so it is read again under the options of "
                    f"now ({totals.rejected:,} rejected and {totals.skipped:,} skipped before)"
                )
            return self._new(each)
        if self._options.on_changed_mapping == "continue":
            self._listener.noted(
                f"{name}: continues under other options than before; the outcomes of "
                f"{counted(totals.rows - totals.pending - totals.unknown, 'row')} stay as they are "
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
        """Stop where records come out differently, unless the user wants them to be sent."""
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
                f"{name}: restarts; {counted(accepted, 'row')} that Miso has accepted from it "
                "will be sent again"
            )
        return self._new(each)


def would_stop(known: Ledger, each: SourceToRead) -> str | None:
    """Return why an upload would stop, in a dry run, because rows come out differently now.

    Args:
        known: The ledger of the target.
        each: The source; its records are compared with that ledger.
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
        "the input is not what it was, so nothing proves which of its rows Miso has. Nothing was "
        "sent. If Miso has all of its rows, note them with 'miso-upload remember FILE'; to send "
        "all of them, add --restart"
    )


def _is_unchanged(source: Source, scan: Scan) -> bool:
    """Return whether size and times of the file prove that it is what the scan has read."""
    now, then = source.identity.stamp, scan.stamp
    return now is not None and now.state is not None and now == then


def _has_same_bytes(source: Source, scan: Scan) -> bool:
    """Return whether the compressed bytes prove that it is what the scan has read to its end."""
    return scan.compressed is not None and source.has_compressed_checksum(scan.compressed)


def _is_of_another_file(source: Source, scan: Scan) -> bool:
    """Return whether a scan is of a file that is still where it was, and is not this input."""
    identity, stamp = source.identity, scan.stamp
    # Without content keys, nothing but proof keeps its records from being sent again.
    if scan.keyless or stamp is None or scan.key == identity.key:
        return False
    is_same = identity.stamp is not None and identity.stamp.file == stamp.file
    return not is_same and still_has(scan.key, stamp)


def _has_all(source: Source, scan: Scan, spans: Sequence[LedgerSpan]) -> bool:
    if not spans or (scan.preamble or source.identity.preamble) != source.identity.preamble:
        return False
    return source.has_spans(spans, checksum_test(keyless=scan.keyless))


def _goes_on_in_row(source: Source, last: LedgerSpan | None) -> bool:
    """Return whether the last row that was read was not finished then, and is now perhaps."""
    return last is not None and source.can_reopen and source.is_inside_row(last.end)


def _differs(scan: Scan, job: str) -> bool:
    """Return whether rows of a scan were sent under other options than those of now."""
    return scan.job != job or scan.mixed


def _is_at_miso(ledger: Ledger, scan: Scan) -> bool:
    totals = ledger.totals(scan)
    return bool(totals.accepted or totals.already_sent or totals.unknown)
