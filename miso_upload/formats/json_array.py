"""One JSON array at the top level, read as a stream of its elements.

The elements are found by looking at strings, brackets and commas only, so a broken element does not
hide the next one; what each of them says is for the JSON parser. A block starts behind the opening
bracket or behind a comma, so reading can go on from any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.formats.base import Cut
from miso_upload.formats.json_rows import parse_rows
from miso_upload.formats.lines import row_too_long
from miso_upload.records import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.formats.base import Limits, Slice
    from miso_upload.records import Block

# A whole string, a quote that opens one whose end is not at hand, or a mark of structure.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_SPACE = b" \t\r\n"

_NOT_CLOSED = Reason("the array", "is not closed: the file ends inside an element or before its ]")
_AFTER_END = Reason("the file", "goes on after the array's closing ]")


class _Element(NamedTuple):
    start: int
    end: int
    closed: bool
    """The array's own `]` stands at `end`, and not a comma."""


def elements(data: bytes) -> Iterator[_Element]:
    """Yield where each whole element of `data` starts and ends; what is left over is not whole."""
    start = depth = 0
    for token in _TOKEN.finditer(data):
        text = token[0]
        if text == b'"':
            return
        if text in b"[{":
            depth += 1
        elif text in b"]}":
            depth -= 1
            if depth < 0:
                yield _Element(start, token.start(), closed=True)
                return
        elif text == b"," and not depth:
            yield _Element(start, token.start(), closed=False)
            start = token.end()


@dataclass(frozen=True, slots=True)
class JsonArray:
    """A top-level JSON array of rows."""

    row_bytes: int
    name: str = "json"
    columns: tuple[str, ...] | None = None
    by_line: bool = False

    def cut(self, data: bytes, limits: Limits, *, final: bool) -> Cut | None:
        """See `Format.cut`: a block ends behind a comma, or before the closing bracket."""
        if data.lstrip(_SPACE).startswith(b"]"):
            return self._cut_end(data, final=final)
        size = rows = 0
        for element in elements(data):
            if element.end > limits.block_bytes and rows:
                return Cut(size, rows)
            size = element.end if element.closed else element.end + 1
            rows += 1
            if element.closed or rows == limits.rows:
                return Cut(size, rows)
        if not final and len(data) <= limits.block_bytes:
            return None
        if rows:
            return Cut(size, rows)
        if not data.strip(_SPACE):
            return Cut(len(data))
        fault = _NOT_CLOSED if final else row_too_long(limits.row_bytes)
        return Cut(len(data), 1, fault=fault, to_end=True)

    def _cut_end(self, data: bytes, *, final: bool) -> Cut | None:
        behind = data.lstrip(_SPACE)[1:].strip(_SPACE)
        if behind:
            return Cut(len(data), 1, fault=_AFTER_END, to_end=True)
        return Cut(len(data)) if final else None

    def incomplete(self, data: bytes) -> int:
        """See `Format.incomplete`: what stands behind the last comma."""
        size = 0
        for element in elements(data):
            size = element.end + (not element.closed)
        return len(data) - size

    def ends_well(self, data: bytes) -> bool:
        """See `Format.ends_well`: behind the closing bracket."""
        return data.rstrip(_SPACE).endswith(b"]")

    def slices(self, block: Block) -> Iterator[Slice]:
        """See `Format.slices`."""
        texts: list[bytes] = []
        numbers: list[int] = []
        for number, (start, end) in enumerate(self._bounds(block.data), block.first_line):
            text = block.data[start:end].strip(_SPACE)
            if text:
                texts.append(text)
                numbers.append(number)
        return parse_rows(texts, numbers, self.row_bytes)

    def _bounds(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield the span of each element of a block, the last of which no comma follows."""
        end = 0
        for element in elements(data):
            yield element.start, element.end
            end = element.end + 1
            if element.closed:
                return
        yield end, len(data)
