"""Chooses the row format of a source by the user's options, its name, and its content."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.base import LOOKED_AT
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.sources.formats.padding import BOM
from miso_upload.sources.formats.unsupported import binary_kind, log_kind
from miso_upload.sources.options import FORMAT_NAMES
from miso_upload.values.display import printable
from miso_upload.values.input_names import PYTHON_SCHEME

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.sources.formats.base import Format
    from miso_upload.sources.options import ReadingOptions

_SEP_LINE = re.compile(rb'"?sep=[^\r\n]{1,5}\r?\n', re.IGNORECASE)
_NO_TABLE = re.compile(
    rb"<|--[ \t\r\n]|/\*|(?:INSERT INTO|(?:CREATE|DROP|LOCK) TABLES?|COPY|BEGIN|SET|USE)[ \t;]",
    re.IGNORECASE,
)
"""The beginnings of markup and of SQL."""
_LOG_TIME = re.compile(rb"\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:")
_IN_BRACKETS = re.compile(
    rb"\[(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(?:%\w+)?\](?::[0-9]+)? )"
)
"""What a log can begin with and an array cannot."""
_MOST_SHOWN = 120
_CELLS = ("csv", "tsv")
_JSON = ("json", "jsonl")
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
    """Return the format of a source and the offset of its first row.

    Args:
        name: The source's name, whose suffixes are considered.
        peek: Returns this many bytes of the beginning, or all bytes if there are fewer.
        wanted: The user's options.

    Raises:
        ConfigurationError: The format cannot be detected or is not supported, the header cannot be
            used, or an option cannot be used with the format.
    """
    if name.startswith(PYTHON_SCHEME):
        wanted = replace(wanted, format="jsonl")  # as which its rows are read
    found = _detected(name, peek, wanted)
    rows, size = found
    if peek(size + 1)[size:]:
        check_used(name, rows.name, wanted)
    return found


def check_used(name: str, format_name: str, wanted: ReadingOptions) -> None:
    """Check that the options for single formats are used by the format of a source.

    Raises:
        ConfigurationError: One of them would be ignored.
    """
    for option, is_given, users in (
        ("--comment", wanted.comment is not None, _CELLS),
        ("--items", wanted.items is not None, _JSON),
        ("--skip-lines", wanted.skip_lines > 0, FORMAT_NAMES),
    ):
        if is_given and format_name not in users:
            raise ConfigurationError(
                f"{name}: {option} cannot be used with {format_name}, only with "
                f"{', '.join(users)}. Possible fixes: remove {option}, or upload this input in "
                "a run of its own"
            )


def _detected(
    name: str, peek: Callable[[int], bytes], wanted: ReadingOptions
) -> tuple[Format, int]:
    head = peek(LOOKED_AT)
    start = len(BOM) if head.startswith(BOM) else 0
    if wanted.skip_lines:
        from miso_upload.sources.formats.preamble import skipped_lines  # noqa: PLC0415

        start = skipped_lines(peek, start, wanted.skip_lines, wanted.max_row_bytes)
        head = peek(start + LOOKED_AT)
    body = head[start:].lstrip()
    named = _named(name, wanted)
    _refuse_binary(name, head, sure=named is not None)
    if (
        wanted.format in (None, "log")
        and named in (None, "log", "json", "jsonl")
        and wanted.items is None
        and wanted.names is None
    ):
        enveloped = _enveloped(head, start, wanted)
        if enveloped is not None:
            return enveloped
    if named == "log" or (named is None and not _looks_like_json(body)):
        log = _access_log(name, head, start, wanted, asked=named is not None)
        if log is not None:
            return log
    chosen = named or _by_content(body, wanted)
    if chosen is None:
        first = body.partition(b"\n")[0].decode(errors="replace").strip()
        raise ConfigurationError(
            f"{name}: miso-upload cannot tell the format. The first line is `"
            f"{printable(first, _MOST_SHOWN)}`. Possible fix: --format NAME, with one of "
            f"{', '.join(FORMAT_NAMES)}"
        )
    # A format is imported only when it is needed, so that no run waits for the others.
    if chosen in ("json", "jsonl"):
        from miso_upload.sources.formats.json_detection import detect_json  # noqa: PLC0415

        return detect_json(name, peek, start, chosen, wanted)
    if not body:
        return JsonLines(wanted.max_row_bytes), start
    from miso_upload.sources.formats.cell_detection import detect_cells  # noqa: PLC0415

    return detect_cells(name, peek, start, chosen, wanted)


def _named(name: str, wanted: ReadingOptions) -> str | None:
    """Return the format by the user's options or by the name of the source."""
    if wanted.log_format is not None:
        if wanted.format not in (None, "log"):
            raise ConfigurationError(
                f"--log-format cannot be used with --format {wanted.format}; use --format log"
            )
        return "log"
    return wanted.format or _by_name(name) or ("csv" if wanted.names is not None else None)


def _by_name(name: str) -> str | None:
    for suffix in reversed(PurePath(name.lower()).suffixes):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
    return None


def _looks_like_json(body: bytes) -> bool:
    # A line that begins with a date or an IPv6 address in brackets belongs to a log.
    if _IN_BRACKETS.match(body):
        return False
    return body.startswith(b"{") or (body.startswith(b"[") and log_kind(body) is None)


def _by_content(body: bytes, wanted: ReadingOptions) -> str | None:
    if wanted.delimiter is not None or _SEP_LINE.match(body):
        return "csv"
    # An empty input has no rows in any format.
    if not body or body.startswith((b"{", b"[")):
        return "json"
    if wanted.comment is not None:
        return "csv"
    if _NO_TABLE.match(body) or _LOG_TIME.search(body.partition(b"\n")[0]):
        return None
    from miso_upload.sources.formats.first_row import seems_delimited  # noqa: PLC0415

    return "csv" if seems_delimited(body) else None


def _enveloped(head: bytes, start: int, wanted: ReadingOptions) -> tuple[Format, int] | None:
    """Return the format of a log whose lines are in envelopes; None if they are not."""
    from miso_upload.sources.formats.enveloped_logs import log_in_envelopes  # noqa: PLC0415

    rows = log_in_envelopes(
        head[start:], wanted.log_format, wanted.max_row_bytes, whole=len(head) < LOOKED_AT
    )
    return None if rows is None else (rows, start)


def _access_log(
    name: str, head: bytes, start: int, wanted: ReadingOptions, *, asked: bool
) -> tuple[Format, int] | None:
    """Return the format of an access log; None if it is not one and `asked` is False."""
    from miso_upload.sources.formats.access_log import recognise  # noqa: PLC0415

    data = head[start:]
    log_format = wanted.log_format
    found = recognise(data, log_format, wanted.max_row_bytes, whole=len(head) < LOOKED_AT)
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
            f"{name}: the first lines do not match --log-format. Line {found.line}: "
            f"{found.reason.text}. Correct --log-format"
        )
    raise ConfigurationError(
        f"{name}: the first lines are not in a known access log format. If the file is an access "
        "log, describe its format with --log-format"
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
