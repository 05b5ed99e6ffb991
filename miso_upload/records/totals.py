"""Counts the outcomes of rows, and checks that they add up to the rows read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import add, attrgetter, sub


@dataclass(frozen=True, slots=True)
class Totals:
    """The outcomes of rows. `rows` is counted on reading, the others when the outcome is known.

    Attributes:
        rows: Rows read.
        accepted: Rows that Miso accepted from this source.
        already_sent: Rows that were not sent, because Miso has them from another source or from an
            earlier version of this one.
        rejected: Rows that miso-upload or Miso rejected.
        skipped: Rows that the user's rules skip.
        unknown: Rows that were sent, but it is unknown whether Miso has them.
        pending: Rows that Miso certainly does not have yet.
        duplicates: How many accepted rows Miso may have stored more than once.
        changed: How many already sent rows have a key that Miso has with other content.
        outside: Valid rows that were not sent, because they are outside the scope of the run.
    """

    rows: int = 0
    accepted: int = 0
    already_sent: int = 0
    rejected: int = 0
    skipped: int = 0
    unknown: int = 0
    pending: int = 0
    duplicates: int = 0
    changed: int = 0
    outside: int = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the counts, in order."""
        return tuple(field.name for field in fields(cls))

    @property
    def balanced(self) -> bool:
        """Whether the outcomes add up to the rows read."""
        return self.rows == (
            self.accepted + self.already_sent + self.rejected + self.skipped + self.outside
            + self.unknown + self.pending
        )  # fmt: skip

    def __add__(self, other: Totals) -> Totals:
        return Totals(*map(add, _counts(self), _counts(other)))

    def __sub__(self, other: Totals) -> Totals:
        return Totals(*map(sub, _counts(self), _counts(other)))

    def as_sentence(self) -> str:
        """Return the equation in words."""
        rows = "row" if self.rows == 1 else "rows"
        outside = f"{self.outside:,} outside + " if self.outside else ""
        return (
            f"{self.rows:,} {rows} read = {self.accepted:,} accepted + {self.already_sent:,} "
            f"already sent + {self.rejected:,} rejected + {self.skipped:,} skipped + "
            f"{outside}{self.unknown:,} unknown + {self.pending:,} pending"
        )


_counts = attrgetter(*Totals.names())
