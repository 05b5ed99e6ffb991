"""Finds the line of a key in TOML text, for messages.

The TOML parser of the standard library keeps no positions, so the keys of a path are searched for
one after the other. The n-th table of a list is the n-th heading with its name. The result may be
wrong for unusual layouts.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property


class KeyLines:
    """Finds the lines of keys in one text, and searches most parts of it only once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._headings: dict[str, list[int]] = {}
        self._reached: dict[tuple[str | int, ...], int] = {}

    @cached_property
    def _newlines(self) -> list[int]:
        return [found.start() for found in re.finditer("\n", self._text)]

    def line(self, path: tuple[str | int, ...]) -> int:
        """Return the line of the last key of `path`."""
        position = 0
        for i, step in enumerate(path):
            if isinstance(step, int):
                starts = self._headings_of(str(path[i - 1]))
                position = starts[step] if step < len(starts) else position
            else:
                position = self._key(path[:i], step, position)
        return bisect_left(self._newlines, position) + 1

    def _headings_of(self, key: str) -> list[int]:
        if key not in self._headings:
            heading = re.compile(rf"^[ \t]*\[\[\s*{re.escape(key)}\s*\]\]", re.MULTILINE)
            self._headings[key] = [found.start() for found in heading.finditer(self._text)]
        return self._headings[key]

    def _key(self, table: tuple[str | int, ...], key: str, start: int) -> int:
        """Return the position of a key in `table`, which starts at `start`; `start` if not found.

        The search continues behind the last key that was found in the table.
        """
        pattern = re.compile(rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?(?![\w-])")
        reached = max(start, self._reached.get(table, start))
        found = pattern.search(self._text, reached) or pattern.search(self._text, start)
        if found is None:
            return start
        self._reached[table] = found.start()
        return found.start()
