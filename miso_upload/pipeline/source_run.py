"""The state of one source in a run, and damage that another source makes good."""

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

_ENOUGH_TO_DOUBT = 100
"""How many records of days that the ledger knows must be unknown."""


class SourceState(Enum):
    """How far a source has come in this run.

        OPENED ──▶ SENDING ──▶ COMPLETE   it was read to its end
           │          ├──────▶ STOPPED    the run stopped before its end
           │          └──────▶ DAMAGED    it cannot be read behind the damage
           └─────────────────▶ one of the three, if no batch was selected

    The last three are final.
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
"""The states that follow a state; none follows those that are not here."""


@dataclass(slots=True)
class SourceRun:
    """One source in one run: what was known when it was opened, and its state since.

    Only the methods change it, and only the thread of the pipeline calls them.

    Attributes:
        start: Where reading began, and in which scan.
        job: The job fingerprint.
        prefix: What stands before a line number in messages.
        summary: Its numbers.
        rejects: The rejects file, if there is one.
        selector: Selects the records to send.
        state: How far it has come.
        damage: Why it cannot be read further, if it is damaged.
    """

    start: Start
    job: str
    prefix: str
    summary: SourceSummary
    rejects: RejectsFile | None
    selector: Selector
    state: SourceState = field(default=SourceState.OPENED, init=False)
    damage: DamagedSourceError | None = field(default=None, init=False)
    _doubt: NewOptionsDoubt = field(init=False)
    _records: int = field(default=0, init=False)
    _without_keys: dict[int, LedgerSpan] = field(init=False)

    def __post_init__(self) -> None:
        self._doubt = NewOptionsDoubt(self.start.new_options)
        self._without_keys = {span.start: span for span in self.start.without_keys}

    # -- state -------------------------------------------------------------------------------------

    def begin_sending(self) -> bool:
        """Note that a batch of it is selected; return whether it is the first one."""
        is_first = self.state is SourceState.OPENED
        if is_first:
            self._become(SourceState.SENDING)
        return is_first

    def complete(self) -> None:
        """Note that it was read to its end."""
        self._become(SourceState.COMPLETE)

    def damaged(self, damage: DamagedSourceError) -> None:
        """Note that it cannot be read behind some damage."""
        self.damage = damage
        self._become(SourceState.DAMAGED)

    def close(self) -> None:
        """Select nothing further; a source that has not ended yet was stopped."""
        self.selector.close()
        if self.state in _NEXT:
            self._become(SourceState.STOPPED)

    def _become(self, state: SourceState) -> None:
        if state not in _NEXT.get(self.state, ()):
            raise ValueError(f"a source that is {self.state.value} cannot become {state.value}")
        self.state = state

    # -- what is known of it -----------------------------------------------------------------------

    @property
    def scan(self) -> Scan:
        """Return the scan that reads it."""
        return self.start.scan

    @property
    def is_complete(self) -> bool:
        """Whether it was read to its end."""
        return self.state is SourceState.COMPLETE

    @property
    def proven(self) -> bool:
        """Whether it is known to hold interactions: rows of any run became records."""
        before = self.summary.before
        return self._records > 0 or before.rows > before.rejected + before.skipped

    def count_records(self, batch: Batch) -> None:
        """Count the records that a block of it became."""
        self._records += len(batch.lines)

    def take_span_without_keys(self, batch: Batch) -> LedgerSpan | None:
        """Return, once, the span of version 0.1 that a batch is, to note its content keys."""
        return self._without_keys.pop(batch.start, None)

    def doubt_about(self, batch: Batch, selection: Selection) -> str | None:
        """Return what to say before records are sent that may only be written in another way."""
        return self._doubt.about(self.summary.name, batch, selection, self.selector)

    def has_all_of(self, damaged: SourceRun) -> bool:
        """Return whether it is complete and has all records that were read of another source."""
        if self is damaged or not self.is_complete:
            return False
        mine, theirs = self.summary, damaged.summary
        records = theirs.totals.accepted + theirs.totals.already_sent
        shared = theirs.already_sent_from[mine.name] + mine.already_sent_from[theirs.name]
        return 0 < records == shared and not (theirs.totals.unknown or theirs.totals.pending)


class NewOptionsDoubt:
    """Doubts, once, that records are new which are made under options new to the ledger.

    Under such options, events that Miso has come out as records that it does not know. That is no
    proof: other events of the same days are new as well.

    Args:
        changes: What differs from all options that the ledger has known before; empty for no doubt.
    """

    def __init__(self, changes: str) -> None:
        self._changes = changes

    def about(
        self, name: str, batch: Batch, selection: Selection, selector: Selector
    ) -> str | None:
        """Return what to say before a batch of the source `name` is sent, if anything."""
        changes = self._changes
        if not changes:
            return None
        if selection.left_out or selection.doubtful or selection.held:
            self._changes = ""
            return None
        compared = selector.on_known_days(batch)
        if compared < _ENOUGH_TO_DOUBT:
            return None
        self._changes = ""
        return (
            f"{name}: the ledger has records of the same days, and none of the first "
            f"{compared:,} records that can be compared is one of them. The options are new to it "
            f"({changes}). If these are events that Miso has, stop this run: they are sent again"
        )


def made_good(
    sources: Sequence[SourceRun], ledger: Ledger
) -> Iterator[tuple[SourceRun, DamagedSourceError, SourceRun | None]]:
    """Yield each damaged source and its damage, with a complete one that has all its records.

    The last is None if there is none. A log that is compressed just now is there twice, once cut
    off. If neither has changed since, an earlier run has found that out.
    """
    for source in sources:
        if source.damage is not None:
            covers = (other for other in sources if _covers(other, source, ledger))
            yield source, source.damage, next(covers, None)


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
