"""The equation that every run must satisfy: rows read = the sum of their outcomes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import add, attrgetter, sub


@dataclass(frozen=True, slots=True)
class Totals:
    """The outcomes of rows; `rows` is counted where they are read, the others where they end.

    Attributes:
        rows: Rows read.
        accepted: Miso took them from this source.
        already_sent: Miso had them from another source or an earlier version of this one, so they
            were not sent again.
        rejected: They were rejected, here or by Miso.
        skipped: The user's rules left them out.
        unknown: They were sent, and nobody can tell whether Miso took them.
        pending: Miso certainly does not have them yet.
        duplicates: How many of the accepted may have been taken twice.
        changed: How many of the already sent have a key that Miso has with other content.
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

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the counts, in order."""
        return tuple(field.name for field in fields(cls))

    @property
    def balanced(self) -> bool:
        """Whether each row read is accounted for exactly once."""
        return self.rows == (
            self.accepted + self.already_sent + self.rejected + self.skipped + self.unknown
            + self.pending
        )  # fmt: skip

    def __add__(self, other: Totals) -> Totals:
        return Totals(*map(add, _counts(self), _counts(other)))

    def __sub__(self, other: Totals) -> Totals:
        return Totals(*map(sub, _counts(self), _counts(other)))

    def as_sentence(self) -> str:
        """Return the equation in words."""
        rows = "row" if self.rows == 1 else "rows"
        return (
            f"{self.rows:,} {rows} read = {self.accepted:,} accepted + {self.already_sent:,} "
            f"already sent + {self.rejected:,} rejected + {self.skipped:,} skipped + "
            f"{self.unknown:,} unknown + {self.pending:,} pending"
        )


_counts = attrgetter(*Totals.names())
