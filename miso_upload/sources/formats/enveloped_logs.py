"""Recognises logs whose lines are in envelopes: access logs, and rows of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.sources.formats.envelopes import Enveloped, envelopes_of
from miso_upload.sources.formats.json_rows import decode_row
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.values.json import JSONDecodeError

if TYPE_CHECKING:
    from miso_upload.sources.formats.base import Format

_MOST_DEPTH = 2
"""How many envelopes may be around a line: journald wraps the lines of docker compose."""


def log_in_envelopes(
    data: bytes, log_format: str | None, row_bytes: int, *, whole: bool, depth: int = _MOST_DEPTH
) -> Format | None:
    """Return the format of a log whose lines are in envelopes; None if they are in none.

    An envelope counts only if the lines in it can be read.

    Args:
        data: The beginning of the source.
        log_format: A layout in the notation of nginx or Apache; None for the built-in layouts.
        row_bytes: The longest line that is read.
        whole: Whether `data` is the whole source.
        depth: The number of envelopes that may be around a line.
    """
    if depth == 0:
        return None
    if not data.lstrip().startswith(b"{"):
        # Imported when needed, because rows of JSON are rarely in envelopes.
        from miso_upload.sources.formats.access_log import is_plain  # noqa: PLC0415

        if is_plain(data, log_format, row_bytes, whole=whole):
            return None
    for envelope, lines in envelopes_of(data, whole=whole):
        rows = _rows_of(lines, log_format, row_bytes, depth)
        if rows is not None:
            return Enveloped(rows, envelope, row_bytes)
    return None


def _rows_of(lines: bytes, log_format: str | None, row_bytes: int, depth: int) -> Format | None:
    inner = log_in_envelopes(lines, log_format, row_bytes, whole=True, depth=depth - 1)
    if inner is not None:
        return inner
    from miso_upload.sources.formats.access_log import recognise  # noqa: PLC0415 -- as above

    found = recognise(lines, log_format, row_bytes, whole=True)
    if found.rows_seen:
        return found.rows
    return _of_objects(lines, row_bytes) if log_format is None else None


def _of_objects(lines: bytes, row_bytes: int) -> Format | None:
    """Return the format of JSON lines, if half of the lines or more are objects."""
    from miso_upload.sources.formats.access_log.json_log import as_log  # noqa: PLC0415 -- as above

    rows, some = [], 0
    for line in filter(bytes.strip, lines.split(b"\n")):
        some += 1
        try:
            row = decode_row(line)
        except JSONDecodeError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return as_log(JsonLines(row_bytes), rows) if 0 < some <= 2 * len(rows) else None
