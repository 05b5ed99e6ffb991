"""Detects whether a TSV file quotes its cells, which most do not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miso_upload.sources.formats.base import Tail
from miso_upload.sources.formats.row_ends import RowEnds

if TYPE_CHECKING:
    from miso_upload.sources.formats.dialect import Cell, Dialect

_NUMBER = re.compile(rb"[-+0-9.eE]*+")
_MOST_ROWS = 500


def quotes_cells(sample: bytes, dialect: Dialect) -> bool:
    """Return whether the file that begins with `sample` quotes its cells.

    It does if its header is quoted, or if a quoted cell needs its quotes because it contains a
    delimiter, a line break or a doubled quote. If no quote breaks the rules, it also does if every
    cell except numbers is quoted, or every cell with a comma, as spreadsheets write them.
    """
    rows = _rows(sample.lstrip(b"\r\n"), dialect)
    if not rows:
        return False
    header, body = rows[0], [cell for row in rows[1:] for cell in row]
    quote = dialect.quote.encode()
    if any(_is_quoted(cell, quote) for cell in header):
        return True
    if any(_needs_quotes(cell, dialect) for cell in body if _is_quoted(cell, quote)):
        return True
    return not any(cell.malformed for cell in body) and _quotes_a_kind(body, quote)


def _rows(sample: bytes, dialect: Dialect) -> list[list[Cell]]:
    """Return the cells of rows, without the rows that may enclose other rows."""
    width = len(list(dialect.cells(sample.partition(b"\n")[0].rstrip(b"\r"))))
    mark = dialect.delimiter.encode()
    ends = RowEnds(dialect, width, len(sample))
    rows: list[list[Cell]] = []
    start = 0
    for end in ends.after(sample, 0, Tail.LAST):
        row, start = sample[start:end].rstrip(b"\r\n"), end
        if all(line.count(mark) < width - 1 for line in row.split(b"\n")[1:]):
            cells = list(dialect.cells(row))
            rows.append(cells if len(cells) == width else [])
        if len(rows) == _MOST_ROWS:
            break
    return rows


def _is_quoted(cell: Cell, quote: bytes) -> bool:
    return not cell.malformed and cell.raw.startswith(quote)


def _needs_quotes(cell: Cell, dialect: Dialect) -> bool:
    quote = dialect.quote.encode()
    inner = cell.raw[len(quote) : -len(quote)]
    return any(mark in inner for mark in (dialect.delimiter.encode(), b"\n", quote))


def _quotes_a_kind(cells: list[Cell], quote: bytes) -> bool:
    """Return whether all texts are quoted, or all texts with commas, as some writers do."""
    texts = [cell for cell in cells if not _NUMBER.fullmatch(cell.raw)]
    with_commas = [cell for cell in texts if b"," in cell.raw]
    return any(
        bool(kind) and all(_is_quoted(cell, quote) for cell in kind)
        for kind in (texts, with_commas)
    )


__all__ = ["quotes_cells"]
