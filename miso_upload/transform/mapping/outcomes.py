"""What a row is mapped to: a record, a skip, or the reasons for its rejection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from miso_upload.records import Reason, Record


class SkipRow(Exception):  # noqa: N818 -- it is no error
    """A rule of the user skips this row; the argument is the rule's name."""


class Mapped(NamedTuple):
    """A record, and whether its `anonymous_id` was derived from an address."""

    record: Record
    derived: bool


class Skipped(NamedTuple):
    """A row that one of the user's rules skips, and the name of that rule."""

    rule: str


if TYPE_CHECKING:
    Outcome: TypeAlias = Mapped | Skipped | tuple[Reason, ...]


class MappedRows(NamedTuple):
    """The outcomes of many rows.

    Attributes:
        records: The record of each row. For rows in `not_mapped` the value has no meaning.
        derived: For each row, whether the `anonymous_id` of its record was derived.
        not_mapped: The outcome of each row that has no record, by its index. None means that the
            fast path did not decide: the row still needs the exact path.
    """

    records: list[Any]
    derived: list[bool]
    not_mapped: dict[int, Skipped | tuple[Reason, ...] | None]

    @classmethod
    def before_mapping(cls, rows: Sequence[Any]) -> MappedRows:
        """Return outcomes in which each row is its own record."""
        return cls(list(rows), [False] * len(rows), {})

    def put(self, indices: Sequence[int], some: MappedRows) -> None:
        """Store the outcomes of the rows at `indices`."""
        for index, record, was_derived in zip(indices, some.records, some.derived, strict=True):
            self.records[index] = record
            self.derived[index] = was_derived
        for index, outcome in some.not_mapped.items():
            self.not_mapped[indices[index]] = outcome

    def undecided(self) -> list[int]:
        """Return the indices of the rows that still need the exact path, in order."""
        return sorted(index for index, outcome in self.not_mapped.items() if outcome is None)
