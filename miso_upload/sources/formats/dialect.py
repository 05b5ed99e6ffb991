"""Parses the cells of a delimited file in its dialect: delimiter, quote and escape.

The grammar is RFC 4180. A quoted cell closes before a delimiter or a line end. A quote inside a
cell that does not begin with one is an ordinary character. Text that does not match the grammar is
read literally, up to the next delimiter of its line.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.sources.options import WHITESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUOTE = '"'
_SPACES = re.compile(rb"[ \t]+")
_SPACES_OF_TEXT = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The dialect of delimited rows.

    Attributes:
        delimiter: Separates cells; `WHITESPACE` for any run of spaces and tabs.
        quote: Encloses cells that contain delimiters or line breaks; empty for no quotes.
        escape: Escapes a quote, a delimiter, a line break or itself, and is an ordinary character
            before anything else; empty for no escapes.
        decided: Whether the user chose the quote, so that there are no warnings about it.
        comment: Starts lines that are passed over; empty for none.
    """

    delimiter: str
    quote: str = QUOTE
    escape: str = ""
    decided: bool = False
    comment: str = ""

    @property
    def is_whitespace(self) -> bool:
        """Whether any run of spaces and tabs separates cells."""
        return self.delimiter == WHITESPACE

    def count(self, text: bytes) -> int:
        """Return how many delimiters `text` contains."""
        if self.is_whitespace:
            return len(_SPACES.findall(text.strip(b" \t")))
        return text.count(self.delimiter.encode())

    def split(self, lines: list[str]) -> list[list[str]]:
        """Return the cells of lines without quotes and escapes."""
        if self.is_whitespace:
            return [_SPACES_OF_TEXT.split(line.strip(" \t")) for line in lines]
        delimiter = self.delimiter
        return [line.split(delimiter) for line in lines]

    @property
    def is_plain(self) -> bool:
        """Whether every line is a row, split at its delimiters."""
        return not (self.quote or self.escape)

    def may_go_on(self, data: bytes, start: int, end: int) -> bool:
        """Return whether a part of `data` contains a mark that can put a line break into a cell."""
        return any(
            mark and data.find(mark.encode(), start, end) >= 0 for mark in (self.quote, self.escape)
        )

    def read(self, rows: Iterable[str]) -> list[list[str]] | None:
        """Return the cells of texts, each a complete row; None if one may be malformed."""
        if len(self.delimiter) > 1:
            return None  # The library supports one character.
        try:
            return list(
                csv.reader(rows, delimiter=self.delimiter, quotechar=self.quote, strict=True)
            )
        except csv.Error:
            return None

    def cells(self, row: bytes) -> Iterator[Cell]:
        """Yield the cells of a row without its line end."""
        patterns = _patterns(self)
        at = 0
        if self.is_whitespace:
            row = row.rstrip(b" \t")
            at = len(row) - len(row.lstrip(b" \t"))
        while True:
            found = patterns.cell.match(row, at)
            malformed = found is None
            if found is None:
                found = patterns.literal.match(row, at)
            # A literal cell can be empty, so this always matches.
            end = found.end() if found else len(row)
            yield Cell(at, end, row[at:end], malformed)
            if end >= len(row):
                return
            mark = patterns.mark.match(row, end)
            at = mark.end() if mark else len(row)

    def text(self, cell: Cell) -> str:
        """Return the value of a cell; bytes that are not UTF-8 become surrogates."""
        raw, quote, escape = cell.raw, self.quote.encode(), self.escape.encode()
        if quote and not cell.malformed and raw.startswith(quote):
            raw = raw[len(quote) : -len(quote)]
            if escape and escape in raw:
                raw = _patterns(self).marks.sub(_unescaped, raw)
            else:
                raw = raw.replace(quote + quote, quote)
        elif escape and escape in raw and not cell.malformed:
            raw = _patterns(self).escaped.sub(_unescaped, raw)
        return raw.decode(errors="surrogateescape")


def allow_cells_of(size: int) -> None:
    """Let `Dialect.read` read cells of `size` bytes; never lowers the limit of the process."""
    if csv.field_size_limit() < size:
        csv.field_size_limit(size)


class Cell(NamedTuple):
    """A cell in a row: its position, its bytes, and whether it breaks the rules of quoting."""

    start: int
    end: int
    raw: bytes
    malformed: bool


def _unescaped(found: re.Match[bytes]) -> bytes:
    return found[1] or found[2]


class _Patterns(NamedTuple):
    mark: re.Pattern[bytes]
    cell: re.Pattern[bytes]
    literal: re.Pattern[bytes]
    escaped: re.Pattern[bytes]
    """An escaped character outside quotes; its group is the character."""
    marks: re.Pattern[bytes]
    """The same inside quotes, where a quote is doubled too."""


