"""Reads the first row of a delimited file, usually a header, and detects the delimiter."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.row_ends import RowEnds
from miso_upload.sources.options import WHITESPACE

if TYPE_CHECKING:
    from miso_upload.sources.formats.base import Tail
    from miso_upload.sources.formats.dialect import Cell, Dialect

_LINES_OF_TABLE = 20
_WORDS_OF_NAME = 5
_IN_SINGLE_QUOTES = re.compile(rb" *'[^']+' *")
DELIMITERS = (",", ";", "\t", "|")
LONG_DELIMITERS = ("::", "||", "|~|", "\x01")
UNLIKELY_DELIMITERS = ("~", "^", "\u00a6", WHITESPACE)
"""Delimiters that are suggested, but not detected, because texts contain them too."""


def read_first_row(
    name: str, data: bytes, dialect: Dialect, row_bytes: int, tail: Tail
) -> tuple[list[str], int] | None:
    """Return the cells of the first row and its size, including blank lines before it.

    Args:
        name: What messages call the row, such as `h.csv: the header`.
        data: The beginning of the source.
        dialect: The dialect of the rows.
        row_bytes: The longest row that is read.
        tail: What follows `data`.

    Returns:
        None if the end of the row is not in `data`.

    Raises:
        ConfigurationError: The row is not CSV.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = RowEnds(dialect, None, row_bytes).find(data, start, tail)
    if end is None or end - start > row_bytes + 1:
        return None
    row = data[start:end].removesuffix(b"\n").rstrip(b"\r")
    cells = list(dialect.cells(row))
    try:
        texts = [dialect.text(cell).encode().decode().strip() for cell in cells]
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{name} is not valid UTF-8; name the file's encoding with --encoding"
        ) from None
    if any(b"\r" in cell.raw and not _is_quoted(cell, dialect) for cell in cells):
        raise ConfigurationError(
            f"{name} contains a carriage return before its end; if lines end with carriage "
            "returns only, convert them to newlines"
        )
    return texts, end


def check_quotes(name: str, row: bytes, dialect: Dialect) -> None:
    """Check that the quotes of a header are closed, and enclose no lines that may be rows.

    Raises:
        ConfigurationError: They are not closed, or enclose such lines.
    """
    row = row.strip(b"\r\n")
    cells = list(dialect.cells(row))
    if any(cell.malformed for cell in cells):
        raise ConfigurationError(
            f"{name} contains a quote that is not closed before a delimiter or a line end. "
            "Possible fix: --quote none, which reads quotes literally"
        )
    if not dialect.decided and all(map(_IN_SINGLE_QUOTES.fullmatch, (cell.raw for cell in cells))):
        raise ConfigurationError(
            f'{name} has all its names in single quotes. Possible fix: --quote "\'" removes the '
            "quotes; --quote none keeps them"
        )
    lines = row.split(b"\n")
    many = any(dialect.count(line) >= max(len(cells) - 1, 1) for line in lines[1:])
    has_lines = any(b"\n" in cell.raw and dialect.count(cell.raw) for cell in cells)
    if many and not dialect.decided and has_lines:
        raise ConfigurationError(
            f"{name} contains a quoted name of {len(lines)} lines, which may be rows. Possible "
            "fix: --quote none reads each line as a row, and quotes literally; --quote '\"' reads "
            "all these lines as the header"
        )


def likely_delimiter(data: bytes, columns: int | None = None, quote: str = '"') -> str:
    """Return the delimiter that splits the first rows most evenly, and into the most cells.

    If the number of `columns` is known, it is the one that splits the most rows into that number.
    """
    sample = data.lstrip(b"\r\n").decode(errors="replace")

    def evenness(delimiter: str) -> tuple[float, int]:
        if len(delimiter) > 1:
            lines = list(filter(None, sample.splitlines()[:20]))
            return _evenness([line.count(delimiter) + 1 for line in lines], columns)
        reader = csv.reader(
            io.StringIO(sample, newline="\n"),
            delimiter=delimiter,
            quotechar=quote or None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        )
        widths = []
        try:
            for row, _ in zip(reader, range(20), strict=False):
                widths.append(len(row))
        except csv.Error:
            pass  # The rows before the error are used.
        return _evenness(widths, columns)

    best = max((each for each in DELIMITERS if each != quote), key=evenness)
    first = next(filter(None, sample.splitlines()), "")
    for long in LONG_DELIMITERS:
        # `||` splits into more cells at `|`, but the names between two of them are empty.
        doubled = best in long and best not in first.replace(long, "")
        if long in first and evenness(long)[0] and (doubled or evenness(long) > evenness(best)):
            return long
    return best


def unlikely_delimiter(sample: bytes) -> str | None:
    """Return a delimiter that is never detected, if it splits all first lines into as many cells.

    Args:
        sample: The beginning of a file, from its header on.
    """
    # An incomplete last line proves nothing.
    whole = sample.split(b"\n")[:-1] or [sample]
    lines = [line.decode(errors="replace").strip() for line in whole if line.strip()]
    for delimiter in UNLIKELY_DELIMITERS:
        parts = None if delimiter == WHITESPACE else delimiter
        widths = {len(line.split(parts)) for line in lines[:_LINES_OF_TABLE]}
        if len(lines) > 1 and len(widths) == 1 and widths != {1}:
            return delimiter
    return None


def seems_delimited(body: bytes) -> bool:
    """Return whether the beginning of a text looks like a table and not like prose.

    The first line has delimiters, its cells are not sentences, and half of the next lines have as
    many cells or are blank.
    """
    lines = [line for line in body.decode(errors="replace").splitlines() if line.strip()]
    for delimiter in (*DELIMITERS, *LONG_DELIMITERS):
        width = lines[0].count(delimiter)
        some = lines[1:_LINES_OF_TABLE]
        like = sum(line.count(delimiter) >= width for line in some)
        names = [name for name in lines[0].split(delimiter) if '"' not in name]
        is_prose = any(len(name.split()) > _WORDS_OF_NAME for name in names)
        if width and not is_prose and 2 * like >= len(some):
            return True
    return False


def _evenness(widths: list[int], columns: int | None) -> tuple[float, int]:
    """Return the share of rows that have the most usual width, and this width."""
    most = columns or (widths[0] if widths else 0)
    if most < 2 or not widths:  # noqa: PLR2004 -- one cell means no delimiter
        return 0.0, 0
    return sum(width == most for width in widths) / len(widths), most


def _is_quoted(cell: Cell, dialect: Dialect) -> bool:
    quote = dialect.quote.encode()
    return bool(quote) and not cell.malformed and cell.raw.startswith(quote)


__all__ = ["DELIMITERS", "check_quotes", "likely_delimiter", "read_first_row"]
