"""Finds lines of a delimited file that are its header again, perhaps in another order.

Joining exports leaves them: each part starts with a header, and its columns can be in another
order.
"""

from __future__ import annotations

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
        mark: The longest name, which every header line contains.
        size: The longest line that can be a header.
        ends: The bytes that may be next to a cell.
        repeated: The names that several columns have; these columns have no name in `columns`.
    """

    dialect: Dialect
    columns: tuple[str, ...]
    mark: bytes
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
        mark = max(columns, key=len).encode()
        size = 2 * sum(len(name.encode()) + 4 for name in (*columns, *repeated, *repeated))
        if not mark:
            return None
        ends = b" \t\r\n" + (dialect.delimiter + dialect.quote).encode()
        names = tuple(sorted(columns))
        return cls(dialect, names, mark, size + _SPARE, ends, frozenset(repeated))

    def may_be_in(self, data: bytes) -> bool:
        """Return whether `data` may contain a header line."""
        return self.mark in data

    def names(self, line: bytes) -> tuple[str, ...]:
        """Return the names in a header line."""
        body = line.rstrip(b"\r\n")
        text = body.decode(errors="surrogateescape")
        cells = [text]
        if any(mark and mark in text for mark in (self.dialect.quote, self.dialect.escape)):
            cells = list(map(self.dialect.text, self.dialect.cells(body)))
        else:
            (cells,) = self.dialect.split(cells)
        if len(cells) == len(self.columns) + 1 and not cells[-1]:
            cells.pop()
        return tuple("" if (name := cell.strip()) in self.repeated else name for cell in cells)

    def within(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield where header lines start and end in `data`, which starts at a line."""
        at = 0
        while (found := data.find(self.mark, at)) >= 0:
            at = found + len(self.mark)
            if not self._is_cell(data, found, at):
                continue
            start = data.rfind(b"\n", 0, found) + 1
            at = data.find(b"\n", at) + 1 or len(data)
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
