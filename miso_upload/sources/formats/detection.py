"""Chooses the row format of a source by the user's options, its name, and its content."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.access_log import recognise
from miso_upload.sources.formats.base import Limits, Tail
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.dialect import QUOTE, Dialect
from miso_upload.sources.formats.first_row import check_quotes, likely_delimiter, read_first_row
from miso_upload.sources.formats.json_array import JsonArray
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.sources.formats.quoting_style import quotes_cells
from miso_upload.sources.formats.unsupported import binary_kind, log_kind, wrapper
from miso_upload.values.display import quoted
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miso_upload.sources.formats.base import Format

    _FirstRow = Callable[[str], tuple[list[str], int]]

FORMAT_NAMES = ("jsonl", "json", "csv", "tsv", "log")
_LIMITS = Limits()
BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 65_536
"""The bytes in which the format is detected, unless a header or a first line is longer."""

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The user's options for the rows of a source.

    Attributes:
        format: A name of `FORMAT_NAMES`; None to detect it.
        delimiter: The separator of cells; None to detect it.
        quote: The quote character, or `none`; None to detect it.
        escape: The character that escapes a quote or a delimiter; None if there is none.
        columns: The column names of a file without a header; empty to name them 1, 2, and so on;
            None if there is a header.
        log_format: The layout of the lines of an access log; implies the format `log`.
        row_bytes: The longest row that is read.
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    columns: tuple[str, ...] | None = None
    log_format: str | None = None
    row_bytes: int = _LIMITS.row_bytes


def detect_format(name: str, peek: Callable[[int], bytes], wanted: Wanted) -> tuple[Format, int]:
    """Return the format of a source and the offset of its first row.

    Args:
        name: The source's name, whose suffixes are considered.
        peek: Returns this many bytes of the beginning, or all bytes if there are fewer.
        wanted: The user's options.

    Raises:
        ConfigurationError: The format cannot be detected or is not supported, or the header cannot
            be used.
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
            f"{name}: the format cannot be detected; name it with --format, as one of "
            f"{', '.join(FORMAT_NAMES)}"
        )
    if chosen in ("json", "jsonl"):
        return _json(name, peek, start, chosen, wanted)
    if not body:
        return JsonLines(wanted.row_bytes), start
    return _cells(name, peek, start, chosen, wanted)


def _named(name: str, wanted: Wanted) -> str | None:
    """Return the format by the user's options or by the name of the source."""
    if wanted.log_format is not None:
        if wanted.format not in (None, "log"):
            raise ConfigurationError(
                f"--log-format cannot be used with --format {wanted.format}; use --format log"
            )
        return "log"
    return wanted.format or _by_name(name) or ("csv" if wanted.columns is not None else None)


def _json(
    name: str, peek: Callable[[int], bytes], start: int, chosen: str, wanted: Wanted
) -> tuple[Format, int]:
    head = peek(_LOOKED_AT)
    body = head[start:].lstrip()
    if wanted.columns is not None and body:
        raise ConfigurationError(
            f"{name}: --columns and --no-header cannot be used with {chosen.upper()}, whose rows "
            "name their columns. Possible fix: --format csv"
        )
    if wanted.format != "jsonl" and body.startswith(b"{"):
        _refuse_wrapper(name, body, whole=len(head) < _LOOKED_AT)
    if chosen == "json" and body.startswith(b"["):
        array = _array(peek, head.index(b"[", start), wanted.row_bytes)
        if array is not None:
            return array
    return JsonLines(wanted.row_bytes), start


def _cells(
    name: str, peek: Callable[[int], bytes], start: int, chosen: str, wanted: Wanted
) -> tuple[Format, int]:
    dialect = _dialect(peek(_LOOKED_AT), start, chosen, wanted)
    columns, row_bytes = wanted.columns, wanted.row_bytes
    first = partial(_first_row, name, peek, start, dialect, row_bytes)
    if columns is None:
        return _under_header(name, start, dialect, row_bytes, first)
    if columns:
        return _under_names(columns, start, dialect, row_bytes, first)
    cells, _ = first("first row")
    numbers = tuple(str(number) for number in range(1, len(cells) + 1))
    return Delimited(dialect, numbers, row_bytes, shape="the first row's {}"), start


def _dialect(head: bytes, start: int, chosen: str, wanted: Wanted) -> Dialect:
    """Return the dialect by the user's options, or as detected in the beginning."""
    quote = "" if wanted.quote == "none" else wanted.quote or QUOTE
    delimiter = wanted.delimiter or ("\t" if chosen == "tsv" else None)
    body = head[start:]
    dialect = Dialect(
        delimiter or likely_delimiter(body, len(wanted.columns or ()), quote),
        quote,
        # A quote that escapes itself is a doubled quote, which is always read.
        wanted.escape if wanted.escape and wanted.escape != quote else "",
        decided=wanted.quote is not None,
    )
    _check_dialect(dialect)
    if dialect.decided or dialect.delimiter != "\t":
        return dialect
    # An incomplete last row proves nothing.
    sample = body[: body.rfind(b"\n") + 1] if len(head) == _LOOKED_AT else body
    return dialect if quotes_cells(sample, dialect) else replace(dialect, quote="")


