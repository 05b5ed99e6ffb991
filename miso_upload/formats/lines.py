"""Cutting where a row is a line."""

from __future__ import annotations

import re
from itertools import islice

from miso_upload.formats.base import Cut, Limits
from miso_upload.records import Reason

_NEWLINE = re.compile(b"\n")


def cut_lines(data: bytes, limits: Limits, *, final: bool) -> Cut | None:
    """Return the longest block of whole lines within `limits`, as `Format.cut` promises."""
    if data.count(b"\n", 0, limits.block_bytes) >= limits.rows:
        ends = _NEWLINE.finditer(data)
        return Cut(next(islice(ends, limits.rows - 1, None)).end())
    if len(data) <= limits.block_bytes:
        return Cut(len(data)) if final and data else None
    size = data.rfind(b"\n", 0, limits.block_bytes) + 1
    return Cut(size) if size else too_long(data, limits)


def too_long(data: bytes, limits: Limits) -> Cut:
    """Return the cut for a first line that is longer than a block may be."""
    end = data.find(b"\n") + 1
    return Cut(end or len(data), fault=row_too_long(limits.row_bytes), to_newline=not end)


def row_too_long(row_bytes: int) -> Reason:
    """Return the reason for a row that is longer than `row_bytes`."""
    return Reason("the row", f"is longer than {row_bytes:,} bytes (--max-row-bytes)")


def unfinished_line(data: bytes) -> int:
    """Return how many bytes stand after the last newline of `data`."""
    return len(data) - (data.rfind(b"\n") + 1)
