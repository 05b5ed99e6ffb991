"""Where rows of cells end: with their line, unless quotes that close say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.sources.formats.base import Tail
from miso_upload.sources.formats.dialect import open_pattern, row_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.sources.formats.dialect import Dialect

CELL_BYTES = 2**20
"""How far a cell with line breaks in it goes on; a longer one has a quote that nobody closed."""
_MARGIN = 64
"""What may stand behind a closing quote before it is known to be one."""


class RowEnds(NamedTuple):
    """Finds where rows end.

    A row goes on behind its line only as well-formed cells that close again, all of them in the
    number of the header's. So where a row ends depends on its own bytes only, and all that cut or
    parse them agree.

    Attributes:
        dialect: How rows are written.
        columns: How many cells a row has; None where that is not known yet.
        row_bytes: How long a row may be to go on behind its line.
    """

    dialect: Dialect
    columns: int | None
    row_bytes: int

    def after(self, data: bytes, start: int, tail: Tail) -> Iterator[int]:
        """Yield the ends of the rows from `start` on, as far as they can be told."""
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
        """Return where the row at `start` ends, its newline included; None if that is not known."""
        last = tail is Tail.LAST
        found = row_pattern(self.dialect, self.columns, last=last).match(data, start)
        if found is not None and self._is_within_limits(data, start, found.end()):
            return found.end()
        line = data.find(b"\n", start) + 1
        if last or not line:
            return line or (len(data) if last else None)
        return None if found is None and self._is_open(data, start, line) else line

    def well_formed(self, data: bytes, start: int) -> int | None:
        """Return where the row at `start` ends if it has all its cells, and none is malformed."""
        found = row_pattern(self.dialect, self.columns, last=True).match(data, start)
        if found is None or not self._is_within_limits(data, start, found.end()):
            return None
        return found.end()

    def _is_within_limits(self, data: bytes, start: int, end: int) -> bool:
        """Return whether a row, if it has several lines, is short enough for that."""
        if end - start <= min(CELL_BYTES, self.row_bytes) or data.find(b"\n", start, end - 1) < 0:
            return True
        if end - start - data.endswith(b"\n", start, end) > self.row_bytes:
            return False
        if end - start <= CELL_BYTES:
            return True
        cells = self.dialect.cells(data[start:end].rstrip(b"\r\n"))
        return all(len(cell.raw) <= CELL_BYTES or b"\n" not in cell.raw for cell in cells)

    def _is_open(self, data: bytes, start: int, line: int) -> bool:
        """Return whether more bytes could make a row of several lines of what is at hand."""
        if len(data) - start > self.row_bytes + 1 or not self.dialect.may_go_on(data, start, line):
            return False
        found = open_pattern(self.dialect, self.columns).match(data, start)
        if found is None:
            return False
        cell = found.start("open")
        return len(data) - cell <= CELL_BYTES + _MARGIN or data.find(b"\n", cell) < 0


__all__ = ["CELL_BYTES", "RowEnds"]
