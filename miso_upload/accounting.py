"""The equation that every run must satisfy: rows read = the sum of what became of them."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of rows; `rows` is counted where they are read, the others where they end.

    Attributes:
        rows: Rows read.
        accepted: Miso took them.
        rejected: They were set aside, here or by Miso.
        skipped: The user's rules left them out.
        unknown: They were sent, and nobody can tell whether Miso took them.
        pending: They were certainly not taken yet.
        duplicates: How many of the accepted may have been taken twice.
    """

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    unknown: int = 0
    pending: int = 0
    duplicates: int = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the counts, in order."""
        return tuple(field.name for field in fields(cls))

    @property
    def balanced(self) -> bool:
        """Whether each row read is accounted for exactly once."""
        outcomes = self.accepted + self.rejected + self.skipped + self.unknown + self.pending
        return self.rows == outcomes

    def __add__(self, other: Totals) -> Totals:
        return Totals(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Totals) -> Totals:
        return Totals(
            *(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))
        )

    def as_sentence(self) -> str:
        """Return the equation in words."""
        rows = "row" if self.rows == 1 else "rows"
        return (
            f"{self.rows:,} {rows} read = {self.accepted:,} accepted + {self.rejected:,} rejected "
            f"+ {self.skipped:,} skipped + {self.unknown:,} unknown + {self.pending:,} pending"
        )
