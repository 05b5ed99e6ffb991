"""Bots by their rate: more rows in a minute than a person makes.

Rows are counted within one block, since blocks are transformed apart from each other; where a
minute is cut in two by the end of a block, each part is counted for itself.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

Row = dict[str, Any]

TOO_MANY = "bots by their rate"
"""What rows are counted under that are left out for it."""
_MINUTE = len("2025-03-01T10:00")


class Rate:
    """Knows the minutes in which a visitor had too many rows.

    Args:
        most: So many rows in a minute are a person's.
        fetched: Returns what fetches an attribute from a row: `ip`, `forwarded_for`, `user_agent`,
            and `timestamp` as RFC 3339 or None.
    """

    def __init__(self, most: int, fetched: Callable[[str], Callable[[Row], Any]]) -> None:
        self._most = most
        self._time = fetched("timestamp")
        self._who = [fetched(name) for name in ("ip", "forwarded_for", "user_agent")]

    def busy(self, rows: Iterable[Row]) -> Container[object]:
        """Return the minutes, each a visitor's, of which `rows` has too many rows."""
        counts = Counter(map(self.minute_of, rows))
        del counts[None]
        return frozenset(minute for minute, rows in counts.items() if rows > self._most)

    def minute_of(self, row: Row) -> object:
        """Return the visitor and the minute of a row; None where it tells neither or only one."""
        time = self._time(row)
        said = [value for fetch in self._who if isinstance(value := fetch(row), str)]
        return (*said, time[:_MINUTE]) if isinstance(time, str) and said else None
