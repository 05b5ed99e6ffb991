"""Describes the rows that a run leaves out because they are outside its scope.

A ledger keeps this description with a scan. A later run reads the input again only if its scope
may include one of these rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from miso_upload.values.json import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

BEFORE, AFTER, INSIDE, UNDATED = "before", "after", "inside", "undated"
"""Where a row is in time: before the scope, after it, inside it, or without a timestamp."""
ANY_TYPE = ""
_MOST_RANGES = 400
"""More types than this share one description, so that its size has a limit."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant_of(time: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (time - _EPOCH) // timedelta(microseconds=1)


@dataclass(slots=True)
class OutsideRows:
    """The types and times of rows that are outside the scope of a run.

    Attributes:
        ranges: The earliest and the latest instant of the rows, by their type and by where they are
            in time.
    """

    ranges: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def add(self, name: str, side: str, first: int = 0, last: int = 0) -> None:
        """Add rows of one type.

        Args:
            name: Their type.
            side: Where they are in time.
            first: The earliest of their instants, in microseconds since 1970.
            last: The latest of their instants.
        """
        if (name, side) not in self.ranges and len(self.ranges) >= _MOST_RANGES:
            name = ANY_TYPE
        known = self.ranges.get((name, side), (first, last))
        self.ranges[name, side] = min(known[0], first), max(known[1], last)

    def include(self, other: OutsideRows) -> None:
        """Add the rows of another description."""
        for (name, side), (first, last) in other.ranges.items():
            self.add(name, side, first, last)

    def to_text(self) -> str:
        """Return it as text; empty for no rows."""
        if not self.ranges:
            return ""
        return encode([[*key, *value] for key, value in sorted(self.ranges.items())]).decode()

    @classmethod
    def from_text(cls, text: str) -> OutsideRows:
        """Return the description that `to_text` has written."""
        found = cls()
        items: Iterable[tuple[str, str, int, int]] = decode(text) if text else ()
        for name, side, first, last in items:
            found.ranges[name, side] = first, last
        return found
