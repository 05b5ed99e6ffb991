"""Moves the ends of blocks to the ends of groups, so that no group of rows is ever divided.

The rows of the last group of a block are held back until the next block shows where the group ends.
So workers, requests, checkpoints and resumed runs see whole groups only. Memory is bounded: a group
with too many rows or bytes is not held, but read to its end and rejected as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.records import Block, Findings, Reason
from miso_upload.records.grouping import ABOVE, UNREADABLE_ROW, too_many_rows
from miso_upload.records.incomplete_row import IncompleteRow
from miso_upload.sources.formats.base import Limits, Tail
from miso_upload.values.hashing import checksum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from miso_upload.records.grouping import KeyOf
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.source import Source

_SHOWN_BYTES = 200
"""How many bytes of a rejected group are kept to show it."""
MOST_KEYS = 200_000
"""How many keys are remembered to recognise groups that come back."""
COMES_BACK = Reason(
    "a group",
    "comes back after rows of other groups, so it becomes several records. Possible fixes: sort "
    "the input by the columns of group_by, or group it with --sql",
)


class GroupRules(NamedTuple):
    """How the groups of one source are found.

    Attributes:
        key_of: Returns the key of a row as it is read.
        is_record: Tells rows from parts of rows; see `Format.slices`.
        max_rows: The most rows of a group.
        max_bytes: The most bytes of a group.
    """

    key_of: KeyOf
    is_record: IsRecord | None
    max_rows: int
    max_bytes: int


class _Row(NamedTuple):
    """The line and the key of a row; None for one that has no key or cannot be read."""

    line: int
    key: str | None


@dataclass(slots=True)
class _Held:
    """The rows of a group whose end was not seen yet.

    Attributes:
        key: Its key; None if no row had a key so far.
        start: The offset of its first row.
        first_line: The line of its first row.
        header: The directive in effect there.
        size: Its size in bytes.
        rows: The number of its rows, with unreadable ones.
        keyed: The number of its rows without unreadable ones.
        lines: The number of its lines.
        parts: Its bytes; only the first of them if it is rejected.
        fault: Why it is rejected as a whole.
    """

    key: str | None
    start: int
    first_line: int
    header: bytes
    size: int = 0
    rows: int = 0
    keyed: int = 0
    lines: int = 0
    parts: list[bytes] = field(default_factory=list)
    fault: Reason | None = None

    def extend(self, data: bytes, rows: Sequence[_Row], lines: int) -> None:
        """Add rows to it."""
        self.size += len(data)
        self.rows += len(rows)
        self.keyed += sum(row.key is not None for row in rows)
        self.lines += lines
        if self.fault is None:
            self.parts.append(data)

    def reject(self, fault: Reason) -> None:
        """Reject it, and keep only the beginning of its bytes."""
        if self.fault is None:
            self.fault = fault
            self.parts = [b"".join(self.parts)[:_SHOWN_BYTES]]

    def block(self) -> Block:
        """Return it as a block."""
        rows = self.rows if self.fault is not None else 0
        return Block(
            0, self.start, self.start + self.size, self.first_line, self.lines,
            b"".join(self.parts), self.fault, header=self.header, rows=rows,
        )  # fmt: skip


class WholeGroups:
    """The blocks of a source with whole groups only.

    Args:
        source: The source.
        rules: How its groups are found.

    Attributes:
        findings: The groups that come back later in the source are counted here.
    """

    def __init__(self, source: Source, rules: GroupRules) -> None:
        self._source = source
        self._rules = rules
        self._seen: set[bytes] = set()
        self._seq = 0
        self.findings = Findings()

    def blocks(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield `blocks` with their ends moved to the ends of groups.

        The last group of a source that is being written waits for the next run.
        """
        for block in self._whole(blocks):
            self._seq += 1
            yield replace(block, seq=self._seq)

    def _whole(self, blocks: Iterable[Block]) -> Iterator[Block]:
        held: _Held | None = None
        unreadable: Block | None = None
        ready: list[Block] = []
        for block in blocks:
            yield from ready
            ready = []
            if block.fault is not None:
                if unreadable is not None and held is not None:
                    _swallow(held, unreadable)
                unreadable = block
                if held is None:
                    yield block
                    unreadable = None
                continue
            rows = self._rows(block)
            if unreadable is not None and held is not None:
                key = next((row.key for row in rows if row.key is not None), None)
                if key in (held.key, ABOVE):
                    _swallow(held, unreadable)
                else:
                    yield held.block()
                    yield unreadable
                    held = None
                unreadable = None
            ready, held = self._divide(block, rows, held)
        if held is not None and self._source.may_grow:
            yield from ready
            waiting = self._source.waiting or IncompleteRow(0, self._source.settle, rows=0)
            self._source.waiting = waiting.with_group(held.size, held.rows)
        elif held is not None:
            # The last group needs no request of its own.
            yield from _joined(ready, held.block())
            if unreadable is not None:
                yield unreadable

    def _divide(
        self, block: Block, rows: Sequence[_Row], held: _Held | None
    ) -> tuple[list[Block], _Held]:
        """Return the whole groups in what is held and a block, and the group after them."""
        changes = list(self._changes(rows, held.key if held is not None else None))
        if held is None:
            held = _Held(None, block.start, block.first_line, block.header)
        if not changes or (len(changes) == 1 and changes[0] == 0 and not held.size):
            held.key = held.key or next((row.key for row in rows if row.key), None)
            held.extend(block.data, rows, block.lines)
            self._bound(held)
            return [], held
        offsets = self._offsets(block, [rows[i].line for i in (changes[0], changes[-1])])
        first, last = (
            _Place(i, offset, rows[i].line)
            for i, offset in zip((changes[0], changes[-1]), offsets, strict=True)
        )
        begin = _Place(0, 0, block.first_line)
        whole = []
        if held.size and held.fault is not None:
            held.extend(*_between(block, rows, begin, first))
            whole.append(held.block())
            begin = first
            held = _Held(None, block.start + first.offset, first.line, block.header)
        if begin.offset < last.offset or held.size:
            held.extend(*_between(block, rows, begin, last))
            whole.append(held.block())
        header = self._source.format.directive(block.data[: last.offset]) or block.header
        end = _Place(len(rows), len(block.data), block.first_line + block.lines)
        after = _Held(rows[last.number].key, block.start + last.offset, last.line, header)
        after.extend(*_between(block, rows, last, end))
        self._bound(after)
        return whole, after

    def _changes(self, rows: Sequence[_Row], key: str | None) -> Iterator[int]:
        """Yield the indices of the rows with which a group begins."""
        for i, row in enumerate(rows):
            if row.key is not None and row.key not in (key, ABOVE):
                key = row.key
                yield i
                self._note(row)

    def _rows(self, block: Block) -> list[_Row]:
        """Return the line and the key of each row of a block."""
        key_of = self._rules.key_of
        found: list[_Row] = []
        for part in self._source.format.slices(block, self._rules.is_record):
            found += map(_Row, part.lines, map(key_of, part.rows))
            if part.rejections:
                found += [_Row(rejection.line, None) for rejection in part.rejections]
        found.sort(key=lambda row: row.line)
        return found

    def _offsets(self, block: Block, lines: Sequence[int]) -> list[int]:
        """Return the offsets in a block at which rows begin, given their lines."""
        data, offsets = block.data, []
        offset, line = 0, block.first_line
        for wanted in lines:
            if self._source.format.by_line:
                for _ in range(wanted - line):
                    offset = data.index(b"\n", offset) + 1
            elif wanted > line:
                size = len(data)
                limits = Limits(wanted - line, size, size)
                cut = self._source.format.cut(data[offset:], limits, Tail.WAITING)
                offset += cut.size if cut is not None else 0
            line = wanted
            offsets.append(offset)
        return offsets

    def _note(self, row: _Row) -> None:
        """Warn if a group comes back, as far as memory allows."""
        short = checksum((row.key or "").encode("utf-8", "surrogatepass"))[:8]
        if short in self._seen:
            self.findings.warn(COMES_BACK, row.line)
        elif len(self._seen) < MOST_KEYS:
            self._seen.add(short)

    def _bound(self, held: _Held) -> None:
        """Reject a group that is too large to be held."""
        if held.keyed > self._rules.max_rows:
            held.reject(too_many_rows(self._rules.max_rows))
        elif held.size > self._rules.max_bytes:
            held.reject(Reason("the group", f"is larger than {self._rules.max_bytes:,} bytes"))

    def goes_on(self, last: Block, following: Iterable[Block]) -> bool:
        """Return whether the group of the last row of a block goes on in the blocks after it."""
        keys = [row.key for row in self._rows(last) if row.key]
        for block in following:
            for row in self._rows(block) if block.fault is None else ():
                if row.key is not None:
                    return row.key == ABOVE or row.key in keys[-1:]
        return False


class _Place(NamedTuple):
    """Where a row begins in a block: its number there, its offset and its line."""

    number: int
    offset: int
    line: int


def _between(
    block: Block, rows: Sequence[_Row], begin: _Place, end: _Place
) -> tuple[bytes, Sequence[_Row], int]:
    """Return the bytes, the rows and the number of lines between two places."""
    data = block.data[begin.offset : end.offset]
    return data, rows[begin.number : end.number], end.line - begin.line


def _joined(blocks: list[Block], last: Block) -> list[Block]:
    """Return blocks with one more, which is a part of the block before if possible."""
    if not blocks or blocks[-1].fault is not None or last.fault is not None:
        return [*blocks, last]
    *others, before = blocks
    lines = before.lines + last.lines
    return [*others, replace(before, end=last.end, lines=lines, data=before.data + last.data)]


def _swallow(held: _Held, unreadable: Block) -> None:
    """Make an unreadable block a part of the group around it, which is rejected for it."""
    held.reject(UNREADABLE_ROW)
    held.size = unreadable.end - held.start
    held.rows += max(unreadable.rows, 1)
    held.lines += unreadable.lines
