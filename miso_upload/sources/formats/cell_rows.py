"""Reads delimited rows one by one, where a block cannot be parsed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.records import Reason, Rejection, Slice
from miso_upload.sources.formats.dialect import QUOTE
from miso_upload.sources.formats.quote_checks import (
    escaped_quote,
    holds_rows,
    is_escaped,
    line_of_cell,
    literal_quotes,
    misplaced_quote,
)
from miso_upload.values.display import counted, decoded_row

if TYPE_CHECKING:
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.dialect import Cell
    from miso_upload.sources.formats.row_ends import RowEnds

_NOT_UTF8 = Reason("the row", "is not valid UTF-8 (name the file's encoding with --encoding)")
_COMMENT = "comment lines (--comment)"
_LONE_RETURN = Reason("the row", "contains a carriage return before its end, outside quotes")


class _Row(NamedTuple):
    """A row: its bytes without the line end, its cells, and the values of the cells."""

    body: bytes
    cells: list[Cell]
    texts: list[str]


class CellRows:
    """Reads rows one by one, and rejects unreadable ones with a reason.

    Args:
        ends: Finds the ends of rows.
        columns: The names of the columns.
        shape: Where the columns come from, for messages, such as `the header ({})`.
        is_record: Returns whether a row would make a record, by its type, timestamp and id.
            Without it, every row with the right number of cells does.
    """

    def __init__(
        self, ends: RowEnds, columns: tuple[str, ...], shape: str, is_record: IsRecord | None
    ) -> None:
        self._ends = ends
        self._dialect = ends.dialect
        self._columns = columns
        self._shape = shape
        self._is_record = is_record
        self._comment = ends.dialect.comment.encode()

    def slice(self, data: bytes, start: int, line: int, most: int) -> tuple[Slice, int]:
        """Return the rows from offset `start` on, which is in `line`, and the offset after them."""
        lines: list[int] = []
        found = Slice([], lines)
        simple: list[str] = []
        indices: list[int] = []
        end = start
        while end < len(data) and len(lines) + len(found.rejections) < most:
            start, end, text = self._next(data, end)
            if self._comment and data.startswith(self._comment, start):
                found.skipped.append(_COMMENT)
            elif text is not None:
                indices.append(len(lines))
                simple.append(text)
                found.rows.append(None)
                lines.append(line)
            else:
                row = self._row(data[start:end])
                if not self._is_blank(row) and self._take(row, line, found):
                    found.rows.append(self._named(row.texts))
                    lines.append(line)
            line += data.count(b"\n", start, end)
        for index, cells in zip(indices, self._read(simple), strict=True):
            found.rows[index] = dict(zip(self._columns, cells, strict=True))
        return found, end

    def _read(self, texts: list[str]) -> list[list[str]]:
        """Return the cells of well-formed rows."""
        found = self._dialect.read(texts) if texts else []
        if found is not None and len(found) == len(texts):
            return [row[: len(self._columns)] for row in found]
        return [self._row(text.encode()).texts for text in texts]

    def _next(self, data: bytes, start: int) -> tuple[int, int, str | None]:
        """Return the start and the end of the next row, and its text if it is simple."""
        end = self._ends.well_formed(data, start)
        if end is None:
            return start, data.find(b"\n", start) + 1 or len(data), None
        unit = data[start:end]
        if not self._is_simple(unit):
            return start, end, None
        try:
            return start, end, unit.decode()
        except UnicodeDecodeError:
            return start, end, None

    def _is_simple(self, unit: bytes) -> bool:
        """Return whether any CSV reader reads a well-formed row the same, and as one row."""
        dialect, mark = self._dialect, self._dialect.delimiter.encode()
        width = len(self._columns)
        if dialect.escape or not dialect.quote or width == 1 or len(dialect.delimiter) > 1:
            return False
        if b"\r" in unit and b"\r" in unit.rstrip(b"\r\n"):
            return False
        if dialect.decided or unit.find(b"\n", 0, -1) < 0:
            return True
        return all(line.count(mark) < width - 1 for line in unit.split(b"\n")[1:])

    def _take(self, row: _Row, line: int, found: Slice) -> bool:
        """Return whether a row is valid; add its rejection or warning to `found`."""
        if self._hides_rows(row):
            found.rejections += self._rejected_lines(row.body, line, found)
            return False
        reason = self._damage(row)
        if reason is None:
            self._warn(row, line, found)
            reason = self._wrong_width(row)
        if reason is not None:
            found.rejections.append(Rejection(line, (reason,), self._shown(row)))
        return reason is None

    def _row(self, unit: bytes) -> _Row:
        body = unit.removesuffix(b"\n").rstrip(b"\r")
        cells = list(self._dialect.cells(body))
        if len(cells) == len(self._columns) + 1 and not cells[-1].raw:
            cells.pop()  # A delimiter after the last cell ends it.
        return _Row(body, cells, list(map(self._dialect.text, cells)))

    def _is_blank(self, row: _Row) -> bool:
        """Return whether a line is blank; in a file with one column, spaces are a value."""
        is_cell = len(self._columns) == 1
        return not row.body or (not is_cell and len(row.texts) == 1 and not row.body.strip())

    def _named(self, texts: list[str]) -> dict[str, str]:
        return dict(zip(self._columns, texts, strict=True))

    # -- what is wrong -----------------------------------------------------------------------------

    def _damage(self, row: _Row) -> Reason | None:
        """Return why the cells of a row cannot be read, if so."""
        if not _is_utf8(row.texts):
            return _NOT_UTF8
        if any(map(self._has_lone_return, row.cells)):
            return _LONE_RETURN
        if any(cell.malformed and is_escaped(self._dialect, cell.raw) for cell in row.cells):
            return escaped_quote()
        return None

    def _has_lone_return(self, cell: Cell) -> bool:
        """Return whether a cell has a carriage return that is neither quoted nor escaped."""
        quote, escape = self._dialect.quote.encode(), self._dialect.escape.encode()
        if b"\r" not in cell.raw or (quote and not cell.malformed and cell.raw.startswith(quote)):
            return False
        return not escape or b"\r" in cell.raw.replace(escape + b"\r\n", b"")

    def _wrong_width(self, row: _Row) -> Reason | None:
        if len(row.texts) == len(self._columns):
            return None
        if is_escaped(self._dialect, row.body):
            return escaped_quote()
        expected = self._shape.format(counted(len(self._columns), "cell"))
        shown = f"({counted(len(row.texts), 'cell')})"
        return Reason("the row", f"does not match {expected}", shown=shown)

    def _shown(self, row: _Row) -> object:
        texts = [text.encode(errors="surrogateescape").decode(errors="replace")
                 for text in row.texts]  # fmt: skip
        if len(texts) == len(self._columns):
            return dict(zip(self._columns, texts, strict=True))
        return texts

    def _warn(self, row: _Row, line: int, found: Slice) -> None:
        """Add a warning if the quotes in a row may be read wrongly."""
        is_literal = not (self._dialect.decided or self._dialect.quote)
        if any(cell.malformed for cell in row.cells):
            found.warnings.append((misplaced_quote(), line))
        elif is_literal and any(text.startswith(QUOTE) for text in row.texts):
            found.warnings.append((literal_quotes(), line))

    # -- rows in a cell ----------------------------------------------------------------------------

    def _hides_rows(self, row: _Row) -> bool:
        """Return whether a row of several lines contains lines that would be records.

        The cell closes in the last line. That line counts only if the cell contains a delimiter in
        it, or if the first line is a record too; otherwise it is just the rest of the row.
        """
        if self._dialect.decided or b"\n" not in row.body:
            return False
        first, at = b"", 0
        for text in row.body.split(b"\n"):
            end = at + len(text)
            if not at:
                first = text
            elif self._would_be_record(text) and (
                self._has_delimiter_within(row.cells, at, end) or self._would_be_record(first)
            ):
                return True
            at = end + 1
        return False

    def _would_be_record(self, line: bytes) -> bool:
        width = len(self._columns)
        if self._dialect.count(line) < width - 1:
            return False
        row = self._row(line)
        if len(row.texts) != width or not row.body or self._damage(row) is not None:
            return False
        return self._is_record is None or self._is_record(self._named(row.texts))

    def _has_delimiter_within(self, cells: list[Cell], start: int, end: int) -> bool:
        """Return whether a cell of several lines contains a delimiter in a part of the row."""
        return any(
            self._dialect.count(cell.raw[max(start - cell.start, 0) : end - cell.start])
            for cell in cells
            if cell.start < end and cell.end > start and b"\n" in cell.raw
        )

    def _rejected_lines(self, body: bytes, line: int, found: Slice) -> list[Rejection]:
        texts = body.split(b"\n")
        last = line + len(texts) - 1
        found.warnings.append((holds_rows(line, last), line))
        reason = line_of_cell(line, last)
        return [
            Rejection(line + i, (reason,), decoded_row(text))
            for i, text in enumerate(texts)
            if text.strip()
        ]


def _is_utf8(texts: list[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["CellRows"]
