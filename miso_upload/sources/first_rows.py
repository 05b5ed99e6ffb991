"""Returns the first rows of a source from its buffered beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.records import Block
from miso_upload.sources.formats import Limits, Tail

if TYPE_CHECKING:
    from miso_upload.sources.source import Source

_MOST_ROWS = 200


def first_rows(source: Source) -> list[Any]:
    """Return up to some hundred readable rows from the beginning of a source.

    This does not consume the source, so it works for a pipe too.
    """
    body = source.body_start - source.head_start
    before, data = source.beginning[:body], source.beginning[body:]
    cut = (
        source.format.cut(data, Limits(_MOST_ROWS, len(data), len(data)), Tail.WAITING)
        if data
        else None
    )
    if cut is None or cut.fault is not None or not cut.size:
        return []
    block = Block(
        seq=0,
        start=source.body_start,
        end=source.body_start + cut.size,
        first_line=source.body_line,
        lines=cut.elements or data.count(b"\n", 0, cut.size),
        data=data[: cut.size],
        header=source.format.directive(before) if source.format.has_directives else b"",
    )
    return [row for part in source.format.slices(block) for row in part.rows]
