"""Choosing a row format: by what the user says, then by name, then by content."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.access_log import recognise
from miso_upload.sources.formats.base import Tail
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.dialect import QUOTE, Dialect
from miso_upload.sources.formats.first_row import check_quotes, likely_delimiter, read_first_row
from miso_upload.sources.formats.json_array import JsonArray
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.sources.formats.quoting_style import quotes_cells
from miso_upload.sources.formats.unsupported import binary_kind, log_kind, wrapper
from miso_upload.sources.options import FORMAT_NAMES, NO_QUOTE
from miso_upload.values.display import quoted
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miso_upload.sources.formats.base import Format
    from miso_upload.sources.options import ReadingOptions

    _FirstRow = Callable[[str], tuple[list[str], int]]

BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 65_536
"""How much of the beginning the format is told from, unless a header or a first line is longer."""

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
}


def detect_format(
    name: str, peek: Callable[[int], bytes], wanted: ReadingOptions
) -> tuple[Format, int]:
    """Return the format of a source and the offset at which its first row starts.

    Args:
        name: The source's name, of which the endings are looked at.
        peek: Returns so many bytes of its beginning, fewer only where there are no more.
        wanted: What the user says of it.

    Raises:
        ConfigurationError: The format cannot be told, the input is of another kind than any that is
            read, or the header cannot be used.
    """
    head = peek(_LOOKED_AT)
    start = len(BOM) if head.startswith(BOM) else 0
    body = head[start:].lstrip()
    named = _named(name, wanted)
    _refuse_binary(name, head, sure=named is not None)
    if named == "log" or (named is None and not _looks_like_json(body)):
        log = _access_log(name, head, start, wanted, asked=named is not None)
        if log is not None:
            return log
    chosen = named or _by_content(body)
    if chosen is None:
        raise ConfigurationError(
            f"{name}: cannot tell the format; say --format {'|'.join(FORMAT_NAMES)}"
        )
    if chosen in ("json", "jsonl"):
        return _json(name, peek, start, chosen, wanted)
    if not body:
        return JsonLines(wanted.max_row_bytes), start
    return _cells(name, peek, start, chosen, wanted)


def _named(name: str, wanted: ReadingOptions) -> str | None:
    """Return the format that the user says, in one way or another, or that the name tells."""
    if wanted.log_format is not None:
        if wanted.format not in (None, "log"):
            raise ConfigurationError(
                f"--log-format goes with --format log, and not with {wanted.format}"
            )
        return "log"
    return wanted.format or _by_name(name) or ("csv" if wanted.names is not None else None)


def _json(
    name: str, peek: Callable[[int], bytes], start: int, chosen: str, wanted: ReadingOptions
) -> tuple[Format, int]:
    head = peek(_LOOKED_AT)
    body = head[start:].lstrip()
    if wanted.names is not None and body:
        raise ConfigurationError(
            f"{name}: is {chosen.upper()}, whose rows name their columns; --columns and "
            "--no-header are for CSV and TSV (--format csv, if it is)"
        )
    if wanted.format != "jsonl" and body.startswith(b"{"):
        _refuse_wrapper(name, body, whole=len(head) < _LOOKED_AT)
    if chosen == "json" and body.startswith(b"["):
        array = _array(peek, head.index(b"[", start), wanted.max_row_bytes)
        if array is not None:
            return array
    return JsonLines(wanted.max_row_bytes), start


def _cells(
    name: str, peek: Callable[[int], bytes], start: int, chosen: str, wanted: ReadingOptions
) -> tuple[Format, int]:
    dialect = _dialect(peek(_LOOKED_AT), start, chosen, wanted)
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
    sample = body[: body.rfind(b"\n") + 1] if len(head) == _LOOKED_AT else body
    return dialect if quotes_cells(sample, dialect) else replace(dialect, quote="")


def _check_dialect(dialect: Dialect) -> None:
    if dialect.delimiter in ("\r", "\n", dialect.quote):
        raise ConfigurationError(f"--delimiter {quoted(dialect.delimiter)}: cannot separate cells")
    if dialect.quote in ("\r", "\n"):
        raise ConfigurationError(f"--quote {quoted(dialect.quote)}: cannot quote cells")
    if dialect.escape in ("\r", "\n", dialect.delimiter):
        raise ConfigurationError(f"--escape {quoted(dialect.escape)}: cannot escape quotes")


def _by_name(name: str) -> str | None:
    for suffix in reversed(PurePath(name.lower()).suffixes):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
    return None


def _looks_like_json(body: bytes) -> bool:
    # A line that begins with a date in brackets is one of a log.
    return body.startswith(b"{") or (body.startswith(b"[") and log_kind(body) is None)


def _by_content(body: bytes) -> str | None:
    # What is empty has no rows, whatever its format.
    if not body or body.startswith((b"{", b"[")):
        return "json"
    first = body.split(b"\n", 1)[0]
    return "csv" if any(mark in first for mark in (b",", b";", b"\t", b"|")) else None


def _array(peek: Callable[[int], bytes], start: int, row_bytes: int) -> tuple[Format, int] | None:
    """Tell a top-level array from lines of JSON, whose first line may be an array too."""
    data = peek(_LOOKED_AT)
    if b"\n" not in data[start:]:
        data = peek(start + row_bytes)
    first, _, rest = data[start:].partition(b"\n")
    if rest.strip():
        try:
            decode(first)
        except JSONDecodeError:
            pass
        else:
            return None
    return JsonArray(row_bytes), start + 1


def _under_header(
    name: str, start: int, dialect: Dialect, row_bytes: int, first: _FirstRow
) -> tuple[Format, int]:
    columns, size = first("header")
    twice = _twice(columns)
    if twice:
        raise ConfigurationError(
            f"{name}: the header names the column {quoted(twice)} more than once; rename one of "
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
    for size in (_LOOKED_AT, start + row_bytes + 1):
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


def _twice(columns: Iterable[str]) -> str | None:
    counts = Counter(column for column in columns if column)
    return next((column for column, count in counts.items() if count > 1), None)


def _access_log(
    name: str, head: bytes, start: int, wanted: ReadingOptions, *, asked: bool
) -> tuple[Format, int] | None:
    """Return the format of an access log; None where it is none, and nobody said that it is."""
    data = head[start:]
    log_format = wanted.log_format
    found = recognise(data, log_format, wanted.max_row_bytes, whole=len(head) < _LOOKED_AT)
    if found.rows_seen:
        return found.rows, start + found.size
    kind = log_kind(data)
    if kind is not None:
        raise ConfigurationError(f"{name}: looks like {kind}; name the access log")
    if asked and found.is_log:
        return found.rows, start + found.size
    if not asked:
        return None
    if log_format is not None:
        raise ConfigurationError(
            f"{name}: no line at its beginning is as --log-format says; {found.reason.text} "
            f"(line {found.line})"
        )
    raise ConfigurationError(
        f"{name}: no line at its beginning is of an access log that is known; if it is one all the "
        "same, describe its lines with --log-format"
    )


def _refuse_binary(name: str, head: bytes, *, sure: bool) -> None:
    """Refuse what is no text.

    Where somebody says what it is, the beginning alone decides: a row may hold a NUL.
    """
    kind = binary_kind(head, sure=sure)
    if kind is not None:
        raise ConfigurationError(
            f"{name}: is {kind}, which is not read; give its rows as text (jsonl, json, csv, tsv)"
        )


def _refuse_wrapper(name: str, body: bytes, *, whole: bool) -> None:
    """Refuse a single object that holds the records in an array."""
    key = wrapper(body, whole=whole)
    if key is not None:
        raise ConfigurationError(
            f'{name}: is one JSON object that holds the records in its array "{key}"; give the '
            f"array itself, as 'jq .{key} FILE' prints it. If each line is a record all the same, "
            "say --format jsonl"
        )
