"""How the rows of a delimited file are written: its dialect, its columns, and where rows start."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.base import LOOKED_AT, Tail
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.dialect import QUOTE, Dialect
from miso_upload.sources.formats.first_row import check_quotes, likely_delimiter, read_first_row
from miso_upload.sources.formats.quoting_style import quotes_cells
from miso_upload.sources.options import NO_QUOTE
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miso_upload.sources.formats.base import Format
    from miso_upload.sources.options import ReadingOptions

    _FirstRow = Callable[[str], tuple[list[str], int]]


def detect_cells(
    name: str, peek: Callable[[int], bytes], start: int, chosen: str, wanted: ReadingOptions
) -> tuple[Format, int]:
    """Return the format of a source of cells and the offset at which its first row starts.

    Args:
        name: The source's name, for messages.
        peek: Returns so many bytes of its beginning, fewer only where there are no more.
        start: Where its text begins.
        chosen: `csv` or `tsv`.
        wanted: What the user says of it.

    Raises:
        ConfigurationError: The header or the way that cells are written cannot be used.
    """
    dialect = _dialect(peek(LOOKED_AT), start, chosen, wanted)
    columns, row_bytes = wanted.names, wanted.max_row_bytes
    first = partial(_first_row, name, peek, start, dialect, row_bytes)
    if columns is None:
        return _under_header(name, start, dialect, row_bytes, first)
    if columns:
        return _under_names(columns, start, dialect, row_bytes, first)
    cells, _ = first("first row")
    numbers = tuple(str(number) for number in range(1, len(cells) + 1))
    return Delimited(dialect, numbers, row_bytes, shape="the first row's {}"), start


def _dialect(head: bytes, start: int, chosen: str, wanted: ReadingOptions) -> Dialect:
    """Return how rows are written: what the user says of it, and else what the beginning tells."""
    quote = "" if wanted.quote == NO_QUOTE else wanted.quote or QUOTE
    delimiter = wanted.delimiter or ("\t" if chosen == "tsv" else None)
    body = head[start:]
    dialect = Dialect(
        delimiter or likely_delimiter(body, len(wanted.names or ()), quote),
        quote,
        # An escape that is the quote itself is the doubling that is read anyway.
        wanted.escape if wanted.escape and wanted.escape != quote else "",
        decided=wanted.quote is not None,
    )
    _check_dialect(dialect)
    if dialect.decided or dialect.delimiter != "\t":
        return dialect
    # A row that is cut off says nothing.
    sample = body[: body.rfind(b"\n") + 1] if len(head) == LOOKED_AT else body
    return dialect if quotes_cells(sample, dialect) else replace(dialect, quote="")


def _check_dialect(dialect: Dialect) -> None:
    if dialect.delimiter in ("\r", "\n", dialect.quote):
        raise ConfigurationError(f"--delimiter {quoted(dialect.delimiter)}: cannot separate cells")
    if dialect.quote in ("\r", "\n"):
        raise ConfigurationError(f"--quote {quoted(dialect.quote)}: cannot quote cells")
    if dialect.escape in ("\r", "\n", dialect.delimiter):
        raise ConfigurationError(f"--escape {quoted(dialect.escape)}: cannot escape quotes")


def _under_header(
    name: str, start: int, dialect: Dialect, row_bytes: int, first: _FirstRow
) -> tuple[Format, int]:
    columns, size = first("header")
    repeated = _name_met_twice(columns)
    if repeated:
        raise ConfigurationError(
            f"{name}: the header names the column {quoted(repeated)} more than once; rename one of "
            "them"
        )
    return Delimited(dialect, tuple(columns), row_bytes), start + size


def _under_names(
    columns: tuple[str, ...], start: int, dialect: Dialect, row_bytes: int, first: _FirstRow
) -> tuple[Format, int]:
    """A first row that says no more than the names is the header that was thought missing."""
    found = Delimited(dialect, columns, row_bytes, shape="the {} of --columns")
    try:
        cells, size = first("first row")
    except ConfigurationError:
        return found, start  # It is a bad row like any other.
    same = len(cells) == len(columns) and all(
        name in ("", cell) for name, cell in zip(columns, cells, strict=True)
    )
    return found, start + size if same else start


def _first_row(
    name: str, peek: Callable[[int], bytes], start: int, dialect: Dialect, row_bytes: int, what: str
) -> tuple[list[str], int]:
    for size in (LOOKED_AT, start + row_bytes + 1):
        data = peek(size)
        tail = Tail.LAST if len(data) < size else Tail.COMING
        about = f"{name}: the {what}"
        found = read_first_row(about, data[start:], dialect, row_bytes, tail)
        if found is not None:
            if what == "header":
                check_quotes(about, data[start : start + found[1]], dialect)
            return found
    raise ConfigurationError(
        f"{name}: the {what} does not end within {row_bytes:,} bytes (--max-row-bytes), or a "
        "quote in it is never closed"
    )


def _name_met_twice(columns: Iterable[str]) -> str | None:
    """Return a column that is named more than once, if one is."""
    counts = Counter(column for column in columns if column)
    return next((column for column, count in counts.items() if count > 1), None)
