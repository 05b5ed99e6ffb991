"""The values that go into the ledger and come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.records import Span, Stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from miso_upload.records import Batch, Leftover, Receipt, Rejection, Selection


class Scan(NamedTuple):
    """One pass over a source from its beginning, continued across runs by position.

    A source that is read from its beginning again is a new scan, and then this is its last one.

    Attributes:
        key: The path or URL that the source was last read from.
        name: The source, as the user wrote it.
        job: The job fingerprint under which its rows became records.
        stamp: Which file it was last read from, and its state then.
        preamble: A checksum of what stands before the first row; None if it is not known.
        compressed: Size and checksum of the compressed file that was read to its end, if it was.
        complete: It came to the end of the input.
        keyless: Its records have no content keys yet: it is of a ledger of version 0.1.
        mixed: Its first rows were read under other options than its last ones.
        superseded: Rows that Miso accepted from this source before `--restart`.
    """

    id: int
    source_id: int
    key: str
    name: str
    job: str
    stamp: Stamp | None
    preamble: bytes | None
    compressed: str | None
    complete: bool
    keyless: bool
    mixed: bool
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


class Settlement(NamedTuple):
    """The outcome of a batch, ready to be noted.

    Attributes:
        batch: The span, transformed.
        selection: Which of its records were sent, and why the others were not.
        receipt: What Miso answered.
        leftover: Which records of a known span were to be sent; None if it is a new one.
        rejections: Those that are new (see `Ledger.unseen`).
        abandon_unknown: Unknown records will not be sent again.
        remembers: Accepted records were not sent now, but are at Miso already.
        forecasts: Pending records count as accepted for the sources that follow.
        rejects_file: The rejects file and its length with these rejections in it.
    """

    batch: Batch
    selection: Selection
    receipt: Receipt
    leftover: Leftover | None
    rejections: Sequence[Rejection]
    abandon_unknown: bool = False
    forecasts: bool = False
    remembers: bool = False
    rejects_file: tuple[Path, int] | None = None

    @property
    def partial(self) -> bool:
        """Whether only some rows of the span are meant, and the others were settled before."""
        return self.leftover is not None and not self.leftover.everything

    @property
    def remembered(self) -> int:
        """Return how many records are noted as sent without having been sent now."""
        return self.receipt.accepted if self.remembers else 0

    @property
    def unknown_lines(self) -> list[int]:
        """Return the lines whose outcome nobody can tell: as answered, or held."""
        held = [self.batch.lines[index] for index in self.selection.held]
        return sorted([*self.receipt.unknown, *held]) if held else list(self.receipt.unknown)

    @property
    def state(self) -> str:
        """Return the state that the span is in now."""
        if self.receipt.pending:
            return "pending"
        if self.receipt.unknown or self.selection.held:
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
