"""Finds lines of a delimited file that are its header again, perhaps in another order.

Joining exports leaves them: each part starts with a header, and its columns can be in another
order, or in upper case instead of lower case.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.sources.formats.dialect import Dialect

_SPARE = 1_000
"""Bytes for blanks in a header line."""
HEADER_AGAIN = "lines that are the header again"


class HeaderLines(NamedTuple):
    """Finds header lines.

    Attributes:
        dialect: The dialect of the file.
        columns: The names of the columns, in alphabetical order.
        spellings: The columns by their names in lower case, as far as these are different.
        marks: The longest name in several cases, one of which every header line contains.
        size: The longest line that can be a header.
        ends: The bytes that may be next to a cell.
        repeated: The names that several columns have; these columns have no name in `columns`.
    """

    dialect: Dialect
    columns: tuple[str, ...]
    spellings: dict[str, str]
    marks: tuple[bytes, ...]
    size: int
    ends: bytes
    repeated: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, dialect: Dialect, columns: tuple[str, ...], repeated: tuple[str, ...] = ()
    ) -> HeaderLines | None:
        """Return what finds the header `columns`; None if rows may look like this header."""
        if len(columns) == 1 or any("\n" in column for column in columns):
            return None
        mark = max(columns, key=len)
        spelled = (mark, mark.lower(), mark.upper(), mark.capitalize(), mark.title())
        marks = dict.fromkeys(each.encode() for each in spelled)
        size = 2 * sum(len(name.encode()) + 4 for name in (*columns, *repeated, *repeated))
        if not mark:
            return None
        ends = b" \t\r\n" + (dialect.delimiter + dialect.quote).encode()
        times = Counter(column.lower() for column in (*columns, *repeated))
        spellings = {name.lower(): name for name in columns if times[name.lower()] == 1}
        names = tuple(sorted(columns))
        return cls(
            dialect, names, spellings, tuple(marks), size + _SPARE, ends, frozenset(repeated)
        )

    def may_be_in(self, data: bytes) -> bool:
        """Return whether `data` may contain a header line."""
        return any(mark in data for mark in self.marks)

    def names(self, line: bytes) -> tuple[str, ...]:
        """Return the names in a header line, in the spelling of the first header."""
        body = line.rstrip(b"\r\n")
        text = body.decode(errors="surrogateescape")
        cells = [text]
        if any(mark and mark in text for mark in (self.dialect.quote, self.dialect.escape)):
            cells = list(map(self.dialect.text, self.dialect.cells(body)))
        else:
            (cells,) = self.dialect.split(cells)
        if len(cells) == len(self.columns) + 1 and not cells[-1]:
            cells.pop()
        return tuple(map(self._name, cells))

    def _name(self, cell: str) -> str:
        """Return a name in the spelling of the first header; empty if several columns have it."""
        name = cell.strip()
        return "" if name in self.repeated else self.spellings.get(name.lower(), name)

    def within(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield where header lines start and end in `data`, which starts at a line."""
        at = 0
        for found in re.finditer(b"|".join(map(re.escape, self.marks)), data):
            if found.start() < at or not self._is_cell(data, *found.span()):
                continue
            start = data.rfind(b"\n", 0, found.start()) + 1
            at = data.find(b"\n", found.end()) + 1 or len(data)
            if (
                at - start <= self.size
                and tuple(sorted(self.names(data[start:at]))) == self.columns
            ):
                yield start, at

    def _is_cell(self, data: bytes, start: int, end: int) -> bool:
        """Return whether a name in `data` may be a whole cell, by the bytes around it."""
        ends = self.ends
        return (not start or data[start - 1] in ends) and (end == len(data) or data[end] in ends)

    def last(self, data: bytes) -> bytes:
        """Return the last header line in `data`; empty if there is none."""
        if not self.may_be_in(data):
            return b""
        return next((data[start:end] for start, end in reversed(list(self.within(data)))), b"")


__all__ = ["HEADER_AGAIN", "HeaderLines"]
