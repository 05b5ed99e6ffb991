"""Tracks the state of one source in a run, and finds damage that another source covers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.errors import DamagedSourceError
    from miso_upload.ledger import Ledger, LedgerSpan, Scan
    from miso_upload.ledger.rejects_file import RejectsFile
    from miso_upload.pipeline.resume import Start
    from miso_upload.pipeline.selection import Selector
    from miso_upload.records import Batch, Selection
    from miso_upload.report.summary import SourceSummary

_MIN_COMPARED = 100
"""At least this many records must be on days that the ledger has before a warning."""


class SourceState(Enum):
    """The state of a source in this run.

        OPENED ──▶ SENDING ──▶ COMPLETE   read to the end
           │          ├──────▶ STOPPED    the run stopped before the end
           │          └──────▶ DAMAGED    cannot be read beyond the damage
           └─────────────────▶ one of these three, if no batch was selected

    The last three states are final.
    """

    OPENED = "opened"
    SENDING = "sending"
    COMPLETE = "complete"
    STOPPED = "stopped"
    DAMAGED = "damaged"


_NEXT = {
    SourceState.OPENED: frozenset(SourceState) - {SourceState.OPENED},
    SourceState.SENDING: frozenset(
        {SourceState.COMPLETE, SourceState.STOPPED, SourceState.DAMAGED}
    ),
}
"""The possible next states by state; a state that is missing here is final."""


@dataclass(slots=True)
class SourceRun:
    """One source in one run: how it was opened, and its state.

    Only the methods change the state, and only the pipeline's thread calls them.

    Attributes:
        start: Where reading started, and in which scan.
        job: The job fingerprint.
        prefix: The text before a line number in messages.
        summary: The totals of the source.
        rejects: The rejects file, if any.
        selector: Selects the records to send.
        state: The state of the source.
        damage: The error, if the source is damaged.
    """

    start: Start
    job: str
    prefix: str
    summary: SourceSummary
    rejects: RejectsFile | None
    selector: Selector
    state: SourceState = field(default=SourceState.OPENED, init=False)
    damage: DamagedSourceError | None = field(default=None, init=False)
    _duplicates: DuplicateWarning = field(init=False)
    _records: int = field(default=0, init=False)
    _without_keys: dict[int, LedgerSpan] = field(init=False)

    def __post_init__(self) -> None:
        self._duplicates = DuplicateWarning(self.start.new_options)
        self._without_keys = {span.start: span for span in self.start.without_keys}

    # -- state -------------------------------------------------------------------------------------

    def begin_sending(self) -> bool:
        """Note that a batch was selected; return whether it is the first one."""
        is_first = self.state is SourceState.OPENED
        if is_first:
            self._become(SourceState.SENDING)
        return is_first

    def complete(self) -> None:
        """Note that it was read to its end."""
        self._become(SourceState.COMPLETE)

    def damaged(self, damage: DamagedSourceError) -> None:
        """Note that the source cannot be read beyond some damage."""
        self.damage = damage
        self._become(SourceState.DAMAGED)

    def close(self) -> None:
        """Select no more batches; a source that is not in a final state was stopped."""
        self.selector.close()
        if self.state in _NEXT:
            self._become(SourceState.STOPPED)

    def _become(self, state: SourceState) -> None:
        if state not in _NEXT.get(self.state, ()):
            raise ValueError(f"a source that is {self.state.value} cannot become {state.value}")
        self.state = state

    # -- queries -----------------------------------------------------------------------

    @property
    def scan(self) -> Scan:
        """Return the scan of the source."""
        return self.start.scan

    @property
    def is_complete(self) -> bool:
        """Whether the source was read to its end."""
        return self.state is SourceState.COMPLETE

    @property
    def proven(self) -> bool:
        """Whether rows of this or an earlier run became records."""
        before = self.summary.before
        return self._records > 0 or before.rows > before.rejected + before.skipped + before.outside

    def count_records(self, batch: Batch) -> None:
        """Count the records of a batch."""
        self._records += len(batch.lines)

    def take_span_without_keys(self, batch: Batch) -> LedgerSpan | None:
        """Return, once, the span of version 0.1 for a batch, whose content keys are to be noted."""
        return self._without_keys.pop(batch.start, None)

    def warning_about(self, batch: Batch, selection: Selection) -> str | None:
        """Return a warning, if the records of a batch may be duplicates under new options."""
        return self._duplicates.about(self.summary.name, batch, selection, self.selector)

    def has_all_of(self, damaged: SourceRun) -> bool:
        """Return whether this source is complete and has all records read from a damaged one."""
        if self is damaged or not self.is_complete:
            return False
        mine, theirs = self.summary, damaged.summary
        records = theirs.totals.accepted + theirs.totals.already_sent
        shared = theirs.already_sent_from[mine.name] + mine.already_sent_from[theirs.name]
        return 0 < records == shared and not (theirs.totals.unknown or theirs.totals.pending)


class DuplicateWarning:
    """Warns, once, that records made with new options may be duplicates of records already sent.

    With new options, an event that Miso has can produce a record that looks new. This is no proof:
    there may also be new events on the same days.

    Args:
        changes: The changes from the options of earlier runs; if empty, there is no warning.
    """

    def __init__(self, changes: str) -> None:
        self._changes = changes

    def about(
        self, name: str, batch: Batch, selection: Selection, selector: Selector
    ) -> str | None:
        """Return the warning to show before a batch of the source `name` is sent, if any."""
        changes = self._changes
        if not changes:
            return None
        if selection.left_out or selection.doubtful or selection.held:
            self._changes = ""
            return None
        compared = selector.on_known_days(batch)
        if compared < _MIN_COMPARED:
            return None
        self._changes = ""
        return (
            f"{name}: possible duplicates: the ledger has records from the same days, but none "
            f"of the first {compared:,} records compared matches them. The options differ from "
            f"those of earlier runs ({changes}). If Miso already has these events, stop this "
            "run, or they will be sent again"
        )


def recovered_damage(
    sources: Sequence[SourceRun], ledger: Ledger
) -> Iterator[tuple[DamagedSourceError, SourceRun | None]]:
    """Yield the damage of each source, and a complete source with all its records, if any.

    A log that is just being compressed exists twice, once incomplete. If neither source has
    changed since, an earlier run has noted that one covers the other.
    """
    for source in sources:
        if source.damage is not None:
            covers = (other for other in sources if _covers(other, source, ledger))
            yield source.damage, next(covers, None)


def _covers(other: SourceRun, damaged: SourceRun, ledger: Ledger) -> bool:
    if other is damaged or not other.is_complete:
        return False
    nothing_new = damaged.summary.totals == damaged.summary.before
    if nothing_new and ledger.is_covered(damaged.scan, other.scan):
        return True
    if not other.has_all_of(damaged):
        return False
    ledger.note_covered(damaged.scan, other.scan)
    return True
