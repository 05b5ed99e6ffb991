"""CSV and its relatives: delimiter-separated cells with a header.

`csv.reader` has the last word on where a row ends, both when a block is cut and when it is parsed,
so the two can never disagree about a quoted newline.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from miso_upload.formats.base import SLICE_ROWS, Cut, Slice
from miso_upload.formats.lines import cut_lines, row_too_long, too_long
from miso_upload.records import Reason, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.formats.base import Limits
    from miso_upload.records import Block

DELIMITERS = (",", ";", "\t", "|")
_NOT_CLOSED = Reason("the quote", "that opens in this row is never closed")
_NOT_UTF8 = Reason("the row", "is not valid UTF-8 (name the file's encoding with --encoding)")


@dataclass(frozen=True, slots=True)
class Delimited:
    """Rows of cells under the `columns` of a header."""

    delimiter: str
    columns: tuple[str, ...]
    row_bytes: int
    name: str = "csv"
    by_line: bool = True

    def cut(self, data: bytes, limits: Limits, *, final: bool) -> Cut | None:
        """See `Format.cut`: a newline between quotes ends no row."""
        plain = cut_lines(data, limits, final=final)
        if plain is not None and (plain.fault or b'"' not in data[: plain.size]):
            return plain
        if plain is None and not final and len(data) <= limits.block_bytes:
            # Too few lines are certainly too few rows: a row is never less than a line.
            return None
        return self._cut_quoted(data, limits, final=final)

    def _cut_quoted(self, data: bytes, limits: Limits, *, final: bool) -> Cut | None:
        size = rows = 0
        while rows < limits.rows and size < len(data):
            end = row_end(data, size, self.delimiter, limits.row_bytes, final=final)
            if end is None or end > limits.block_bytes:
                break
            size, rows = end, rows + 1
        if size:
            return (
                Cut(size) if final or rows == limits.rows or len(data) > limits.row_bytes else None
            )
        return self._cut_unclosed(data, limits, final=final)

    def _cut_unclosed(self, data: bytes, limits: Limits, *, final: bool) -> Cut | None:
        """Give up the first line alone where its quote would swallow all that follows."""
        if not final and len(data) <= limits.row_bytes:
            return None
        end = data.find(b"\n") + 1
        if not end and not final:
            return too_long(data, limits)
        return Cut(end or len(data), fault=_NOT_CLOSED if final else row_too_long(limits.row_bytes))

    def incomplete(self, data: bytes) -> int:
        """See `Format.incomplete`: a row without its newline, or inside its quotes."""
        size = 0
        while size < len(data):
            end = row_end(data, size, self.delimiter, self.row_bytes, final=False)
            if end is None:
                break
            size = end
        return len(data) - size

    def ends_well(self, data: bytes) -> bool:  # noqa: ARG002 -- nothing marks the end
        """See `Format.ends_well`: behind any row."""
        return True

    def slices(self, block: Block) -> Iterator[Slice]:
        """See `Format.slices`: each row becomes `{column: cell}`."""
        csv.field_size_limit(max(self.row_bytes, 2**17))
        try:
            text, clean = block.data.decode(), True
        except UnicodeDecodeError:
            text, clean = block.data.decode(errors="surrogateescape"), False
        rows: list[dict[str, str]] = []
        lines: list[int] = []
        rejections: list[Rejection] = []
        for line, cells, problem in self._rows(text, block.first_line):
            if cells is None or problem is not None:
                rejections.append(Rejection(line, (problem or _NOT_CLOSED,), self._shown(cells)))
            elif not (clean or _is_utf8(cells)):
                rejections.append(Rejection(line, (_NOT_UTF8,), self._shown(cells)))
            else:
                rows.append(dict(zip(self.columns, cells, strict=True)))
                lines.append(line)
            if len(rows) + len(rejections) == SLICE_ROWS:
                yield Slice(rows, lines, rejections)
                rows, lines, rejections = [], [], []
        yield Slice(rows, lines, rejections)

    def _rows(self, text: str, line: int) -> Iterator[tuple[int, list[str] | None, Reason | None]]:
        """Yield each row's line with its cells, its problem, or both."""
        # newline="\n": only that ends a line, as when the block was cut; csv sees any "\r" itself.
        reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=self.delimiter)
        before = 0
        width = len(self.columns)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line + before, None, Reason("not CSV", "", shown=f"({error})")
            else:
                if len(cells) == width:
                    yield line + before, cells, None
                elif cells:
                    yield line + before, cells, _uneven(len(cells), width)
            before = reader.line_num

    def _shown(self, cells: list[str] | None) -> object:
        if cells is None:
            return None
        if len(cells) == len(self.columns):
            return dict(zip(self.columns, map(_replaced, cells), strict=True))
        return [_replaced(cell) for cell in cells]


def row_end(data: bytes, start: int, delimiter: str, row_bytes: int, *, final: bool) -> int | None:
    """Return where the row that starts at `start` ends, its newline included.

    Returns:
        None where its end is not at hand; with `final`, also where its quote is never closed.
    """
    newline = data.find(b"\n", start)
    if newline < 0 and not final:
        return None
    end = newline + 1 or len(data)
    if data.find(b'"', start, end) < 0:
        return end
    reached = start
    complete = True

    def lines() -> Iterator[str]:
        nonlocal reached, complete
        while reached < len(data) and reached - start <= row_bytes:
            newline = data.find(b"\n", reached)
            if newline < 0 and not final:
                break
            begin, reached = reached, newline + 1 or len(data)
            # Latin-1 keeps bytes and characters one to one, and all that csv looks at is ASCII.
            yield data[begin:reached].decode("latin-1")
        complete = False

    csv.field_size_limit(max(row_bytes, 2**17))
    try:
        next(csv.reader(lines(), delimiter=delimiter, strict=False), None)
    except csv.Error:
        # The same error comes again when the block is parsed, and becomes a rejection there.
        return reached
    return reached if complete else None


def read_header(data: bytes, delimiter: str | None, row_bytes: int) -> tuple[str, list[str], int]:
    """Return the delimiter, the cells of the header, and the bytes that the header takes.

    `data` is the beginning of the source; blank lines before the header count as part of it. Where
    `delimiter` is None, it is the one of `DELIMITERS` that splits the header and the rows at hand
    most often and most evenly.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))
    chosen = delimiter or _likely_delimiter(data[start:])
    end = row_end(data, start, chosen, row_bytes, final=True) or len(data)
    text = data[start:end].decode("utf-8", errors="replace")
    cells = next(csv.reader(io.StringIO(text, newline="\n"), delimiter=chosen), [])
    return chosen, [cell.strip() for cell in cells], end


def _likely_delimiter(data: bytes) -> str:
    sample = data[:65_536].decode("utf-8", errors="replace")

    def evenness(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(sample, newline="\n"), delimiter=delimiter)
        widths = []
        try:
            for row, _ in zip(reader, range(20), strict=False):
                widths.append(len(row))
        except csv.Error:
            return 0.0, 0
        columns = widths[0] if widths else 0
        if columns < 2:  # noqa: PLR2004 -- one cell means that it does not occur
            return 0.0, 0
        return sum(width == columns for width in widths) / len(widths), columns

    return max(DELIMITERS, key=evenness)


def _uneven(found: int, expected: int) -> Reason:
    return Reason(
        "the row", f"does not have the header's {expected} cells", shown=f"of {found} cells"
    )


def _is_utf8(cells: list[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True


def _replaced(cell: str) -> str:
    return cell.encode(errors="surrogateescape").decode(errors="replace")


__all__ = ["DELIMITERS", "Delimited", "read_header", "row_end"]
