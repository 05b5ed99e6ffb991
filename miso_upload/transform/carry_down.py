"""Fills empty cells of a column with the last value above them, for `carry_down` in `[rows]`.

Exports of orders and spreadsheets often write a value only in the first of the rows that it is for.
The values at the beginning of a block come with the block (`Block.carried`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from miso_upload.records import Reason, Rejection
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Block, Slice
    from miso_upload.records.slice import IsRecord

UNREADABLE = None
"""The value of a column below a row that could not be read: nobody knows what was in it."""
_UNKNOWN_TEXT = "x"
_PROBLEM = "is empty, and its value cannot be carried down, because a row above cannot be read"


class CarryDown:
    """Fills the empty cells of some columns.

    Args:
        columns: The columns; empty if nothing is carried down.
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self._columns = tuple(columns)

    def __bool__(self) -> bool:
        return bool(self._columns)

    def values_before(self, block: Block) -> dict[str, Any]:
        """Return the values at the beginning of a block, as a dict that `fill` changes."""
        return dict(block.carried or {})

    def unreadable(self) -> dict[str, Any]:
        """Return the values below a row that could not be read."""
        return dict.fromkeys(self._columns, UNREADABLE)

    def fill(self, part: Slice, values: dict[str, Any]) -> Slice:
        """Return a slice with its empty cells filled.

        A row is rejected if a cell is empty and a row above it, where its value may have been,
        could not be read.

        Args:
            part: A slice, whose rows are changed.
            values: The values above the slice; they become those below it.
        """
        rows: list[Any] = []
        lines: list[int] = []
        rejections = list(part.rejections)
        unread = sorted((each.line for each in part.rejections), reverse=True)
        for row, line in zip(part.rows, part.lines, strict=True):
            while unread and unread[-1] < line:
                unread.pop()
                values.update(self.unreadable())
            reasons = self._fill_row(row, values)
            if reasons:
                rejections.append(Rejection(line, reasons, row))
            else:
                rows.append(row)
                lines.append(line)
        if unread:
            values.update(self.unreadable())
        return replace(part, rows=rows, lines=lines, rejections=rejections)

    def _fill_row(self, row: object, values: dict[str, Any]) -> tuple[Reason, ...]:
        if not isinstance(row, dict):
            values.update(self.unreadable())
            return ()
        reasons = []
        for column in self._columns:
            cell = row.get(column)
            if not _is_blank(cell):
                values[column] = cell
            elif values.get(column) is not UNREADABLE:
                row[column] = values[column]
            elif column in values:
                reasons.append(Reason(quoted(column), _PROBLEM))
        return tuple(reasons)

    def with_values(self, is_record: IsRecord, block: Block) -> IsRecord:
        """Return `is_record` for the rows of a block as they are read, with cells still empty.

        Which of the block's values a row gets is not known yet, but any value makes it a record.
        """
        known = dict.fromkeys(self._columns, _UNKNOWN_TEXT)
        known |= {name: value for name, value in (block.carried or {}).items() if value is not None}

        def is_filled_record(row: Any) -> bool:  # noqa: ANN401 -- any row
            if isinstance(row, dict):
                empty = {name: each for name, each in known.items() if _is_blank(row.get(name))}
                return is_record({**row, **empty})
            return is_record(row)

        return is_filled_record


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
