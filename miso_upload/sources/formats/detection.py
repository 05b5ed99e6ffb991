"""Choosing a row format: by what the user says, then by name, then by content."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.base import LOOKED_AT
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.sources.formats.unsupported import binary_kind, log_kind, wrapper
from miso_upload.sources.options import FORMAT_NAMES
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.sources.formats.base import Format
    from miso_upload.sources.options import ReadingOptions

BOM = b"\xef\xbb\xbf"
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
    head = peek(LOOKED_AT)
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
    # The formats are imported when they are met, so that no run waits for the others.
    from miso_upload.sources.formats.cell_detection import detect_cells  # noqa: PLC0415

    return detect_cells(name, peek, start, chosen, wanted)


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
    head = peek(LOOKED_AT)
    body = head[start:].lstrip()
    if wanted.names is not None and body:
        raise ConfigurationError(
            f"{name}: is {chosen.upper()}, whose rows name their columns; --columns and "
            "--no-header are for CSV and TSV (--format csv, if it is)"
        )
    if wanted.format != "jsonl" and body.startswith(b"{"):
        _refuse_wrapper(name, body, whole=len(head) < LOOKED_AT)
    if chosen == "json" and body.startswith(b"["):
        array = _array(peek, head.index(b"[", start), wanted.max_row_bytes)
        if array is not None:
            return array
    return JsonLines(wanted.max_row_bytes), start


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
    data = peek(LOOKED_AT)
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
    from miso_upload.sources.formats.json_array import JsonArray  # noqa: PLC0415

    return JsonArray(row_bytes), start + 1


def _access_log(
    name: str, head: bytes, start: int, wanted: ReadingOptions, *, asked: bool
) -> tuple[Format, int] | None:
    """Return the format of an access log; None where it is none, and nobody said that it is."""
    from miso_upload.sources.formats.access_log import recognise  # noqa: PLC0415

    data = head[start:]
    log_format = wanted.log_format
    found = recognise(data, log_format, wanted.max_row_bytes, whole=len(head) < LOOKED_AT)
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
