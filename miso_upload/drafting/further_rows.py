"""Reads a few rows from places spread over a large file, because its beginning may be unusual.

The first rows of a history are often of one day or one month, so they cannot show whether the day
or the month comes first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.records import Block

if TYPE_CHECKING:
    from miso_upload.sources import Source

_PLACES = 8
_BYTES = 65_536
_MOST_ROWS = 100


def further_rows(source: Source, after: int) -> list[Any]:
    """Return rows from a bounded number of places after an offset.

    Args:
        source: The source. Only plain files with a row on each line have further rows.
        after: The offset after which the places are.
    """
    rows: list[Any] = []
    path, size = source.path, source.size
    has_lines = source.format.by_line and not source.format.has_directives
    if path is None or size is None or not (has_lines or source.format.columns is not None):
        return rows
    try:
        with Path(path).open("rb") as file:
            for i in range(1, _PLACES + 1):
                start = max(
                    after, size - _BYTES if i == _PLACES else after + (size - after) * i // _PLACES
                )
                file.seek(start)
                rows += _rows_in(source, file.read(_BYTES), start)
    except OSError:
        pass  # the beginning is evidence enough for a draft
    return rows


def _rows_in(source: Source, data: bytes, start: int) -> list[Any]:
    """Return some rows of the complete lines in `data`."""
    first, last = data.find(b"\n") + 1, data.rfind(b"\n") + 1
    data = data[first:last]
    if not data:
        return []
    block = Block(
        seq=0,
        start=start + first,
        end=start + last,
        first_line=1,
        lines=data.count(b"\n"),
        data=data,
    )
    found = [row for part in source.format.slices(block) for row in part.rows]
    return [row for row in found if isinstance(row, dict)][:_MOST_ROWS]
