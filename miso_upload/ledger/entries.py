"""Defines the values that the ledger stores and returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.records import Span, Stamp
from miso_upload.records.outside import OutsideRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from miso_upload.records import Batch, Leftover, Receipt, Rejection, Selection


class Scan(NamedTuple):
    """One pass over a source from its start, resumed across runs by position.

    Reading the source from its start again makes a new scan. This class holds the last scan of a
    source.

    Attributes:
        key: The path or URL that the source was last read from.
        name: The source, as the user wrote it.
        job: The fingerprint of the job that read it.
        stamp: The file that it was last read from, and the state of that file.
        preamble: A checksum of everything before the first row; None if unknown.
        compressed: Size and checksum of the compressed file, if one was read to its end.
        complete: Whether it reached the end of the input.
        keyless: Whether its records have no content keys yet, because the ledger is from version
            0.1.
        mixed: Whether its first rows were read with other options than its last ones.
        superseded: How many rows of this source Miso accepted before `--restart`.
        outside: Its rows that were outside the scope of a run, as text.
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
    outside: str = ""

    @property
    def outside_rows(self) -> OutsideRows:
        """Return which of its rows were outside the scope of a run."""
        return OutsideRows.from_text(self.outside)


@dataclass(frozen=True, slots=True)
class LedgerSpan(Span):
    """A span with its state in the ledger."""

    line_count: int
    state: str
    leftover: Leftover

    @property
    def next_line(self) -> int:
        """Return the number of the first line after it."""
        return self.first_line + self.line_count


class Settlement(NamedTuple):
    """The outcome of a batch, to store in the ledger.

    Attributes:
        batch: The transformed span.
        selection: Which of its records were sent, and why the others were not.
        receipt: The outcome of the delivery.
        leftover: Which records of a known span were to be sent; None for a new span.
        rejections: The rejections that the ledger does not have yet (see `Ledger.unseen`).
        abandon_unknown: Whether unknown records will never be resent.
        remembers: Whether accepted records were not sent in this run, because Miso has them.
        forecasts: Whether pending records count as accepted for the sources that follow.
        rejects_file: The rejects file, and its length including these rejections.
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
        """Whether it is about some rows of the span only, because the others are settled."""
        return self.leftover is not None and not self.leftover.everything

    @property
    def remembered(self) -> int:
        """Return how many records are stored as sent without being sent in this run."""
        return self.receipt.accepted if self.remembers else 0

    @property
    def unknown_lines(self) -> list[int]:
        """Return the lines with an unknown outcome, including held records."""
        held = [self.batch.lines[index] for index in self.selection.held]
        return sorted([*self.receipt.unknown, *held]) if held else list(self.receipt.unknown)

    @property
    def state(self) -> str:
        """Return the new state of the span."""
        if self.receipt.pending:
            return "pending"
        if self.receipt.unknown or self.selection.held:
            return "abandoned" if self.abandon_unknown else "unknown"
        return "settled"

    @property
    def skipped(self) -> int:
        """Return how many rows were skipped, of the whole span or of its leftover."""
        if self.leftover is None or self.leftover.everything:
            return self.batch.skipped
        # These rows were records before, so they are skipped only if the mapping has changed.
        rows = self.leftover.unknown | self.leftover.pending
        records = len(rows.intersection(self.batch.lines))
        rejected = sum(rejection.line in rows for rejection in self.batch.rejections)
        return len(rows) - records - rejected - self.outside

    @property
    def outside(self) -> int:
        """Return how many rows were outside the scope, of the whole span or of its leftover."""
        if self.leftover is None or self.leftover.everything:
            return len(self.batch.outside)
        return len((self.leftover.unknown | self.leftover.pending).intersection(self.batch.outside))