class _Grammar:
    """The building blocks of the patterns; possessive, so that matching takes linear time."""

    def __init__(self, dialect: Dialect) -> None:
        mark, quote, escape = (
            re.escape(char).encode() for char in (dialect.delimiter, dialect.quote, dialect.escape)
        )
        marks = [mark]
        if dialect.is_whitespace:
            mark, marks = rb"[ \t]++", [b" ", rb"\t"]
        self.mark, self.quote, self.marks = mark, quote, marks
        self.special = b"|".join(filter(None, (mark, quote, escape, rb"\r?\n")))
        plain = _none_of([*marks, escape], rb"\n")
        # White space at both ends of a row separates nothing.
        self.before = rb"[ \t]*+" if dialect.is_whitespace else b""
        self.after = rb"[ \t]*+" if dialect.is_whitespace else b"(?:" + mark + b")?+"
        comment = re.escape(dialect.comment).encode()
        self.comment = comment and comment + rb"[^\n]*+"
        inner = _none_of([quote, escape], b"")
        if escape:
            pair = escape + b"(?:" + self.special + b")?+"
            self.plain = b"(?:" + plain + b"++|" + pair + b")*+"
            self.inner = b"(?:" + inner + b"++|" + quote * 2 + b"|" + pair + b")*+"
        else:
            self.plain = plain + b"*+"
            self.inner = inner + b"*+(?:" + quote * 2 + inner + b"*+)*+"
        if dialect.is_whitespace:
            self.plain = self.plain.removesuffix(b"*+") + b"++"

    def unquoted(self) -> bytes:
        return (b"(?!" + self.quote + b")" if self.quote else b"") + self.plain

    def cell(self, *, last: bool) -> bytes:
        """Return the pattern of a cell; with `last`, the end of the data ends a row too."""
        if not self.quote:
            return self.plain
        end = rb"\n|\Z" if last else rb"\n"
        closed = rb"(?=" + self.mark + rb"|" + self.before + rb"\r*+(?:" + end + rb"))"
        quoted = self.quote + self.inner + self.quote + closed
        return b"(?:" + quoted + b"|" + self.unquoted() + b")"


def _none_of(marks: list[bytes], others: bytes) -> bytes:
    """Return a pattern for one byte that starts none of `marks` and is not in `others`."""
    marks = [mark for mark in marks if mark]
    if all(len(mark.removeprefix(b"\\")) == 1 for mark in marks):
        return b"[^" + b"".join(marks) + others + b"]"
    rest = b"[^" + others + b"]" if others else rb"[\s\S]"
    return b"(?:(?!" + b"|".join(marks) + b")" + rest + b")"


@cache
def _patterns(dialect: Dialect) -> _Patterns:
    grammar = _Grammar(dialect)
    ended = b"(?=" + grammar.mark + rb"|\Z)"
    escape = re.escape(dialect.escape).encode() or b"(?!)"
    escaped = escape + b"(" + grammar.special + b")"
    quote = grammar.quote or b"(?!)"
    return _Patterns(
        re.compile(grammar.mark),
        re.compile(grammar.cell(last=True) + ended),
        re.compile(_none_of(grammar.marks, b"") + b"*+"),
        re.compile(escaped + b"|((?!))"),
        re.compile(escaped + b"|" + quote + b"(" + quote + b")"),
    )


@cache
def row_pattern(dialect: Dialect, columns: int | None, *, last: bool) -> re.Pattern[bytes]:
    """Return a pattern for complete rows of `columns` cells, or of any number if it is None."""
    grammar = _Grammar(dialect)
    cell = grammar.cell(last=last)
    times = b"*+" if columns is None else b"{%d}+" % (columns - 1)
    end = rb"(?:\n|\Z)" if last else rb"\n"
    # A delimiter after the last cell ends it.
    after = grammar.after if columns is not None or dialect.is_whitespace else b""
    row = cell + b"(?:" + grammar.mark + cell + b")" + times + after + rb"\r*+" + end
    row = grammar.before + row
    return re.compile(
        b"(?:" + grammar.comment + end + b"|" + row + b")" if grammar.comment else row
    )


@cache
def open_pattern(dialect: Dialect, columns: int | None) -> re.Pattern[bytes]:
    """Return a pattern for the beginning of such a row; its group `open` is the last cell."""
    grammar = _Grammar(dialect)
    before = b"(?:" + grammar.cell(last=False) + grammar.mark + b")"
    times = b"*+" if columns is None else b"{0,%d}+" % (columns - 1)
    # A closing quote, followed by a delimiter or a part of one, and by a part of a line end.
    delimiter = dialect.delimiter.encode()
    parts = [re.escape(delimiter[:size]) for size in range(len(delimiter), 0, -1)]
    closing = b"(?:" + grammar.quote + b"(?:" + b"|".join(parts) + rb")?+\r*+\Z)?+"
    quoted = grammar.quote + grammar.inner + closing + b"|" if grammar.quote else b""
    return re.compile(
        grammar.before + before + times + b"(?P<open>" + quoted + grammar.unquoted() + rb")\Z"
    )


__all__ = ["QUOTE", "Cell", "Dialect", "allow_cells_of", "open_pattern", "row_pattern"]
