"""Implements the row format of access logs, in which each line is one request.

A line is read with the columns of the last `#Fields:` line, if there is one, or with the first
layout that matches. So a log can change its layout in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from miso_upload.records import Reason, Rejection, Slice
from miso_upload.sources.formats.access_log.diagnosis import NO_LOG_LINE, mismatch
from miso_upload.sources.formats.access_log.escapes import with_valid_text
from miso_upload.sources.formats.access_log.known import known_layouts
from miso_upload.sources.formats.access_log.layout import pieces_of, reader_of
from miso_upload.sources.formats.access_log.notation import layout_of
from miso_upload.sources.formats.access_log.w3c import DIRECTIVE, reader_under, wrong_width
from miso_upload.sources.formats.base import SLICE_CELLS, SLICE_ROWS
from miso_upload.sources.formats.lines import cut_lines, row_too_long
from miso_upload.values.display import decoded_row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from miso_upload.records import Block
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.access_log.layout import Layout, Piece
    from miso_upload.sources.formats.base import Cut, Limits, Tail

    Row = dict[str, str]
    LineParser = Callable[[str], Row | Reason | None]

BOM = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")
_ROWS_ONLY = {dict}
_BLANK = " \t\r\v\f"
_SHOWN_BYTES = 200
UNFIT = Reason("the line", "does not match --log-format")
_BEFORE_FIELDS = Reason("the line", "comes before the first #Fields line, which names the columns")


@dataclass(frozen=True, slots=True)
class AccessLog:
    """The format of a web server's access log.

    Attributes:
        row_bytes: The longest line that is read.
        log_format: The layout in the notation of nginx or Apache; None for the built-in layouts.
        has_directives: Whether it is a log in the W3C format, whose `#Fields:` lines apply.
    """

    row_bytes: int
    log_format: str | None = None
    has_directives: bool = False
    skips_directives: bool = False
    repeated: tuple[str, ...] = ()
    comma_ends_row: bool = False
    name: str = "log"
    preset: str | None = "web-log"
    columns: tuple[str, ...] | None = None
    by_line: bool = True
    remark: str = ""

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`: every line is a row."""
        return cut_lines(data, limits, tail)

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`: there is no end marker."""
        return not rest

    def directive(self, data: bytes) -> bytes:
        """See `Format.directive`: the last `#Fields:` line."""
        if not self.has_directives:
            return b""
        end = len(data)
        while (start := data.rfind(DIRECTIVE, 0, end)) >= 0:
            at_mark = start == len(BOM) and data.startswith(BOM)
            if start == 0 or at_mark or data[start - 1] == _NEWLINE:
                stop = data.find(b"\n", start)
                if 0 <= stop <= start + self.row_bytes:
                    return data[start:stop].rstrip(b"\r")
            end = start
        return b""

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:  # noqa: ARG002 -- each line is a row
        """See `Format.slices`; comments are ignored like blank lines."""
        data = block.data.replace(b"\r\n", b"\n")
        try:
            texts, is_utf8 = data.decode().split("\n"), True
        except UnicodeDecodeError:
            texts, is_utf8 = data.decode(errors="surrogateescape").split("\n"), False
        if not texts[-1]:
            texts.pop()
        numbers: Sequence[int] = range(block.first_line, block.first_line + len(texts))
        if len(block.data) > self.row_bytes:
            long = self._too_long(block)
            yield Slice([], (), list(long.values()))
            texts = [text for text, line in zip(texts, numbers, strict=True) if line not in long]
            numbers = [line for line in numbers if line not in long]
        reader = LineReader(self, block.header, is_utf8=is_utf8)
        most = min(SLICE_ROWS, max(SLICE_CELLS // (block.header.count(b" ") + 1), 1))
        for start in range(0, len(texts), most):
            end = start + most
            yield reader.slice_of(texts[start:end], numbers[start:end])

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:  # noqa: ARG002
        """See `Format.texts`: the rows are not JSON."""
        return {}

    def _too_long(self, block: Block) -> dict[int, Rejection]:
        reason = (row_too_long(self.row_bytes),)
        return {
            number: Rejection(number, reason, decoded_row(line[:_SHOWN_BYTES]))
            for number, line in enumerate(block.data.split(b"\n"), block.first_line)
            if len(line) > self.row_bytes
        }


class LineReader:
    """Reads the lines of a block, or of the beginning of a source, in order.

    Attributes:
        usual: Reads a line with the most likely layout; returns a row, a reason, or None.
    """

    def __init__(self, rows: AccessLog, directive: bytes, *, is_utf8: bool) -> None:
        self._rows = rows
        self._directive = directive
        self._is_utf8 = is_utf8
        self._layouts = _layouts(rows.log_format)
        self._readers = [self._with_valid_text(reader_of(layout)) for layout in self._layouts]
        self.usual = self._readers[0]
        if directive:
            self.usual = self._with_valid_text(reader_under(directive))
        self._fitted = self.usual

    def row_of(self, line: str) -> Row | None:
        """Return the row of a line; None if it is not a request in any layout."""
        line = line.lstrip(_BLANK)
        outcomes = (read(line) for read in (self.usual, *self._readers))
        return next((each for each in outcomes if isinstance(each, dict)), None)

    def slice_of(self, texts: Sequence[str], numbers: Sequence[int]) -> Slice:
        """Return the rows and the rejections of lines."""
        outcomes = list(map(self.usual, texts))
        if set(map(type, outcomes)) == _ROWS_ONLY:
            return Slice(outcomes, numbers)
        found = Slice([], lines := [], [])
        self._fitted = self.usual
        for i, text in enumerate(texts):
            outcome = outcomes[i]
            if not isinstance(outcome, dict):
                if text.startswith("#") or not text.strip(_BLANK):
                    if self.apply_directive(text):
                        outcomes[i + 1 :] = map(self.usual, texts[i + 1 :])
                    continue
                if text[0] in _BLANK:
                    text = text.lstrip(_BLANK)  # noqa: PLW2901 -- the rest of the loop reads it
                    outcome = self.usual(text)
                if not isinstance(outcome, dict):
                    outcome = self.read_unusual(text, outcome)
            if isinstance(outcome, dict):
                found.rows.append(outcome)
                lines.append(numbers[i])
            else:
                shown = decoded_row(text.encode(errors="surrogateescape"))
                found.rejections.append(Rejection(numbers[i], (outcome,), shown))
        # The next lines most likely have the layout of the last one.
        self.usual = self._fitted
        return found

    def apply_directive(self, comment: str) -> bool:
        """Apply a comment or blank line if it is a directive; return whether it is one."""
        text = comment.encode(errors="surrogateescape")
        directive = self._rows.directive(text + b"\n") if comment.startswith("#") else b""
        if directive:
            self._directive = directive
            self.usual = self._fitted = self._with_valid_text(reader_under(directive))
        return bool(directive)

    def read_unusual(self, line: str, outcome: Row | Reason | None) -> Row | Reason:
        """Return the row of a line that is not in the usual layout, or why it is not a request."""
        problem = outcome if isinstance(outcome, Reason) else None
        for i, read in enumerate(self._readers):
            found = read(line) if read is not self.usual else None
            if isinstance(found, dict):
                # A fallback would also match lines of other layouts, so it never becomes usual.
                if not (self._directive or self._layouts[i].plain_quotes):
                    self._fitted = read
                return found
            problem = problem or found
        if problem is not None:
            return problem
        if self._directive:
            return wrong_width(line, self._directive)
        reason = mismatch(_pieces(self._rows.log_format), line)
        if reason is not NO_LOG_LINE:
            return reason
        if self._rows.log_format is not None:
            return UNFIT
        return _BEFORE_FIELDS if self._rows.has_directives else reason

    def _with_valid_text(self, read: LineParser) -> LineParser:
        return read if self._is_utf8 else with_valid_text(read)


@cache
def _layouts(log_format: str | None) -> tuple[Layout, ...]:
    return known_layouts() if log_format is None else (layout_of(log_format),)


@cache
def _pieces(log_format: str | None) -> tuple[tuple[Piece, ...], ...]:
    layouts = _layouts(log_format)
    return tuple(pieces_of(layout) for layout in layouts if not layout.plain_quotes)
