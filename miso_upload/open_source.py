"""A source while it is read, and damage that another source makes good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miso_upload.errors import DamagedSourceError
    from miso_upload.ledger import Ledger, LedgerSpan, Scan
    from miso_upload.rejects import RejectsFile
    from miso_upload.report import SourceSummary
    from miso_upload.selecting import Selector


@dataclass(slots=True)
class OpenSource:
    """A source that is being read, or was in this run.

    Attributes:
        shown: What stands before a line number in messages.
        proven: It is known to hold interactions: some of its rows became records, now or in earlier
            runs.
        is_new: Its scan began in this run.
        job: The job fingerprint.
        without_keys: Spans of a ledger of version 0.1, by their beginning, whose content keys are
            to be noted.
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
    whole: bool = False
    damage: DamagedSourceError | None = None

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
