"""A source while it is read, and damage that another source makes good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.errors import DamagedSourceError
    from miso_upload.ledger import Ledger, LedgerSpan, Scan
    from miso_upload.ledger.rejects_file import RejectsFile
    from miso_upload.pipeline.selection import Selector
    from miso_upload.records import Batch, Selection
    from miso_upload.report.summary import SourceSummary

_ENOUGH_TO_DOUBT = 100
"""How many records of days that the ledger knows must be unknown."""


@dataclass(slots=True)
class OpenSource:
    """A source that is being read, or was in this run.

    Attributes:
        shown: What stands before a line number in messages.
        proven: It is known to hold interactions: some of its rows became records, now or in earlier
            runs.
        is_new: Its scan began in this run.
        job: The job fingerprint.
        new_options: What differs from all options that the ledger has known before.
        without_keys: Spans of a ledger of version 0.1, by their beginning, whose content keys are
            to be noted.
        has_begun: A batch of it was selected.
        whole: It was read to its end.
        damage: Why it was not.
    """

    scan: Scan
    rejects: RejectsFile | None
    shown: str
    summary: SourceSummary
    proven: bool
    is_new: bool
    job: str
    selector: Selector
    without_keys: dict[int, LedgerSpan]
    new_options: str = ""
    has_begun: bool = False
    whole: bool = False
    damage: DamagedSourceError | None = None

    def doubt_about(self, batch: Batch, selection: Selection) -> str | None:
        """Return what to say before records are sent that may only be written in another way.

        Under options that are new to the ledger, events that Miso has come out as records that it
        does not know. That is no proof: other events of the same days are new as well.
        """
        if not self.new_options:
            return None
        changes = self.new_options
        if selection.left_out or selection.doubtful or selection.held:
            self.new_options = ""
            return None
        compared = self.selector.on_known_days(batch)
        if compared < _ENOUGH_TO_DOUBT:
            return None
        self.new_options = ""
        return (
            f"{self.summary.name}: the ledger has records of the same days, and none of the first "
            f"{compared:,} records that can be compared is one of them. The options are new to it "
            f"({changes}). If these are events that Miso has, stop this run: they are sent again"
        )

    def has_all_of(self, damaged: OpenSource) -> bool:
        """Return whether this source is whole and has all records that were read of another one."""
        if self is damaged or not self.whole:
            return False
        mine, theirs = self.summary, damaged.summary
        records = theirs.totals.accepted + theirs.totals.already_sent
        shared = theirs.already_sent_from[mine.name] + mine.already_sent_from[theirs.name]
        return 0 < records == shared and not (theirs.totals.unknown or theirs.totals.pending)


def made_good(
    sources: Sequence[OpenSource], ledger: Ledger
) -> Iterator[tuple[OpenSource, OpenSource | None]]:
    """Yield each damaged source, with one that is whole and has all its records, if there is one.

    A log that is compressed just now is there twice, once cut off. If neither has changed since, an
    earlier run has found that out.
    """
    for source in sources:
        if source.damage is not None:
            yield source, next((other for other in sources if _covers(other, source, ledger)), None)


def _covers(other: OpenSource, damaged: OpenSource, ledger: Ledger) -> bool:
    if other is damaged or not other.whole:
        return False
    nothing_new = damaged.summary.totals == damaged.summary.before
    if nothing_new and ledger.is_covered(damaged.scan, other.scan):
        return True
    if not other.has_all_of(damaged):
        return False
    ledger.note_covered(damaged.scan, other.scan)
    return True
