"""Counts the new rows of a run, which stops reading when it has as many as the user asked for."""

from __future__ import annotations


class RowLimit:
    """The number of new rows that a run may still read.

    Rows that an earlier run has read and not settled do not count.

    Args:
        most: How many rows the run reads; None for no limit.
    """

    def __init__(self, most: int | None) -> None:
        self._left = most

    @property
    def is_reached(self) -> bool:
        """Whether the run must read no further row."""
        return self._left == 0

    def rows_left(self) -> int | None:
        """Return how many rows may still be read; None for no limit."""
        return self._left

    def count(self, rows: int) -> None:
        """Count rows that were read."""
        if self._left is not None:
            self._left = max(0, self._left - rows)
