"""Counts the outcomes of rows and records, and checks that they add up to the rows read.

Usually every row is one record, and one equation accounts for both:

    rows read = accepted + already sent + rejected + skipped + unknown + pending

If a row becomes several records, or several rows become one, there are two:

    rows read = mapped + rejected + skipped
    records = accepted + already sent + rejected + unknown + pending

A row is mapped if it has at least one valid record, rejected if it has none and something of it was
rejected, and otherwise skipped. A row or group that is rejected as a whole is one rejected record.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from operator import add, attrgetter, sub

from miso_upload.values.display import counted


@dataclass(frozen=True, slots=True)
class Totals:
    """The outcomes of rows and records. `rows` is counted on reading, the others later.

    If every row is one record, `records`, `mapped` and `rejected_rows` are 0, because they follow
    from the others.

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
        records: Records, with rejected ones.
        mapped: Rows with at least one valid record.
        rejected_rows: Rows that have only rejected records.
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
    records: int = 0
    mapped: int = 0
    rejected_rows: int = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the counts, in order."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def names_of_outcomes(cls) -> tuple[str, ...]:
        """Return the names of the counts that say everything if every row is one record."""
        return cls.names()[: -len(_OF_ROWS)]

    @property
    def is_row_by_row(self) -> bool:
        """Whether one equation accounts for rows and records, because every row is one record."""
        return self.rows == self._outcomes + self.skipped

    @property
    def balanced(self) -> bool:
        """Whether the outcomes add up to the rows read, and to the records made of them."""
        rows = self.mapped + self.rejected_rows + self.skipped
        return self.is_row_by_row or (self.rows == rows and self.records == self._outcomes)

    @property
    def _outcomes(self) -> int:
        return (
            self.accepted + self.already_sent + self.rejected + self.unknown + self.pending
        )  # fmt: skip

    def as_json(self) -> dict[str, int]:
        """Return the counts; those of records and of rows only if they differ."""
        names = self.names_of_outcomes() if self.is_row_by_row else self.names()
        return {name: getattr(self, name) for name in names}

    def filled_in(self) -> Totals:
        """Return the same with the counts of records and of rows, if they are left out."""
        if self.records or not self.is_row_by_row:
            return self
        records = self._outcomes
        return replace(
            self, records=records, mapped=records - self.rejected, rejected_rows=self.rejected
        )

    def __add__(self, other: Totals) -> Totals:
        return Totals(*map(add, *_alike(self, other)))

    def __sub__(self, other: Totals) -> Totals:
        return Totals(*map(sub, *_alike(self, other)))

    def as_sentences(self) -> list[str]:
        """Return the equation in words; two equations if rows are not always records."""
        outcomes = f"{self.unknown:,} unknown + {self.pending:,} pending"
        sent = f"{self.accepted:,} accepted + {self.already_sent:,} already sent"
        rejected = f"{self.rejected:,} rejected"
        if self.is_row_by_row:
            skipped = f"{self.skipped:,} skipped"
            rows = counted(self.rows, "row")
            return [f"{rows} read = {sent} + {rejected} + {skipped} + {outcomes}"]
        records = counted(self.records, "record")
        return [self.rows_sentence(), f"{records} = {sent} + {rejected} + {outcomes}"]

    def as_sentence(self) -> str:
        """Return the equations as one text, each on a line."""
        return "\n".join(self.as_sentences())

    def rows_sentence(self) -> str:
        """Return the equation of rows in words, for rows that are not always records."""
        return (
            f"{counted(self.rows, 'row')} read = {self.mapped:,} mapped + "
            f"{self.rejected_rows:,} rejected + {self.skipped:,} skipped"
        )


def _alike(one: Totals, other: Totals) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the counts of both, with those of records and rows filled in if one has them."""
    if one.records or other.records:
        one, other = one.filled_in(), other.filled_in()
    return _counts(one), _counts(other)


_OF_ROWS = ("records", "mapped", "rejected_rows")
_counts = attrgetter(*Totals.names())
