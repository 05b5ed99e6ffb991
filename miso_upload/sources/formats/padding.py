"""Skips NULs and byte order marks at the start of lines, which are not part of any row.

A crash, a full disk or `copytruncate` leaves them: the file's size was set, but its bytes were
never written. There can be gigabytes of them, so long runs of NULs are cut into blocks of their
own. Joining files that start with byte order marks leaves these. A NUL or a mark anywhere else is
an ordinary character of its row.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from miso_upload.sources.formats.base import Cut, Tail
from miso_upload.sources.formats.wrapping import WrappingFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from miso_upload.records import Block, Slice
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.base import Limits

NUL = b"\0"
BOM = b"\xef\xbb\xbf"
_PADDING = re.compile(rb"(?<=\n)(?:\0++|(?:\xef\xbb\xbf)++)++")
_FIRST = re.compile(rb"(?:\0++|(?:\xef\xbb\xbf)++)*+")
_MANY = 2**22
"""How many NULs are held in memory together with the rows around them."""


def without_padding(data: bytes, *, at_line: bool = True) -> bytes:
    """Return `data` without the padding at the start of its lines.

    Args:
        data: The bytes.
        at_line: Whether they start at a line, as all blocks do except those of an array on one
            line.
    """
    if not _may_have_padding(data):
        return data
    data = data[_leading(data) :] if at_line else data
    return _PADDING.sub(b"", data) if _has_padding(data, at_line=False) else data


def _may_have_padding(data: bytes) -> bool:
    # Searching for a single byte is ten times faster, and few texts have the first byte of a mark.
    return NUL in data or (BOM[:1] in data and BOM in data)


def _leading(data: bytes) -> int:
    found = _FIRST.match(data)
    return found.end() if found else 0


def size_with_padding(data: bytes, size: int, *, at_line: bool = True) -> int:
    """Return the position in `data` after the first `size` bytes of `without_padding(data)`.

    Padding after them is not counted.
    """
    reached = _leading(data) if size and at_line else 0
    for found in _PADDING.finditer(data, reached):
        if found.start() - reached >= size:
            break
        size -= found.start() - reached
        reached = found.end()
    return reached + size


def nuls_in(data: bytes, *, at_line: bool = True) -> int:
    """Return how many NULs `without_padding` removes."""
    if NUL not in data:
        return 0
    return data.count(NUL) - without_padding(data, at_line=at_line).count(NUL)


def _has_padding(data: bytes, *, at_line: bool) -> bool:
    if not _may_have_padding(data):
        return False
    first = at_line and data.startswith((NUL, BOM))
    return first or b"\n\0" in data or b"\n" + BOM in data


class PaddedPeek:
    """The beginning of a source without its padding, but with a byte order mark at its start.

    Args:
        peek: Returns this many bytes with the padding, or all bytes if there are fewer.
    """

    def __init__(self, peek: Callable[[int], bytes]) -> None:
        self._peek = peek

    def __call__(self, size: int) -> bytes:
        """Return the first `size` bytes, or all bytes if there are fewer."""
        data = self._padded(size)
        mark = _mark(data)
        return (data[:mark] + without_padding(data[mark:], at_line=not mark))[:size]

    def size_with_padding(self, size: int) -> int:
        """Return the size of the first `size` bytes including the padding before and in them."""
        data = self._padded(size)
        mark = min(_mark(data), size)
        return mark + size_with_padding(data[mark:], size - mark, at_line=not mark)

    def _padded(self, size: int) -> bytes:
        wanted = size
        while True:
            data = self._peek(wanted)
            missing = size - len(without_padding(data))
            if missing <= 0 or len(data) < wanted or wanted > size + _MANY:
                return data
            # At least twice as many each time, so that a long padding is not scanned too often.
            wanted += max(missing, wanted)


def _mark(data: bytes) -> int:
    return len(BOM) if data.startswith(BOM) else 0


class Unpadded(WrappingFormat):
    """A format whose lines may start with padding, which is removed before `rows` reads them."""

    def directive(self, data: bytes) -> bytes:
        """See `Format.directive`."""
        return self.rows.directive(without_padding(data, at_line=self.by_line))

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`; a block that contains only padding has no rows."""
        if not _has_padding(data, at_line=self.by_line):
            return self.rows.cut(data, limits, tail)
        if self.by_line and len(data) >= _MANY and not data[:_MANY].strip(NUL):
            # The block is not larger, since the next one is searched in slightly more bytes.
            return Cut(_MANY)
        clean = without_padding(data, at_line=self.by_line)
        if not clean:
            return None
        many = len(data) - len(clean) >= _MANY
        cut = self.rows.cut(clean, limits, Tail.WAITING if many and tail is Tail.COMING else tail)
        if cut is None and many:
            # The padding follows a line that does not end a row.
            cut = self.rows.cut(clean, limits, Tail.LAST)
        if cut is None:
            return None
        size = size_with_padding(data, cut.size, at_line=self.by_line)
        if not self.by_line and data[:size].endswith(b"\n"):
            # The next block would not know that it starts at a line.
            size += _leading(data[size:])
            if size == len(data) < _MANY and tail is Tail.COMING:
                return None
        return cut._replace(size=size)

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`."""
        return self.rows.ends_well(without_padding(rest, at_line=self.by_line))

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """See `Format.texts`."""
        if _has_padding(block.data, at_line=self.by_line):
            block = replace(block, data=without_padding(block.data, at_line=self.by_line))
        return self.rows.texts(block, lines)

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """See `Format.slices`."""
        if _has_padding(block.data, at_line=self.by_line):
            block = replace(block, data=without_padding(block.data, at_line=self.by_line))
        return self.rows.slices(block, is_record)
