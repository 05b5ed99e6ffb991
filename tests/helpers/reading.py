"""Reads sources in tests, with bytes in pieces of any size, and collects their rows."""

from __future__ import annotations

import io
import itertools
import re
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st

from miso_upload.errors import DamagedSourceError
from miso_upload.sources import ReadingOptions, Source, source, stream
from miso_upload.sources.formats.quote_checks import line_of_cell

MEGABYTE = 2**20


def unpadded(data):
    """Return `data` without the NULs and byte order marks at the start of its lines."""
    return re.sub(rb"(?m)^(?:\0|\xef\xbb\xbf)+", b"", data)


class Pieces(io.RawIOBase):
    """An input that is not seekable and returns its bytes in pieces of given sizes."""

    def __init__(self, data, sizes=(MEGABYTE,)):
        self._left = memoryview(data)
        self._sizes = itertools.cycle(sizes)

    def readable(self):
        """See `io.IOBase.readable`."""
        return True

    def readinto(self, buffer):
        """Fill a part of `buffer`."""
        size = min(len(buffer), next(self._sizes), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


@dataclass
class Found:
    """The rows and rejections of a source by line, its blocks, and its damage."""

    rows: list = field(default_factory=list)
    rejections: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    counts: list = field(default_factory=list)
    damage: str | None = None
    body_start: int = 0
    body_line: int = 1

    @property
    def all(self):
        """Everything except the blocks."""
        return self.rows, self.rejections, self.damage

    @property
    def values(self):
        """The rows without their lines."""
        return [row for _, row in self.rows]

    @property
    def reasons(self):
        """The line and the text of each rejection."""
        return [(line, text) for line, text, _ in self.rejections]

    def from_line(self, line):
        """Everything in `line` and after it."""
        return (
            [found for found in self.rows if found[0] >= line],
            [found for found in self.rejections if found[0] >= line],
            self.damage,
        )


def options(*, rows=10_000, row_bytes=MEGABYTE, **others):
    return ReadingOptions.of(chunk_size=rows, max_row_bytes=row_bytes, **others)


def read_source(opened, start=None, line=None, is_record=None):
    """Read an open source to its end, from its first row or from an offset."""
    found = Found(body_start=opened.body_start, body_line=opened.body_line)
    start = opened.body_start if start is None else start
    try:
        for block in opened.blocks(start, opened.body_line if line is None else line):
            found.blocks.append(block)
            found.counts.append(_take(opened, block, found, is_record))
    except DamagedSourceError as error:
        found.damage = str(error).partition(": ")[2]
    found.rejections.sort(key=lambda rejection: rejection[0])
    return found


def _take(opened, block, found, is_record):
    """Collect the rows of a block, and return their number."""
    if block.fault is not None:
        shown = block.data.decode(errors="replace").rstrip("\r\n")
        found.rejections.append((block.first_line, block.fault.text, shown))
        return 1
    count = 0
    for part in opened.format.slices(block, is_record):
        found.rows += zip(part.lines, part.rows, strict=True)
        found.rejections += [
            (each.line, each.reasons[0].text, each.row) for each in part.rejections
        ]
        count += len(part.rows) + len({_row_of(each) for each in part.rejections})
    return count


def _row_of(rejection):
    """Return a key that is equal for all lines of one row, each of which may be rejected."""
    (reason, *_) = rejection.reasons
    return reason.shown if reason.group == line_of_cell(1, 2).group else rejection.line


def read(data, pieces=(MEGABYTE,), *, start=None, line=None, is_record=None, **others):
    """Read `data` from standard input, in pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=Pieces(data, pieces)))
        if min(pieces) < MEGABYTE:
            patch.setattr(source, "_FIRST_BYTES", 1)
            patch.setattr(source, "READ_BYTES", 1)
            patch.setattr(stream, "READ_BYTES", 4)
        with Source("-", options(**others)) as opened:
            return read_source(opened, start, line, is_record)


def read_file(path, *, start=None, line=None, **others):
    with Source(str(path), options(**others)) as opened:
        return read_source(opened, start, line)


def assert_complete(data, found, *, rows=10_000, block_bytes=2**25, between=b" "):
    """Assert that the blocks of a source have no gaps and are not too large.

    Only bytes of `between` may follow the last block, or the end of an array.
    """
    ends = [found.body_start, *(block.end for block in found.blocks)]
    assert [block.start for block in found.blocks] == ends[:-1]
    assert all(block.end > block.start for block in found.blocks)
    for block, count in zip(found.blocks, found.counts, strict=True):
        assert count <= rows
        assert count <= 1 or len(unpadded(block.data)) <= block_bytes
    if found.damage is None:
        assert unpadded(data[ends[-1] :]).strip().strip(between) in (b"", b"]")
    else:
        assert ends[-1] <= len(data)


PIECES = st.lists(st.integers(1, 9), min_size=1, max_size=4) | st.just([MEGABYTE])
"""Sizes of pieces."""

CUTS = st.fixed_dictionaries(
    {"rows": st.sampled_from([1, 2, 3, 10_000]), "block_bytes": st.sampled_from([1, 9, 40, 2**25])}
)
"""Limits of blocks."""


def texts_of(*fragments):
    """Bytes joined from `fragments` that may interact, and that do not start like LZMA."""
    texts = st.lists(st.sampled_from(fragments), max_size=30).map(b"".join)
    return texts.filter(lambda text: not text.startswith(b"]\0\0"))
