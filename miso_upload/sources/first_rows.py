"""Returns the first rows of a source from its buffered beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Block
from miso_upload.sources.formats import Limits, Tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.sources.source import Source

_MOST_ROWS = 200
_LEAST_BYTES = 2**16
_MOST_BYTES = 32 * 2**20


class FirstRows(NamedTuple):
    """The first rows of a source: the readable ones, and how many others there are."""

    rows: list[Any]
    unreadable: int = 0


def first_rows(source: Source) -> list[Any]:
    """Return up to some hundred readable rows from the beginning of a source.

    This does not consume the source, so it works for a pipe too.
    """
    return _rows_in(source, source.beginning, _MOST_ROWS, Tail.WAITING).rows


def rows_until(source: Source, found: Callable[[list[Any]], bool], most: int) -> FirstRows:
    """Return the first rows of a source: some, if one of them is what is searched, or `most`.

    This does not consume the source, so it works for a pipe too, but only before it is read.

    Args:
        source: The source.
        found: Returns whether the search can end with these rows.
        most: The most rows to return.
    """
    size = len(source.beginning)
    data = source.beginning
    while True:
        first = _rows_in(source, data, most, Tail.COMING)
        if found(first.rows) or len(first.rows) + first.unreadable >= most or size > _MOST_BYTES:
            return first
        size = max(4 * size, _LEAST_BYTES)
        data = source.peek(size)
        if len(data) < size:
            return _rows_in(source, data, most, Tail.LAST)


def _rows_in(source: Source, data: bytes, most: int, tail: Tail) -> FirstRows:
    """Return up to `most` rows of the beginning of a source."""
    body = source.body_start - source.head_start
    before, data = data[:body], data[body:]
    cut = source.format.cut(data, Limits(most, len(data), len(data)), tail) if data else None
    if cut is None or cut.fault is not None or not cut.size:
        return FirstRows([])
    block = Block(
        seq=0,
        start=source.body_start,
        end=source.body_start + cut.size,
        first_line=source.body_line,
        lines=cut.elements or data.count(b"\n", 0, cut.size),
        data=data[: cut.size],
        header=source.format.directive(before) if source.format.has_directives else b"",
    )
    parts = list(source.format.slices(block))
    return FirstRows(
        [row for part in parts for row in part.rows], sum(len(part.rejections) for part in parts)
    )
