"""Reads a top-level JSON array as a stream of its elements.

Elements are found by strings, brackets and commas only, so an invalid element does not hide the
next one unless its brackets are unbalanced. The JSON parser then reads each element. A block starts
after the opening bracket or after a comma, so reading can resume at any block. The last block ends
before the closing bracket, so reading can also resume after the array has grown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.records import Reason, Slice
from miso_upload.sources.formats.base import SLICE_BYTES, SLICE_ROWS, Cut, Tail
from miso_upload.sources.formats.json_rows import SPACE, parse_rows
from miso_upload.sources.formats.lines import row_too_long
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records import Block
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.base import Limits

_AFTER_END = Reason("the file", "continues after the closing ] of its array")
_MOST_SPACE = 2**20
"""How many bytes of whitespace are held in memory before other bytes follow."""

_MOST_AT_ONCE = 2 * SLICE_BYTES
"""The largest block that is parsed at once; a block of ordinary rows is smaller."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
KEY = "_key"
"""The column with the name of a row that is a member of an object."""
_NAME = re.compile(b"(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+")
_STRING_TAIL = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_MARK = re.compile(rb'["\]},]|[\[{]++')


def nested(
    plain: bytes,
    depth: int,
    inner: bytes = rb'[^"\[\]{}]*+',
    string: bytes = _STRING,
    close: bytes = rb"[\]}]",
) -> bytes:
    """Return a pattern for `plain` bytes, strings, and brackets nested up to `depth` times.

    Args:
        plain: The pattern of bytes outside brackets.
        depth: How deep brackets are nested.
        inner: The pattern of bytes inside brackets, outside strings.
        string: The pattern of a string.
        close: The pattern of a closing bracket.
    """
    deeper = nested(inner, depth - 1, inner, string, close) if depth else b""
    within = rb"|[\[{]" + deeper + close if depth else b""
    return plain + rb"(?:(?:" + string + within + rb")" + plain + rb")*+"


# An element with its comma, matched without backtracking, if its nesting is not unusually deep.
# `ElementEnd` finds the same ends for any other element.
_WHOLE = re.compile(nested(rb'[^"\[\]{},]*+', 5) + b",", re.DOTALL)


class ElementEnd:
    """Finds the end of an element in chunks of bytes.

    Attributes:
        closed: Whether the array's own `]` follows the element rather than a comma.

    Args:
        closer: What ends the array, or the object whose members are the elements.
    """

    def __init__(self, closer: bytes = b"]") -> None:
        self.closed = False
        self._closer = closer
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def find(self, data: bytes, start: int = 0) -> int | None:
        """See `RowEnd.find`."""
        at = start
        while at < len(data):
            if self._in_string:
                at = self._leave_string(data, at)
                continue
            mark = _MARK.search(data, at)
            if mark is None:
                return None
            at = mark.end()
            if mark[0] == b'"':
                self._in_string = True
            elif mark[0][0] in b"[{":
                self._depth += len(mark[0])
            elif self._depth:
                self._depth -= mark[0] in b"]}"
            elif mark[0] == b",":
                return at
            elif mark[0] == self._closer:
                self.closed = True
                return mark.start()
            # The JSON parser reports another unbalanced bracket.
        return None

    def _leave_string(self, data: bytes, at: int) -> int:
        """Return the end of the string that contains `at`, or the end of `data`."""
        if self._escaped:
            self._escaped = False
            return at + 1
        tail = _STRING_TAIL.match(data, at)
        end = tail.end() if tail else at
        if data[end : end + 1] == b'"':
            self._in_string = False
        else:
            # Only a backslash at the end of `data` ends the match before the end.
            self._escaped = end < len(data)
        return end + 1


class _Element(NamedTuple):
    start: int
    end: int
    closed: bool
    """Whether the array's own `]` is at `end` rather than a comma."""


def elements(data: bytes, closer: bytes = b"]") -> Iterator[_Element]:
    """Yield the start and the end of each complete element of `data`."""
    start = 0
    while True:
        whole = _WHOLE.match(data, start)
        if whole is not None:
            yield _Element(start, whole.end() - 1, closed=False)
            start = whole.end()
            continue
        search = ElementEnd(closer)
        end = search.find(data, start)
        if end is None:
            return
        if search.closed:
            yield _Element(start, end, closed=True)
            return
        yield _Element(start, end - 1, closed=False)
        start = end


def _is_long(data: bytes, start: int, end: int, row_bytes: int) -> bool:
    """Return whether an element is too long, without the whitespace before it."""
    return end - start > row_bytes and len(data[start:end].lstrip(SPACE)) > row_bytes


