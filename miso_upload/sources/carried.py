"""Gives each block the values that its first rows carry down from rows above it.

The value of an empty cell in a column of `carry_down` is the last value above it, which may be in
an earlier block. A reader that starts in the middle reads the rows before, from the last offset at
which the values were known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from miso_upload.records import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from miso_upload.records import Block

    ValuesAfter = Callable[[Block], Mapping[str, Any]]

_UNREADABLE = Reason("the row", "could not be read by an earlier run")


class CarriedValues:
    """The values at one offset of a source, which moves forward with its blocks.

    Args:
        start: The offset of the first row.
        values_after: Returns the values after a block; see `Block.carried`.
    """

    def __init__(self, start: int, values_after: ValuesAfter) -> None:
        self._start = start
        self._values_after = values_after
        self._rewind()

    def _rewind(self) -> None:
        self.at = self._start
        self._values: Mapping[str, Any] = {}

    def needs_rows_before(self, offset: int) -> bool:
        """Return whether rows have to be read, from `at` on, before the block at `offset`."""
        if offset < self.at or offset <= self._start:
            self._rewind()
        if offset <= self._start:
            self.at = offset
        return self.at < offset

    def read_until(self, offset: int, blocks: Iterable[Block]) -> None:
        """Take the rows before `offset` from `blocks`, which start at `at`."""
        for block in blocks:
            inside = block
            if block.end > offset:
                inside = replace(block, end=offset, data=block.data[: offset - block.start])
            self.given_to(inside, inside.end)
            if self.at >= offset:
                return

    def given_to(self, block: Block, end: int) -> Block:
        """Return a block with its values; then those after it are known.

        Args:
            block: The block, which starts at `at`.
            end: Where its span ends. The block of an unreadable row may be cut short.
        """
        block = replace(block, carried=self._values)
        whole = block if block.end == end else replace(block, fault=_UNREADABLE)
        self._values = self._values_after(whole)
        self.at = end
        return block
