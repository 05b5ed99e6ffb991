"""Reads JSON values that follow one another, pretty-printed or several on a line.

A file of values has no frame: each value ends where its brackets are closed. If values are on lines
of their own, a row is all text up to a newline outside brackets, and its number is a line. If
several values are on a line, each one is a row, and its number counts the values; commas, and the
brackets of arrays around the values, only separate them.

A value that is never closed must not swallow the values after it. So a string ends at its line,
because JSON has no line breaks in strings; a row also ends before a line that starts with `{`, if
no value of the file has lines like that inside; and a value ends between `}` and `{`, which never
follow each other inside a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from miso_upload.sources.formats.base import Cut, Tail
from miso_upload.sources.formats.json_array import nested
from miso_upload.sources.formats.json_rows import SPACE, parse_rows
from miso_upload.sources.formats.lines import row_too_long
from miso_upload.sources.formats.padding import BOM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records import Block, Slice
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.base import Limits

_MOST_SPACE = 2**20
"""How many bytes of separators are held in memory before other bytes follow."""
_BETWEEN = SPACE + b",[]\0"
"""What separates values that share lines, apart from byte order marks. A block can end before the
padding of a line, so NULs and marks separate values too."""

_STRING = rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"'
_STRING_TAIL = re.compile(rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+')
_MARK = re.compile(rb'["\n]|[\[{]++|[\]}]')
_DEPTH = 6

_SEPARATORS = re.compile(rb"(?:[" + re.escape(_BETWEEN) + rb"]++|(?:" + re.escape(BOM) + rb")++)*+")
_NO_VALUE = re.compile(rb"[^\n{]*+")
_NEXT = re.compile(rb"[ \t\r\n]*+")
_PLAIN = rb'[^"\[\]{}]*+'


@cache
def _row_pattern(*, restarts: bool) -> re.Pattern[bytes]:
    """Return a pattern for the rows of `_LineEnd`, if their nesting is not unusually deep."""
    plain = rb'[^"\[\]{}\n]*+'
    inner = plain + rb"(?:\n(?!\{)" + plain + rb")*+" if restarts else _PLAIN
    return re.compile(nested(plain, _DEPTH, inner, _STRING) + rb"\n")


@cache
def _value_pattern() -> re.Pattern[bytes]:
    """Return a pattern for the values of `_ValueEnd` with the separators before them."""
    # Without `}{`, which `_ValueEnd` finds, and without strings that do not end on their line.
    close = rb"(?:\]|\}(?![ \t\r\n]*+\{))"
    inner = nested(_PLAIN, _DEPTH, _PLAIN, _STRING, close)
    return re.compile(_SEPARATORS.pattern + rb"\{" + inner + rb"\}")


class _Search:
    """Finds an end in chunks of bytes: the brackets and strings around the current position."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def _take(self, mark: bytes) -> None:
        """Enter a string, or enter or leave brackets."""
        if mark == b'"':
            self._in_string = True
        elif mark[0] in b"[{":
            self._depth += len(mark)
        elif self._depth and mark != b"\n":
            self._depth -= 1

    def _leave_string(self, data: bytes, at: int) -> int:
        """Return where the string that contains `at` ends, or the end of `data`."""
        if self._escaped:
            self._escaped = False
            if data[at] != _NEWLINE:
                return at + 1
        tail = _STRING_TAIL.match(data, at)
        end = tail.end() if tail else at
        if end < len(data) and data[end : end + 1] != b"\\":
            self._in_string = False
            return end + (data[end] != _NEWLINE)
        self._escaped = end < len(data)
        return end + 1


_NEWLINE = 10


class _LineEnd(_Search):
    """Finds the end of a row of lines.

    Args:
        restarts: Whether a line that starts with `{` always starts a row.
    """

    def __init__(self, *, restarts: bool) -> None:
        super().__init__()
        self._restarts = restarts
        self._at_line = False

    def find(self, data: bytes, start: int = 0) -> int | None:
        """See `RowEnd.find`."""
        at = start
        while at < len(data):
            if self._at_line:
                self._at_line = False
                if data.startswith(b"{", at):
                    return at
            if self._in_string:
                at = self._leave_string(data, at)
                continue
            mark = _MARK.search(data, at)
            if mark is None:
                return None
            at = mark.end()
            if mark[0] == b"\n":
                if not self._depth:
                    return at
                self._at_line = self._restarts
            else:
                self._take(mark[0])
        return None


