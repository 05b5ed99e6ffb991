"""Telling an access log from other files by its beginning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.sources.formats.access_log.diagnosis import NO_LOG_LINE
from miso_upload.sources.formats.access_log.lines import UNFIT, AccessLog, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.records import Reason

_PREAMBLE = re.compile(rb"(?:(?:#[^\n]*+|[ \t\r]*+)\n)*+")
_UNFINISHED = re.compile(rb"(?:#[^\n]*+|[ \t\r]*+)\Z")


class Beginning(NamedTuple):
    """What the beginning of a source says, read as an access log.

    Attributes:
        rows: How its rows are read.
        size: How many bytes stand before the first row: comments and blank lines.
        is_log: It is one: a line is a request or a broken one, or names the columns to come, or
            there is nothing yet that it could be told from.
        rows_seen: A line is a request, or names the columns to come.
        line: If not, its first line that is no comment and not blank.
        reason: Why that is no request.
    """

    rows: AccessLog
    size: int
    is_log: bool
    rows_seen: bool = False
    line: int = 0
    reason: Reason = NO_LOG_LINE


def recognise(data: bytes, log_format: str | None, row_bytes: int, *, whole: bool) -> Beginning:
    """Look at the beginning of a source.

    Args:
        data: The beginning.
        log_format: A layout in the notation of nginx or Apache, or None for those that are known.
        row_bytes: The longest line that is read.
        whole: `data` is all there is.

    Raises:
        ConfigurationError: `log_format` describes no layout.
    """
    rows = AccessLog(row_bytes, log_format, has_directives=log_format is None)
    directive = rows.directive(data)
    if not directive:
        rows = AccessLog(row_bytes, log_format)
    size = _preamble(data, whole=whole)
    # The columns of a layout that is in force at once are those of the first directive.
    reading = Reading(rows, rows.directive(data[:size]), is_utf8=False)
    first: tuple[int, str] | None = None
    for number, line in _lines(data, whole=whole):
        if reading.fits(line):
            return Beginning(rows, size, is_log=True, rows_seen=True)
        first = first or (number, line)
    if first is None or directive:
        return Beginning(rows, size, is_log=True, rows_seen=bool(directive))
    reason = reading.look_closer(first[1], None)
    if isinstance(reason, dict):
        return Beginning(rows, size, is_log=True)
    is_log = reason not in (NO_LOG_LINE, UNFIT)
    return Beginning(rows, size, is_log, line=first[0], reason=reason)


def _preamble(data: bytes, *, whole: bool) -> int:
    found = _PREAMBLE.match(data)
    size = found.end() if found else 0
    # A comment that is still being written is no row yet.
    unfinished = _UNFINISHED.match(data, size) if whole else None
    return unfinished.end() if unfinished else size


def _lines(data: bytes, *, whole: bool) -> Iterator[tuple[int, str]]:
    """Yield the lines that are whole and neither comments nor blank, by number."""
    texts = data.decode(errors="surrogateescape").split("\n")
    if not whole and len(texts) > 1:
        texts.pop()
    for number, text in enumerate(texts, 1):
        if text.strip() and not text.startswith("#"):
            yield number, text.rstrip("\r")
