"""Detects the dialect, the columns and the first row of a delimited file."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.base import LOOKED_AT, Tail
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.dialect import QUOTE, Dialect
from miso_upload.sources.formats.first_row import (
    check_quotes,
    likely_delimiter,
    read_first_row,
    unlikely_delimiter,
)
from miso_upload.sources.formats.preamble import after_preamble, check_titles
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
    """Return the format of a delimited source and the offset of its first row.

    Args:
        name: The source's name, for messages.
        peek: Returns this many bytes of the beginning, or all bytes if there are fewer.
        start: The offset of the text.
        chosen: `csv` or `tsv`.
        wanted: The user's options.

    Raises:
        ConfigurationError: The header or the dialect cannot be used.
    """
    preamble = after_preamble(peek, start, wanted)
    start = preamble.end
    wanted = wanted if wanted.delimiter else replace(wanted, delimiter=preamble.delimiter)
    dialect = _dialect(peek(start + LOOKED_AT), start, chosen, wanted)
    columns, row_bytes = wanted.names, wanted.max_row_bytes
    if columns is None and wanted.delimiter is None:
        check_titles(name, peek(start + LOOKED_AT), start)
    first = partial(_first_row, name, peek, start, dialect, row_bytes)
    if columns is None:
        found, body = _under_header(name, start, dialect, row_bytes, first)
        is_one = len(found.columns) == 1 and wanted.delimiter is None
        return (_with_hint(found, peek(start + LOOKED_AT)[start:]) if is_one else found), body
    if columns:
        return _under_names(columns, start, dialect, row_bytes, first)
    cells, _ = first("first row")
    numbers = tuple(str(number) for number in range(1, len(cells) + 1))
    return Delimited(dialect, numbers, row_bytes, shape="the first row ({})"), start


def _dialect(head: bytes, start: int, chosen: str, wanted: ReadingOptions) -> Dialect:
    """Return the dialect by the user's options, or as detected in the beginning."""
    quote = "" if wanted.quote == NO_QUOTE else wanted.quote or QUOTE
    delimiter = wanted.delimiter or ("\t" if chosen == "tsv" else None)
    body = head[start:]
    dialect = Dialect(
        delimiter or likely_delimiter(body, len(wanted.names or ()), quote),
        quote,
        # A quote that escapes itself is a doubled quote, which is always read.
        wanted.escape if wanted.escape and wanted.escape != quote else "",
        decided=wanted.quote is not None,
        comment=wanted.comment or "",
    )
    _check_dialect(dialect)
    if dialect.decided or dialect.delimiter != "\t":
        return dialect
    # An incomplete last row proves nothing.
    sample = body[: body.rfind(b"\n") + 1] if len(head) == LOOKED_AT else body
    return dialect if quotes_cells(sample, dialect) else replace(dialect, quote="")


def _check_dialect(dialect: Dialect) -> None:
    if {"\r", "\n", dialect.quote} & set(dialect.delimiter):
        raise ConfigurationError(
            f"--delimiter {quoted(dialect.delimiter)}: a delimiter cannot contain a line break or "
            "the quote character; choose another one"
        )
    if dialect.quote in ("\r", "\n"):
        raise ConfigurationError(
            f"--quote {quoted(dialect.quote)}: a quote cannot be a line break; choose another "
            "character"
        )
    if dialect.escape in ("\r", "\n", dialect.delimiter):
        raise ConfigurationError(
            f"--escape {quoted(dialect.escape)}: an escape cannot be a line break or the "
            "delimiter; choose another character"
        )


def _under_header(
    name: str, start: int, dialect: Dialect, row_bytes: int, first: _FirstRow
) -> tuple[Delimited, int]:
    columns, size = first("header")
    repeated = _repeated(columns)
    if repeated:
        names = set(repeated)
        columns = ["" if column in names else column for column in columns]
        if not any(columns):
            raise ConfigurationError(
                f"{name}: the header contains the column {quoted(repeated[0])} more than once; "
                "rename one of them"
            )
    found = Delimited(dialect, tuple(columns), row_bytes, has_header=True, repeated=repeated)
    return found, start + size


def _with_hint(found: Delimited, sample: bytes) -> Delimited:
    """Return a format of one column with a hint, if another delimiter splits its lines evenly."""
    delimiter = unlikely_delimiter(sample)
    if delimiter is None:
        return found
    hint = (
        "the header has one column, but every line has as many words or parts. Possible fix: "
        f"--delimiter {shlex.quote(delimiter)}"
    )
    return replace(found, hint=hint)


def _under_names(
    columns: tuple[str, ...], start: int, dialect: Dialect, row_bytes: int, first: _FirstRow
) -> tuple[Format, int]:
    """Return a format with given names; a first row equal to the names is skipped as a header."""
    found = Delimited(dialect, columns, row_bytes, shape="--columns ({})")
    try:
        cells, size = first("first row")
    except ConfigurationError:
        return found, start  # The bad row is rejected later, like any other.
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
        f"{name}: the {what} is longer than {row_bytes:,} bytes, or contains a quote that is never "
        "closed. Possible fix: a larger --max-row-bytes, or --quote none"
    )


def _repeated(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the names that occur more than once."""
    counts = Counter(column for column in columns if column)
    return tuple(column for column, count in counts.items() if count > 1)