def _check_dialect(dialect: Dialect) -> None:
    if dialect.delimiter in ("\r", "\n", dialect.quote):
        raise ConfigurationError(
            f"--delimiter {quoted(dialect.delimiter)}: a delimiter cannot be a line break or the "
            "quote; choose another character"
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


def _by_name(name: str) -> str | None:
    for suffix in reversed(PurePath(name.lower()).suffixes):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
    return None


def _looks_like_json(body: bytes) -> bool:
    # A line that begins with a date in brackets belongs to a log.
    return body.startswith(b"{") or (body.startswith(b"[") and log_kind(body) is None)


def _by_content(body: bytes) -> str | None:
    # An empty input has no rows in any format.
    if not body or body.startswith((b"{", b"[")):
        return "json"
    first = body.split(b"\n", 1)[0]
    return "csv" if any(mark in first for mark in (b",", b";", b"\t", b"|")) else None


def _array(peek: Callable[[int], bytes], start: int, row_bytes: int) -> tuple[Format, int] | None:
    """Return a top-level array; None for JSON lines, whose first line can be an array too."""
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
    duplicate = _duplicate(columns)
    if duplicate:
        raise ConfigurationError(
            f"{name}: the header contains the column {quoted(duplicate)} more than once; rename "
            "one of them"
        )
    return Delimited(dialect, tuple(columns), row_bytes), start + size


def _under_names(
    columns: tuple[str, ...], start: int, dialect: Dialect, row_bytes: int, first: _FirstRow
) -> tuple[Format, int]:
    """Return a format with given names; a first row equal to the names is skipped as a header."""
    found = Delimited(dialect, columns, row_bytes, shape="the {} of --columns")
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
        f"{name}: the {what} is longer than {row_bytes:,} bytes, or contains a quote that is never "
        "closed. Possible fix: a larger --max-row-bytes, or --quote none"
    )


def check_columns(columns: tuple[str, ...]) -> None:
    """Check that the names of `--columns` can be used.

    Raises:
        ConfigurationError: A name occurs twice, or all names are empty.
    """
    duplicate = _duplicate(columns)
    if duplicate:
        raise ConfigurationError(
            f"--columns contains {quoted(duplicate)} more than once; rename one of them"
        )
    if columns and not any(columns):
        raise ConfigurationError(
            "--columns contains only empty names; name a column, or use --no-header, which names "
            "the columns 1, 2, 3"
        )


def _duplicate(columns: Iterable[str]) -> str | None:
    counts = Counter(column for column in columns if column)
    return next((column for column, count in counts.items() if count > 1), None)


def _access_log(
    name: str, head: bytes, start: int, wanted: Wanted, *, asked: bool
) -> tuple[Format, int] | None:
    """Return the format of an access log; None if it is not one and `asked` is False."""
    data = head[start:]
    log_format = wanted.log_format
    found = recognise(data, log_format, wanted.row_bytes, whole=len(head) < _LOOKED_AT)
    if found.rows_seen:
        return found.rows, start + found.size
    kind = log_kind(data)
    if kind is not None:
        raise ConfigurationError(
            f"{name}: this looks like {kind}, which contains no requests; upload the access log "
            "instead"
        )
    if asked and found.is_log:
        return found.rows, start + found.size
    if not asked:
        return None
    if log_format is not None:
        raise ConfigurationError(
            f"{name}: no line at the beginning matches --log-format. Line {found.line}: "
            f"{found.reason.text}. Correct --log-format"
        )
    raise ConfigurationError(
        f"{name}: no line at the beginning is of a known access log. If the file is an access log, "
        "describe its lines with --log-format"
    )


def _refuse_binary(name: str, head: bytes, *, sure: bool) -> None:
    """Refuse an input that is not text.

    Args:
        name: The source's name.
        head: The beginning.
        sure: The user or the name gives the format, so that a NUL may be part of a row.
    """
    kind = binary_kind(head, sure=sure)
    if kind is not None:
        raise ConfigurationError(
            f"{name}: the input is {kind}. miso-upload reads text; export the rows as jsonl, json, "
            "csv or tsv"
        )


def _refuse_wrapper(name: str, body: bytes, *, whole: bool) -> None:
    """Refuse a single object that contains the records in an array."""
    key = wrapper(body, whole=whole)
    if key is not None:
        raise ConfigurationError(
            f'{name}: the input is one JSON object with the records in its array "{key}"; upload '
            f"the array itself: jq .{key} FILE | miso-upload -. If each line is a record, use "
            "--format jsonl"
        )