@dataclass(frozen=True, slots=True)
class JsonArray:
    """A JSON array of rows, or an object whose values are rows.

    Attributes:
        row_bytes: The most bytes in a row.
        closer: `]`, or `}` for an object; the name of each value is then in the column `_key`.
        depth: How many objects it is inside, which end after it.
    """

    row_bytes: int
    closer: bytes = b"]"
    depth: int = 0
    name: str = "json"
    columns: tuple[str, ...] | None = None
    preset: str | None = None
    by_line: bool = False
    has_directives: bool = False
    skips_directives: bool = False
    repeated: tuple[str, ...] = ()
    comma_ends_row: bool = True
    remark: str = ""

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`: a block ends after a comma, or before the closing bracket."""
        first = data.lstrip(SPACE)
        if first.startswith(self.closer):
            # The bracket is not part of a block, because more elements may replace it later.
            whole = (self.depth or self.ends_well(first)) and len(first) <= _MOST_SPACE
            return None if whole else Cut(0, fault=_AFTER_END)
        size = rows = 0
        for element in elements(data, self.closer):
            long = _is_long(data, element.start, element.end, limits.row_bytes)
            end = element.end + (not element.closed)
            if element.closed and not long:
                end = len(data[:end].rstrip(SPACE))
            if rows and (long or end > limits.block_bytes):
                return Cut(size, rows)
            if long:
                return Cut(end, 1, fault=row_too_long(limits.row_bytes))
            size, rows = end, rows + 1
            if element.closed or rows == limits.rows:
                return Cut(size, rows)
        long = _is_long(data, size, len(data), limits.row_bytes)
        blank = len(data) - size > _MOST_SPACE and not data[size:].strip(SPACE)
        if rows and (long or blank or tail is not Tail.COMING):
            return Cut(size, rows)
        if long:
            search = ElementEnd(self.closer)
            search.find(data)
            return Cut(len(data), 1, fault=row_too_long(limits.row_bytes), rest=search)
        return Cut(len(data)) if blank else None

    def directive(self, data: bytes) -> bytes:  # noqa: ARG002 -- as the protocol wants it
        """See `Format.directive`: there are none."""
        return b""

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`: the closing bracket and those of the objects around it."""
        rest = rest.strip(SPACE)
        if not self.depth:
            return rest == self.closer
        try:
            decode(b'{"":' * self.depth + b'""' + rest.removeprefix(self.closer))
        except JSONDecodeError:
            return False
        return rest.startswith(self.closer)

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:  # noqa: ARG002 -- each element is a row
        """See `Format.slices`."""
        # In a valid block, the parser finds the same elements as `elements`. Only an invalid
        # block, or one with wide rows, is split first.
        if self.closer == b"}":
            yield from self._members(block)
            return
        rows = _decoded(block.data) if len(block.data) <= _MOST_AT_ONCE else None
        if rows is None:
            # The added bracket ends the last element, even if it is blank.
            spans = elements(block.data + b"]")
            texts = [block.data[start:end].lstrip(SPACE) for start, end, _ in spans]
            numbers = range(block.first_line, block.first_line + len(texts))
            yield from parse_rows(texts, numbers, self.row_bytes)
            return
        for start in range(0, len(rows), SLICE_ROWS):
            some = rows[start : start + SLICE_ROWS]
            first = block.first_line + start
            yield Slice(some, range(first, first + len(some)))

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """See `Format.texts`."""
        if self.closer == b"}":
            members = enumerate(self._texts(block), block.first_line)
            return {line: _split(text)[1] for line, text in members if line in lines}
        spans = enumerate(elements(block.data + b"]"), block.first_line)
        return {line: block.data[each.start : each.end] for line, each in spans if line in lines}

    def _texts(self, block: Block) -> list[bytes]:
        spans = elements(block.data + self.closer, self.closer)
        return [block.data[start:end].strip(SPACE) for start, end, _ in spans]

    def _members(self, block: Block) -> Iterator[Slice]:
        """Parse the members of an object, and put their names into their values."""
        members = list(map(_split, self._texts(block)))
        numbers = range(block.first_line, block.first_line + len(members))
        names = {number: name for number, (name, _) in zip(numbers, members, strict=True)}
        for part in parse_rows([text for _, text in members], numbers, self.row_bytes):
            for line, row in zip(part.lines, part.rows, strict=True):
                if isinstance(row, dict):
                    row.setdefault(KEY, decode(names[line]))
            yield part


def _split(member: bytes) -> tuple[bytes, bytes]:
    """Return the name and the value of a member; an invalid one has a value that is not JSON."""
    found = _NAME.match(member)
    if found is None:
        return b'""', member and member + b":"
    try:
        decode(found[1])
    except JSONDecodeError:
        return b'""', member
    return found[1], member[found.end() :] or b":"


def _decoded(data: bytes) -> list[Any] | None:
    """Return the elements of a block, or None if one of them is invalid."""
    try:
        rows: list[Any] = decode(b"[" + data.rstrip(SPACE).removesuffix(b",") + b"]")
    except JSONDecodeError:
        return None
    return rows
