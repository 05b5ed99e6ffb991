"""Reads CSV and other delimited files, with a header or with names from `--columns`.

Blocks are cut at the ends of rows. `RowEnds` finds them for cutting and for parsing, so the two
cannot disagree about a quoted newline. Parsing decides whether a row of several lines is one row,
or several rows inside a stray quote, because only parsing knows what a record is. `dialect` parses
plain rows; `cell_rows` reads rows that need care, one by one.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import repeat
from typing import TYPE_CHECKING

from miso_upload.records import Slice
from miso_upload.sources.formats.base import SLICE_CELLS, SLICE_ROWS, Cut, Tail
from miso_upload.sources.formats.cell_rows import CellRows
from miso_upload.sources.formats.dialect import QUOTE, allow_cells_of
from miso_upload.sources.formats.header_lines import HEADER_AGAIN, HeaderLines
from miso_upload.sources.formats.lines import cut_lines, too_long
from miso_upload.sources.formats.quote_checks import literal_quotes
from miso_upload.sources.formats.row_ends import RowEnds
from miso_upload.values.display import column_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records import Block, Reason
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.base import Limits
    from miso_upload.sources.formats.dialect import Dialect


@dataclass(frozen=True)
class Delimited:
    """The format of delimited rows; cells of a column without a name are ignored.

    `shape` completes the message about a row with too many or too few cells.
    """

    dialect: Dialect
    columns: tuple[str, ...]
    row_bytes: int
    name: str = "csv"
    preset: str | None = None
    by_line: bool = True
    has_header: bool = False
    """Whether the file has a header; a later line of the same names names the columns again."""
    repeated: tuple[str, ...] = ()
    hint: str = ""
    """What the user may want to change; it is a part of `remark`."""
    comma_ends_row: bool = False
    skips_directives: bool = True
    shape: str = "the header ({})"

    @property
    def has_directives(self) -> bool:
        """See `Format.has_directives`: a header in another order applies to the rows after it."""
        return self._headers is not None

    @cached_property
    def _headers(self) -> HeaderLines | None:
        return (
            HeaderLines.of(self.dialect, self.columns, self.repeated) if self.has_header else None
        )

    @cached_property
    def _ends(self) -> RowEnds:
        return RowEnds(self.dialect, len(self.columns), self.row_bytes)

    @property
    def remark(self) -> str:
        """See `Format.remark`: most TSV files have no quoted cells, so quotes are remarked."""
        dialect = self.dialect
        if self.repeated:
            names = ", ".join(map(column_name, self.repeated))
            return f"the header has columns of the same name, which are ignored: {names}"
        if self.hint:
            return self.hint
        if dialect.decided or not dialect.quote or dialect.delimiter != "\t":
            return ""
        return "quoted cells are read without their quotes (--quote none keeps them)"

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`: a newline between quotes does not end a row."""
        # Every row is at least one line, so these limits hold for lines too.
        plain = cut_lines(data, limits, tail)
        if plain is None or plain.fault:
            return plain
        if plain.size <= limits.row_bytes and not self.dialect.may_go_on(data, 0, plain.size):
            return plain
        size = rows = 0
        for end in self._ends.after(data, 0, tail):
            if rows and end > limits.block_bytes:
                return Cut(size)
            if end - size > limits.row_bytes:
                fault = too_long(end - size - data.endswith(b"\n", size, end), limits.row_bytes)
                if fault is not None:
                    return Cut(size) if size else Cut(end, fault=fault)
            size, rows = end, rows + 1
            if rows == limits.rows:
                return Cut(size)
        is_too_long = len(data) - size > limits.row_bytes
        return Cut(size) if size and (is_too_long or tail is not Tail.COMING) else None

    def directive(self, data: bytes) -> bytes:
        """See `Format.directive`: the last line that is a header again."""
        return self._headers.last(data) if self._headers is not None else b""

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`: there is no end marker."""
        return not rest

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """See `Format.slices`: each row becomes `{column: cell}`."""
        headers = self._headers
        if headers is None or not (block.header or headers.may_be_in(block.data)):
            yield from self._slices(block, is_record)
            return
        rows = self._under(block.header)
        start, line = 0, block.first_line
        for first, end in headers.within(block.data):
            part = replace(block, data=block.data[start:first], first_line=line)
            yield from rows._slices(part, is_record)  # noqa: SLF001 -- of the same class
            yield Slice([], [], skipped=[HEADER_AGAIN])
            rows = self._under(block.data[first:end])
            line += block.data.count(b"\n", start, end)
            start = end
        part = replace(block, data=block.data[start:], first_line=line)
        yield from rows._slices(part, is_record)  # noqa: SLF001 -- of the same class

    def _under(self, header: bytes) -> Delimited:
        """Return the format of the rows after a header line; empty for the first header."""
        if not header or self._headers is None:
            return self
        columns = self._headers.names(header)
        return self if columns == self.columns else replace(self, columns=columns)

    def _slices(self, block: Block, is_record: IsRecord | None) -> Iterator[Slice]:
        allow_cells_of(self.row_bytes)
        most = min(SLICE_ROWS, max(SLICE_CELLS // len(self.columns), 1))
        lines = io.BytesIO(block.data).readlines()
        at = start = 0
        while at < len(lines):
            some = lines[at : at + most]
            part = self._usual_slice(b"".join(some), block.first_line + at, len(some))
            if part is None:
                rows = CellRows(self._ends, self.columns, self.shape, is_record)
                part, end = rows.slice(block.data, start, block.first_line + at, most)
                height = block.data.count(b"\n", start, end)
                height += not block.data.endswith(b"\n", start, end)
            else:
                height, end = len(some), start + sum(map(len, some))
            yield part
            at, start = at + height, end

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:  # noqa: ARG002
        """See `Format.texts`: the rows are not JSON."""
        return {}

    def _usual_slice(self, data: bytes, first_line: int, height: int) -> Slice | None:
        """Return lines as a slice if each line is a row with all its cells; otherwise None."""
        if len(data) > self.row_bytes:
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        cells = self._usual_cells(text)
        if cells is None or len(cells) != height:
            return None
        if set(map(len, cells)) != {len(self.columns)}:
            cells = self._without_last(cells) if QUOTE not in text else None
            if cells is None:
                return None
        rows = list(map(dict, map(zip, repeat(self.columns), cells)))
        return Slice(
            rows, range(first_line, first_line + height), warnings=self._warnings(text, first_line)
        )

    def _without_last(self, cells: list[list[str]]) -> list[list[str]] | None:
        """Return rows without the empty cell after a last delimiter; None for other widths."""
        width = len(self.columns)
        if any(len(row) != width and (len(row) != width + 1 or row[-1]) for row in cells):
            return None
        return [row[:width] for row in cells]

    def _usual_cells(self, text: str) -> list[list[str]] | None:
        dialect = self.dialect
        has_quotes = bool(dialect.quote) and dialect.quote in text
        if dialect.escape and dialect.escape in text:
            return None
        comment = dialect.comment
        if comment and (text.startswith(comment) or "\n" + comment in text):
            return None
        if "\r\n" in text and not has_quotes:
            text = text.replace("\r\n", "\n")
        if has_quotes:
            # newline="\n": only a newline ends a line, as in cutting.
            return dialect.read(io.StringIO(text, newline="\n"))
        if "\r" in text or text.startswith("\n") or "\n\n" in text:
            return None
        # Without quotes, splitting is enough and several times faster.
        return dialect.split(text.removesuffix("\n").split("\n"))

    def _warnings(self, text: str, first_line: int) -> list[tuple[Reason, int]]:
        """Return the warnings about quotes that are read literally without --quote."""
        if self.dialect.decided or self.dialect.quote or QUOTE not in text:
            return []
        begins = _first_in_cell(self.dialect.delimiter).search
        lines = enumerate(text.split("\n"), first_line)
        return [(literal_quotes(), number) for number, line in lines if begins(line)]


@cache
def _first_in_cell(delimiter: str) -> re.Pattern[str]:
    return re.compile("(?:^|" + re.escape(delimiter) + ")" + QUOTE)


__all__ = ["Delimited"]
