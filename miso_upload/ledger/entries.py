"""What the ledger is told and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from miso_upload.sources import Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from miso_upload.records import Batch, Leftover, Receipt, Rejection


@dataclass(frozen=True, slots=True)
class Entry:
    """A source as the ledger knows it.

    Attributes:
        superseded: Rows that Miso had accepted before the source was started over.
    """

    id: int
    name: str
    recipe: str
    seen_at: datetime
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class LedgerSpan(Span):
    """A span as the ledger knows it."""

    line_count: int
    state: str
    leftover: Leftover

    @property
    def next_line(self) -> int:
        """Return the line behind it."""
        return self.first_line + self.line_count


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch, ready to be noted.

    Attributes:
        batch: The span, transformed.
        receipt: What Miso answered.
        leftover: Which records of a known span were sent; None if it was all of a new one.
        rejections: Those that are new (see `Ledger.unseen`).
        abandon_unknown: Unknown records will not be sent again.
        rejects_file: The rejects file and its length with these rejections in it.
    """

    batch: Batch
    receipt: Receipt
    leftover: Leftover | None
    rejections: Sequence[Rejection]
    abandon_unknown: bool = False
    rejects_file: tuple[Path, int] | None = None

    @property
    def partial(self) -> bool:
        """Whether only some rows of the span are meant, and the others were settled before."""
        return self.leftover is not None and not self.leftover.everything

    @property
    def state(self) -> str:
        """Return the state that the span is in now."""
        if self.receipt.pending:
            return "pending"
        if self.receipt.unknown:
            return "abandoned" if self.abandon_unknown else "unknown"
        return "settled"

    @property
    def skipped(self) -> int:
        """Return how many of the rows that are meant became no record and no rejection."""
        if self.leftover is None or self.leftover.everything:
            return self.batch.skipped
        # Only where the mapping was changed since: they were records once.
        meant = self.leftover.unknown | self.leftover.pending
        records = len(meant.intersection(self.batch.lines))
        rejected = sum(rejection.line in meant for rejection in self.batch.rejections)
        return len(meant) - records - rejected
