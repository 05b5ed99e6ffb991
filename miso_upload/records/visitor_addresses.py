"""Tracks whether all visitors of a run connect from a few private addresses, such as proxies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PRIVATE = re.compile(
    r"(?:::ffff:)?(?:10\.|127\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2[0-9]|3[01])\."
    r"|100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.)[0-9.]+(?::[0-9]+)?"
    r"|\[?(?:::1|f[cd][0-9a-f]{2}:[0-9a-f:]*|fe80:[0-9a-f:%a-z0-9]*)(?:\](?::[0-9]+)?)?",
    re.IGNORECASE,
)
_MOST = 4
"""More addresses are those of people in a private network."""
_FEWEST_ROWS = 20


@dataclass(slots=True)
class VisitorAddresses:
    """The addresses from which ids were derived, as long as they are few and private.

    Attributes:
        private: The addresses; at most a few.
        has_others: Whether there were public addresses, or many private ones.
        rows: The rows with private addresses.
    """

    private: set[str] = field(default_factory=set)
    has_others: bool = False
    rows: int = 0

    def note(self, addresses: Collection[str | None], rows: int) -> None:
        """Note the addresses of rows whose ids were derived."""
        if self.has_others:
            return
        self.rows += rows
        self.private.update(filter(None, addresses))
        self._forget_many(has_others=not all(map(_is_private, addresses)))

    def add(self, other: VisitorAddresses) -> None:
        """Add the addresses of another block."""
        self.rows += other.rows
        self.private |= other.private
        self._forget_many(has_others=self.has_others or other.has_others)

    def _forget_many(self, *, has_others: bool) -> None:
        self.has_others = has_others or len(self.private) > _MOST
        if self.has_others:
            self.private, self.rows = set(), 0

    @property
    def proxies(self) -> int:
        """Return how many private addresses all rows have; 0 if they may be those of visitors."""
        is_enough = self.rows >= _FEWEST_ROWS * len(self.private)
        return len(self.private) if is_enough and not self.has_others else 0


def _is_private(address: str | None) -> bool:
    return address is not None and _PRIVATE.fullmatch(address) is not None
