"""CSV and its relatives: delimiter-separated cells under a header, or under names given for it.

`csv.reader` has the last word on where a row ends, both when a block is cut and when it is parsed,
so the two can never disagree about a quoted newline. A quote that is never closed would make one
row of all that follows: then its line alone is given up, and reading goes on behind it.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.formats.base import SLICE_CELLS, SLICE_ROWS, Cut, Slice, Tail
from miso_upload.formats.lines import cut_lines, too_long
from miso_upload.quoting import counted
from miso_upload.records import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.formats.base import Limits
    from miso_upload.records import Block

DELIMITERS = (",", ";", "\t", "|")

_NEVER_CLOSED = Reason("the quote", "that opens in this row is never closed")
_NOT_UTF8 = Reason("the row", "is not valid UTF-8 (name the file's encoding with --encoding)")
_LONE_RETURN = Reason("the row", "has a carriage return outside quotes that does not end it")


@dataclass(frozen=True, slots=True)
class Delimited:
    """Rows of cells, each under one of `columns`; a cell whose column has no name becomes nothing.

    `shape` says whose columns they are: what a row of more or fewer cells does not have.
    """

    delimiter: str
    columns: tuple[str, ...]
    row_bytes: int
    name: str = "csv"
    preset: str | None = None
    by_line: bool = True
    has_directives: bool = False
    shape: str = "the header's {}"

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`: a newline between quotes ends no row."""
        # Too few lines are too few rows, and a line that is too long is a row that is too long.
        plain = cut_lines(data, limits, tail)
        if plain is None or plain.fault:
            return plain
        if plain.size <= limits.row_bytes and data.find(b'"', 0, plain.size) < 0:
            return plain
        size = rows = 0
        for end in self._row_ends(data, limits.row_bytes, tail):
            if rows and end > limits.block_bytes:
                return Cut(size)
            size, rows = end, rows + 1
            if rows == limits.rows:
                return Cut(size)
        left = len(data) - size
        hopeless = left > limits.row_bytes or (left > 0 and tail is Tail.LAST)
        if size and (hopeless or tail is not Tail.COMING):
            return Cut(size)
        return _give_up_line(data, limits.row_bytes) if hopeless else None

    def _row_ends(self, data: bytes, row_bytes: int, tail: Tail) -> Iterator[int]:
        """Yield where rows end, up to the first that is too long or whose end is not there."""
        usual = _usual_row(self.delimiter)
        at = 0
        while at < len(data):
            found = usual.match(data, at)
            end = found.end() if found else row_end(data, at, self.delimiter, row_bytes, tail)
            if end is None or end - at - data.endswith(b"\n", at, end) > row_bytes:
                return
            yield end
            at = end

    def directive(self, data: bytes) -> bytes:  # noqa: ARG002 -- as the protocol wants it
        """See `Format.directive`: every row says all itself."""
        return b""

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`: nothing marks the end."""
        return not rest

    def slices(self, block: Block) -> Iterator[Slice]:
        """See `Format.slices`: each row becomes `{column: cell}`."""
        _allow_cells_of(self.row_bytes)
        try:
            text, clean = block.data.decode(), True
        except UnicodeDecodeError:
            text, clean = block.data.decode(errors="surrogateescape"), False
        most = min(SLICE_ROWS, max(SLICE_CELLS // len(self.columns), 1))
        # newline="\n": only that ends a line, as when the block was cut; csv sees any "\r" itself.
        lines = io.StringIO(text, newline="\n").readlines()
        at = 0
        while at < len(lines):
            cells = self._usual_cells(lines[at : at + most]) if clean else None
            if cells is not None:
                numbers = range(block.first_line + at, block.first_line + at + len(cells))
                yield Slice(list(map(dict, map(zip, repeat(self.columns), cells))), numbers)
                at += len(cells)
            else:
                part, at = self._slice(lines, at, block.first_line, most, is_utf8=clean)
                yield part

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:  # noqa: ARG002
        """See `Format.texts`: rows are made of cells, which hold the text itself."""
        return {}

    def _usual_cells(self, lines: list[str]) -> list[list[str]] | None:
        """Return the cells of lines, if each of them is a row by itself and has all its cells."""
        text = "".join(lines)
        if "\r\n" in text and '"' not in text:
            text = text.replace("\r\n", "\n")
        if len(text) > self.row_bytes:
            return None
        if '"' in text or "\r" in text:
            try:
                # Strict, so that a quote that goes on behind these lines is an error.
                cells = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
            except csv.Error:
                return None
        elif text.startswith("\n") or "\n\n" in text:
            return None
        else:
            # Without quotes there is nothing to it, and this is several times faster.
            cells = [line.split(self.delimiter) for line in text.removesuffix("\n").split("\n")]
        usual = len(cells) == len(lines) and set(map(len, cells)) == {len(self.columns)}
        return cells if usual else None

    def _slice(
        self, lines: list[str], at: int, first_line: int, most: int, *, is_utf8: bool
    ) -> tuple[Slice, int]:
        """Parse rows one by one from a line on; return them, and which line is the next."""
        found = Slice([], good := [], [])
        for number, cells, problem, behind in self._rows(lines, at):
            at = behind
            reason = problem if is_utf8 or _is_utf8(cells) else _NOT_UTF8
            line = first_line + number
            if reason is None:
                found.rows.append(dict(zip(self.columns, cells, strict=True)))
                good.append(line)
            else:
                found.rejections.append(Rejection(line, (reason,), self._shown(cells)))
            if len(good) + len(found.rejections) == most:
                return found, at
        return found, len(lines)

    def _rows(
        self, lines: list[str], at: int
    ) -> Iterator[tuple[int, list[str], Reason | None, int]]:
        """Yield the place of each row's first line, its cells, what is wrong, and the next place.

        Blank rows are left out.
        """
        reader = csv.reader(lines[at:], delimiter=self.delimiter)
        width = len(self.columns)
        behind = at
        while True:
            before = behind
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                behind = at + reader.line_num
                row = "".join(lines[before:behind]).removesuffix("\n")
                yield before, [row], _LONE_RETURN, behind
                continue
            behind = at + reader.line_num
            if len(cells) == width:
                yield before, cells, None, behind
            elif not _is_blank(cells):
                yield before, cells, self._uneven(len(cells)), behind

    def _uneven(self, found: int) -> Reason:
        expected = self.shape.format(counted(len(self.columns), "cell"))
        return Reason("the row", f"does not have {expected}", shown=f"of {counted(found, 'cell')}")

    def _shown(self, cells: list[str]) -> object:
        readable = [
            cell.encode(errors="surrogateescape").decode(errors="replace") for cell in cells
        ]
        if len(cells) == len(self.columns):
            return dict(zip(self.columns, readable, strict=True))
        return readable


def row_end(data: bytes, start: int, delimiter: str, row_bytes: int, tail: Tail) -> int | None:
    """Return where the row that starts at `start` ends, its newline included.

    Returns:
        None where its end is not at hand, or further off than `row_bytes`.
    """
    reached = start
    whole = True

    def lines() -> Iterator[str]:
        nonlocal reached, whole
        while reached < len(data) and reached - start <= row_bytes:
            newline = data.find(b"\n", reached)
            if newline < 0 and tail is not Tail.LAST:
                break
            begin, reached = reached, newline + 1 or len(data)
            yield data[begin:reached].decode(errors="surrogateescape")
        whole = False

    _allow_cells_of(row_bytes)
    try:
        next(csv.reader(lines(), delimiter=delimiter), None)
    except csv.Error:
        # The same error comes again when the block is parsed, and becomes a rejection there.
        return reached
    return reached if whole else None


@cache
def _usual_row(delimiter: str) -> re.Pattern[bytes]:
    """Return a pattern for rows in whose ends `csv.reader` and a pattern cannot differ.

    Quotes count at the beginning of a cell only, and carriage returns before a newline only. It
    finds ends several times faster than `csv.reader`, which is asked about all other rows.
    """
    mark = re.escape(delimiter).encode()
    rest = rb"[^" + mark + rb"\r\n]*+"
    cell = rb'(?:"[^"]*+(?:""[^"]*+)*+"' + rest + rb'|(?!")' + rest + rb")"
    return re.compile(cell + rb"(?:" + mark + cell + rb")*+\r?\n")


def _give_up_line(data: bytes, row_bytes: int) -> Cut:
    """Return the cut for the first line alone, whose quote would swallow all that follows."""
    size = data.find(b"\n") + 1 or len(data)
    fault = too_long(size - data.endswith(b"\n", 0, size), row_bytes)
    if fault is None and len(data) > row_bytes:
        problem = f"that opens in this row is not closed within {row_bytes:,} bytes"
        fault = Reason("the quote", f"{problem} (--max-row-bytes)")
    return Cut(size, fault=fault or _NEVER_CLOSED)


def read_first_row(
    name: str, data: bytes, delimiter: str, row_bytes: int, tail: Tail
) -> tuple[list[str], int] | None:
    """Return the cells of the first row, most often a header, and the bytes that it takes.

    `data` is the beginning of the source that `name` stands for in messages; blank lines before the
    row count as part of it.

    Returns:
        None where the end of the row is not there.

    Raises:
        ConfigurationError: The row is not CSV.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = row_end(data, start, delimiter, row_bytes, tail)
    if end is None:
        return None
    try:
        text = data[start:end].decode()
        cells = next(csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter), [])
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{name} is not valid UTF-8; name the file's encoding with --encoding"
        ) from None
    except csv.Error:
        raise ConfigurationError(
            f"{name} has a carriage return that does not end it; if lines end in "
            "carriage returns alone, turn them into newlines"
        ) from None
    return [cell.strip() for cell in cells], end


def likely_delimiter(data: bytes, columns: int | None = None) -> str:
    """Return the delimiter that splits the first rows most evenly, and into most cells.

    Where it is known how many `columns` there are, it is the one that splits most rows into these.
    """
    sample = data.lstrip(b"\r\n").decode(errors="replace")

    def evenness(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(sample, newline="\n"), delimiter=delimiter)
        widths = []
        try:
            for row, _ in zip(reader, range(20), strict=False):
                widths.append(len(row))
        except csv.Error:
            pass  # The rows before it have to do.
        most = columns or (widths[0] if widths else 0)
        if most < 2 or not widths:  # noqa: PLR2004 -- one cell means that it does not occur
            return 0.0, 0
        return sum(width == most for width in widths) / len(widths), most

    return max(DELIMITERS, key=evenness)


def _allow_cells_of(size: int) -> None:
    """Let csv read cells of `size`; its own limit, for the whole process, is only ever raised."""
    if csv.field_size_limit() < size:
        csv.field_size_limit(size)


def _is_blank(cells: list[str]) -> bool:
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _is_utf8(cells: list[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["DELIMITERS", "Delimited", "likely_delimiter", "read_first_row", "row_end"]
