"""Cuts blocks of formats in which every line is a row."""

from __future__ import annotations

import re
from itertools import islice

from miso_upload.records import Reason
from miso_upload.sources.formats.base import Cut, Limits, Tail

_NEWLINE = re.compile(b"\n")


class LineEnd:
    """Finds the end of a line that is too long to be held in memory."""

    def find(self, data: bytes) -> int | None:
        """See `RowEnd.find`."""
        return data.find(b"\n") + 1 or None


def cut_lines(data: bytes, limits: Limits, tail: Tail) -> Cut | None:
    """Return the longest block of complete lines within `limits`. See `Format.cut`."""
    if data.count(b"\n", 0, limits.block_bytes) >= limits.rows:
        ends = _NEWLINE.finditer(data)
        return Cut(next(islice(ends, limits.rows - 1, None)).end(), limits.rows)
    if len(data) <= limits.block_bytes:
        return _cut_all(data, tail)
    size = data.rfind(b"\n", 0, limits.block_bytes) + 1
    return Cut(size) if size else _cut_long(data, limits, tail)


def _cut_all(data: bytes, tail: Tail) -> Cut | None:
    if tail is Tail.LAST:
        return Cut(len(data))
    size = data.rfind(b"\n") + 1 if tail is Tail.WAITING else 0
    return Cut(size) if size else None


def _cut_long(data: bytes, limits: Limits, tail: Tail) -> Cut | None:
    """Return the cut for a first line that is longer than a block should be."""
    size = data.find(b"\n") + 1
    if size:
        return Cut(size, fault=too_long(size - 1, limits.row_bytes))
    if len(data) > limits.row_bytes:
        return Cut(len(data), fault=row_too_long(limits.row_bytes), rest=LineEnd())
    return Cut(len(data)) if tail is Tail.LAST else None


def too_long(size: int, row_bytes: int) -> Reason | None:
    """Return why a row of `size` bytes is too long, if it is."""
    return row_too_long(row_bytes) if size > row_bytes else None


def row_too_long(row_bytes: int) -> Reason:
    """Return the reason for a row that is longer than `row_bytes`."""
    return Reason("the row", f"is longer than {row_bytes:,} bytes (--max-row-bytes)")
