"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")


class Stopwatch:
    """Counts seconds by activity; what an activity spends on another one is counted there only."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._activities: list[str] = []
        self._since = time.monotonic()

    @contextmanager
    def on(self, activity: str) -> Iterator[None]:
        """Count the time in this context as spent on `activity`."""
        self._turn()
        self._activities.append(activity)
        try:
            yield
        finally:
            self._turn()
            self._activities.pop()

    def over(self, items: Iterable[Item], activity: str) -> Iterator[Item]:
        """Yield from `items`, and count the time until each of them is there."""
        each = iter(items)
        while True:
            with self.on(activity):
                try:
                    item = next(each)
                except StopIteration:
                    return
            yield item

    def _turn(self) -> None:
        now = time.monotonic()
        if self._activities:
            self.seconds[self._activities[-1]] += now - self._since
        self._since = now
