"""Detects an access log by the beginning of a source."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.sources.formats.access_log.diagnosis import NO_LOG_LINE
from miso_upload.sources.formats.access_log.lines import UNFIT, AccessLog, LineReader
from miso_upload.values.addresses import canonical_ip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.records import Reason

_PREAMBLE = re.compile(rb"(?:(?:#[^\n]*+|[ \t\r]*+)\n)*+")
_MOST_LINES = 50
_BROWSERS = ("Mozilla/", "Opera/")
_UNFINISHED = re.compile(rb"(?:#[^\n]*+|[ \t\r]*+)\Z")


class Beginning(NamedTuple):
    """The beginning of a source, read as an access log.

    Attributes:
        rows: The format of the rows.
        size: The size of the comments and blank lines before the first row.
        is_log: Whether it is a log: a line is a request or a damaged one, or names the columns, or
            there are no lines yet.
        rows_seen: Whether a line is a request or names the columns.
        line: Otherwise, the number of the first line that is neither a comment nor blank.
        reason: Why that line is not a request.
    """

    rows: AccessLog
    size: int
    is_log: bool
    rows_seen: bool = False
    line: int = 0
    reason: Reason = NO_LOG_LINE


def recognise(data: bytes, log_format: str | None, row_bytes: int, *, whole: bool) -> Beginning:
    """Return the beginning of a source, read as an access log.

    Args:
        data: The beginning.
        log_format: A layout in the notation of nginx or Apache; None for the built-in layouts.
        row_bytes: The longest line that is read.
        whole: Whether `data` is the whole source.

    Raises:
        ConfigurationError: `log_format` is not a valid layout.
    """
    rows = AccessLog(row_bytes, log_format, has_directives=log_format is None)
    directive = rows.directive(data)
    if not directive:
        rows = AccessLog(row_bytes, log_format)
    size = _preamble(data, whole=whole)
    # A directive before the first row names the columns of that row.
    reader = LineReader(rows, rows.directive(data[:size]), is_utf8=False)
    first: tuple[int, str] | None = None
    for number, line in _lines(data, whole=whole):
        row = reader.row_of(line)
        if row is not None:
            return Beginning(_remarked(rows, row), size, is_log=True, rows_seen=True)
        first = first or (number, line)
    if first is None or directive:
        return Beginning(rows, size, is_log=True, rows_seen=bool(directive))
    reason = reader.read_unusual(first[1], None)
    if isinstance(reason, dict):
        return Beginning(rows, size, is_log=True)
    is_log = reason not in (NO_LOG_LINE, UNFIT)
    return Beginning(rows, size, is_log, line=first[0], reason=reason)


def is_plain(data: bytes, log_format: str | None, row_bytes: int, *, whole: bool) -> bool:
    """Return whether half of the first lines or more are requests from addresses.

    A line that a log collector has wrapped can look like a request from a host name. See
    `recognise` for the arguments.
    """
    rows = AccessLog(row_bytes, log_format, has_directives=log_format is None)
    if rows.directive(data):
        return True
    reader = LineReader(AccessLog(row_bytes, log_format), b"", is_utf8=False)
    good = some = 0
    for _, line in islice(_lines(data, whole=whole), _MOST_LINES):
        row = reader.row_of(line)
        some += 1
        if row is not None:
            ip = row.get("ip")
            good += ip is None or canonical_ip(ip.rpartition(",")[2]) is not None
    return 0 < some <= 2 * good


def _remarked(rows: AccessLog, row: dict[str, str]) -> AccessLog:
    """Return the format with a remark on what its first row lacks."""
    remarks = []
    if "user_agent" not in row and _has_bare_agent(row):
        remarks.append(
            "the user agents are not in quotes, so they are not read, and visitors are told apart "
            "by their addresses alone. Possible fix: --log-format, if $http_user_agent or "
            "%{User-Agent}i is the last field"
        )
    if not row.keys() & {"method", "request"}:
        remarks.append(
            'the log has no column for the request method, so the rule "not GET" skips every row. '
            "Possible fix: --keep 'not GET'"
        )
    return replace(rows, remark="; ".join(remarks)) if remarks else rows


def _has_bare_agent(row: dict[str, str]) -> bool:
    return any(
        name.startswith("extra") and value.startswith(_BROWSERS) for name, value in row.items()
    )


def _preamble(data: bytes, *, whole: bool) -> int:
    found = _PREAMBLE.match(data)
    size = found.end() if found else 0
    # A comment that is still being written is not a row.
    unfinished = _UNFINISHED.match(data, size) if whole else None
    return unfinished.end() if unfinished else size


def _lines(data: bytes, *, whole: bool) -> Iterator[tuple[int, str]]:
    """Yield the complete lines that are neither comments nor blank, with their numbers."""
    texts = data.decode(errors="surrogateescape").split("\n")
    if not whole and len(texts) > 1:
        texts.pop()
    for number, text in enumerate(texts, 1):
        if text.strip() and not text.startswith("#"):
            yield number, text.rstrip("\r")
