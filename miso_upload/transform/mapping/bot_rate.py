"""Finds bots by their rate: more rows in a minute than a person makes.

Rows are counted within one block, because blocks are transformed independently. If a block ends
within a minute, each part of that minute is counted by itself.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

Row = dict[str, Any]

TOO_MANY = "bots by their rate"
"""The name that rows over the rate are counted under."""
_MINUTE = len("2025-03-01T10:00")


class BotRate:
    """Finds the minutes in which a visitor has too many rows.

    Args:
        most: The most rows that a person makes in a minute.
        getter_of: Returns the getter of an attribute from a row: of `ip`, `forwarded_for`,
            `user_agent`, and of `timestamp` as RFC 3339 or None.
    """

    def __init__(self, most: int, getter_of: Callable[[str], Callable[[Row], Any]]) -> None:
        self._most = most
        self._timestamp = getter_of("timestamp")
        self._visitor = [getter_of(name) for name in ("ip", "forwarded_for", "user_agent")]

    def busy_minutes(self, rows: Iterable[Row]) -> Container[object]:
        """Return the minutes, each of one visitor, in which there are too many of `rows`."""
        counts = Counter(map(self.minute_of, rows))
        del counts[None]
        return frozenset(minute for minute, rows in counts.items() if rows > self._most)

    def minute_of(self, row: Row) -> object:
        """Return the visitor and the minute of a row; None if one of them is unknown."""
        timestamp = self._timestamp(row)
        visitor = [value for get in self._visitor if isinstance(value := get(row), str)]
        if not isinstance(timestamp, str) or not visitor:
            return None
        return (*visitor, timestamp[:_MINUTE])
