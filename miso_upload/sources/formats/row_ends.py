"""Finds the ends of delimited rows, which can span lines if their quotes are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.sources.formats.base import Tail
from miso_upload.sources.formats.dialect import open_pattern, row_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.sources.formats.dialect import Dialect

CELL_BYTES = 2**20
"""The longest cell with line breaks; a longer one is taken for a quote that is never closed."""
_MARGIN = 64
"""How many bytes can follow a quote before it is known to close its cell."""


class RowEnds(NamedTuple):
    """Finds the ends of rows.

    A row spans several lines only if its cells are well-formed and closed, and as many as the
    header's. The end of a row thus depends on its own bytes only, and cutting and parsing agree.

    Attributes:
        dialect: The dialect of the rows.
        columns: The number of cells in a row; None if it is not known yet.
        row_bytes: The longest row of several lines.
    """

    dialect: Dialect
    columns: int | None
    row_bytes: int

    def after(self, data: bytes, start: int, tail: Tail) -> Iterator[int]:
        """Yield the ends of the rows from `start` on, as far as they are known."""
        match = row_pattern(self.dialect, self.columns, last=tail is Tail.LAST).match
        short = min(CELL_BYTES, self.row_bytes)
        while start < len(data):
            found = match(data, start)
            end = found.end() if found else None
            if end is None or end - start > short:
                end = self.find(data, start, tail)
                if end is None:
                    return
            yield end
            start = end

    def find(self, data: bytes, start: int, tail: Tail) -> int | None:
        """Return the end of the row at `start` with its newline; None if it is not known yet."""
        last = tail is Tail.LAST
        found = row_pattern(self.dialect, self.columns, last=last).match(data, start)
        if found is not None and self._is_within_limits(data, start, found.end()):
            return found.end()
        line = data.find(b"\n", start) + 1
        if last or not line:
            return line or (len(data) if last else None)
        return None if found is None and self._is_open(data, start, line) else line

    def well_formed(self, data: bytes, start: int) -> int | None:
        """Return the end of the row at `start` if it has all cells and none is malformed."""
        found = row_pattern(self.dialect, self.columns, last=True).match(data, start)
        if found is None or not self._is_within_limits(data, start, found.end()):
            return None
        return found.end()

    def _is_within_limits(self, data: bytes, start: int, end: int) -> bool:
        """Return whether a row is within the limits for rows of several lines, if it is one."""
        if end - start <= min(CELL_BYTES, self.row_bytes) or data.find(b"\n", start, end - 1) < 0:
            return True
        if end - start - data.endswith(b"\n", start, end) > self.row_bytes:
            return False
        if end - start <= CELL_BYTES:
            return True
        cells = self.dialect.cells(data[start:end].rstrip(b"\r\n"))
        return all(len(cell.raw) <= CELL_BYTES or b"\n" not in cell.raw for cell in cells)

    def _is_open(self, data: bytes, start: int, line: int) -> bool:
        """Return whether the buffered bytes can be the beginning of a row of several lines."""
        if len(data) - start > self.row_bytes + 1 or not self.dialect.may_go_on(data, start, line):
            return False
        found = open_pattern(self.dialect, self.columns).match(data, start)
        if found is None:
            return False
        cell = found.start("open")
        return len(data) - cell <= CELL_BYTES + _MARGIN or data.find(b"\n", cell) < 0


__all__ = ["CELL_BYTES", "RowEnds"]
