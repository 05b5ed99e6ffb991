"""Reads the blocks of a source for a transform: with whole groups of rows if it groups them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.records import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miso_upload.ledger import LedgerSpan
    from miso_upload.records import Batch, Block
    from miso_upload.sources import Source
    from miso_upload.sources.groups import WholeGroups


class BlockReader:
    """Reads the blocks of one source.

    Args:
        source: The source.
        transform: The transform of its blocks; if it has a `grouper`, no block divides a group.
    """

    def __init__(self, source: Source, transform: Callable[[Block], Batch]) -> None:
        self._source = source
        self._groups = _groups_of(source, transform)

    def blocks(self, start: int, first_line: int) -> Iterator[Block]:
        """Yield the blocks from an offset to the end; see `Source.blocks`."""
        blocks = self._source.blocks(start, first_line)
        return blocks if self._groups is None else self._groups.blocks(blocks)

    def all_blocks(self) -> Iterator[Block]:
        """Yield the blocks of the whole source."""
        yield from self.blocks(self._source.body_start, self._source.body_line)

    @property
    def findings(self) -> Findings:
        """Return what was noticed about the groups."""
        return Findings() if self._groups is None else self._groups.findings

    def goes_on(self, last: LedgerSpan) -> bool:
        """Return whether the group that an earlier run read last has more rows now."""
        source = self._source
        if self._groups is None or not (source.can_reopen and last.checksum):
            return False
        block = source.reread(last)
        return self._groups.goes_on(block, source.blocks(last.end, last.next_line))


def _groups_of(source: Source, transform: Callable[[Block], Batch]) -> WholeGroups | None:
    grouper = getattr(transform, "grouper", None)
    if grouper is None:
        return None
    from miso_upload.sources.groups import GroupRules, WholeGroups  # noqa: PLC0415 -- few group

    is_record = getattr(transform, "is_record", None)
    rules = GroupRules(grouper.key_of, is_record, grouper.max_rows, source.limits.block_bytes)
    return WholeGroups(source, rules)