class _ValueEnd(_Search):
    """Finds the end of a value that starts with `{`, or of text before the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = self._is_text = self._closed = False

    def find(self, data: bytes, start: int = 0) -> int | None:
        """See `RowEnd.find`."""
        at = start
        if not self._begun:
            at = _end(_SEPARATORS, data, at)
            self._begun = at < len(data)
            self._is_text = not data.startswith(b"{", at)
        if not self._is_text:
            return self._find_bracket(data, at)
        at = _end(_NO_VALUE, data, at)
        return None if at == len(data) else at + (data[at] == _NEWLINE)

    def _find_bracket(self, data: bytes, at: int) -> int | None:
        """Return where the value that contains `at` ends, or where the next one starts."""
        while at < len(data):
            if self._in_string:
                at = self._leave_string(data, at)
                continue
            if self._closed:
                at = _end(_NEXT, data, at)
                self._closed = at == len(data)
                if data.startswith(b"{", at):
                    return at
            mark = _MARK.search(data, at)
            if mark is None:
                return None
            at = mark.end()
            self._take(mark[0])
            if mark[0] in b"]}" and not self._depth:
                return at
            self._closed = mark[0] == b"}"
        return None


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at


@dataclass(frozen=True, slots=True)
class JsonValues:
    """JSON values one after the other.

    Attributes:
        row_bytes: The most bytes in a row.
        by_line: Whether values are on lines of their own, so that their numbers are lines.
        restarts: Whether a line that starts with `{` always starts a row.
    """

    row_bytes: int
    by_line: bool = True
    restarts: bool = True
    name: str = "json"
    columns: tuple[str, ...] | None = None
    preset: str | None = None
    has_directives: bool = False
    skips_directives: bool = False
    repeated: tuple[str, ...] = ()
    comma_ends_row: bool = False
    remark: str = ""

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`."""
        size = rows = 0
        for end in self._ends(data, tail):
            long = self._is_long(data, size, end, limits.row_bytes)
            if rows and (long or end > limits.block_bytes):
                break
            if long:
                return self._cut(end, 1)._replace(fault=row_too_long(limits.row_bytes))
            size, rows = end, rows + 1
            if rows == limits.rows:
                return self._cut(size, rows)
        else:
            long = self._is_long(data, size, len(data), limits.row_bytes)
            if not rows and long:
                return self._cut_long(data, limits)
            if not rows and len(data) > _MOST_SPACE and not self._text(data):
                return Cut(len(data))
            if not (long or tail is not Tail.COMING):
                return None
        return self._cut(size, rows) if rows else None

    def _cut(self, size: int, rows: int) -> Cut:
        return Cut(size, 0 if self.by_line else rows)

    def _cut_long(self, data: bytes, limits: Limits) -> Cut:
        search = self._search()
        search.find(data)
        return self._cut(len(data), 1)._replace(fault=row_too_long(limits.row_bytes), rest=search)

    def _is_long(self, data: bytes, start: int, end: int, row_bytes: int) -> bool:
        return end - start > row_bytes and len(self._text(data[start:end])) > row_bytes

    def _text(self, data: bytes) -> bytes:
        """Return the text of a row without what is around it."""
        if self.by_line:
            return data.strip(SPACE + b",")
        return data[_end(_SEPARATORS, data, 0) :].rstrip(_BETWEEN)

    def directive(self, data: bytes) -> bytes:  # noqa: ARG002 -- as the protocol wants it
        """See `Format.directive`: there are none."""
        return b""

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`: only separators can follow the last value."""
        return not self._text(rest)

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:  # noqa: ARG002 -- each value is a row
        """See `Format.slices`."""
        rows = list(self._rows(block))
        yield from parse_rows([text for _, text in rows], [at for at, _ in rows], self.row_bytes)

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """See `Format.texts`."""
        return {at: text for at, text in self._rows(block) if at in lines}

    def _rows(self, block: Block) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the text of each row, without separators."""
        data, start, number = block.data, 0, block.first_line
        for end in self._ends(data, Tail.LAST):
            text = data[start:end]
            yield number, self._text(text)
            number += text.count(b"\n") if self.by_line else 1
            start = end

    def _search(self) -> _LineEnd | _ValueEnd:
        return _LineEnd(restarts=self.restarts) if self.by_line else _ValueEnd()

    def _ends(self, data: bytes, tail: Tail) -> Iterator[int]:
        """Yield the ends of the rows in `data`, as far as they are known."""
        match = (_row_pattern(restarts=self.restarts) if self.by_line else _value_pattern()).match
        start = 0
        while start < len(data):
            found = match(data, start)
            end = found.end() if found else self._search().find(data, start)
            if end is None:
                if tail is Tail.LAST and self._text(data[start:]):
                    yield len(data)
                return
            yield end
            start = end
