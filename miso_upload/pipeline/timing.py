"""Measures the time that a run spends on each activity."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")


class ActivityTimer:
    """Measures seconds by activity; the time of a nested activity counts only for that one."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._activities: list[str] = []
        self._since = time.monotonic()

    @contextmanager
    def on(self, activity: str) -> Iterator[None]:
        """Count the time in this context for `activity`."""
        self._add_elapsed()
        self._activities.append(activity)
        try:
            yield
        finally:
            self._add_elapsed()
            self._activities.pop()

    def over(self, items: Iterable[Item], activity: str) -> Iterator[Item]:
        """Yield from `items`, and count the time spent waiting for each item."""
        each = iter(items)
        while True:
            with self.on(activity):
                try:
                    item = next(each)
                except StopIteration:
                    return
            yield item

    def _add_elapsed(self) -> None:
        now = time.monotonic()
        if self._activities:
            self.seconds[self._activities[-1]] += now - self._since
        self._since = now
