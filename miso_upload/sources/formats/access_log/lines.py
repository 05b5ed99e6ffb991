"""An access log as a row format: each line is one request.

Every line is read by itself: by the columns that the last `#Fields:` line names, if there is one,
or by the first of the known layouts that fits. So a log may change its layout in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from miso_upload.records import Reason, Rejection, Slice
from miso_upload.sources.formats.access_log.diagnosis import NO_LOG_LINE, what_is_wrong
from miso_upload.sources.formats.access_log.escapes import mending
from miso_upload.sources.formats.access_log.known import known_layouts
from miso_upload.sources.formats.access_log.layout import pieces_of, reader_of
from miso_upload.sources.formats.access_log.notation import layout_of
from miso_upload.sources.formats.access_log.w3c import DIRECTIVE, reader_under, uneven
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
    Reads = Callable[[str], Row | Reason | None]

BOM = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")
_ROWS_ONLY = {dict}
_BLANK = " \t\r\v\f"
_SHOWN_BYTES = 200
UNFIT = Reason("the line", "does not fit --log-format")
_BEFORE_FIELDS = Reason("the line", "comes before any #Fields line that would name its columns")


@dataclass(frozen=True, slots=True)
class AccessLog:
    """The access log of a web server.

    Attributes:
        row_bytes: The longest line that is read.
        log_format: The layout of its lines in the notation of nginx or Apache; None if it is one
            that is known.
        has_directives: It is a log of the W3C format, whose `#Fields:` lines are obeyed.
    """

    row_bytes: int
    log_format: str | None = None
    has_directives: bool = False
    name: str = "log"
    preset: str | None = "web-log"
    columns: tuple[str, ...] | None = None
    by_line: bool = True
    remark: str = ""

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`: every line is a row."""
        return cut_lines(data, limits, tail)

    def ends_well(self, rest: bytes) -> bool:
        """See `Format.ends_well`: nothing marks the end."""
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

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:  # noqa: ARG002 -- lines decide
        """See `Format.slices`; comments are like blank lines."""
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
        reading = Reading(self, block.header, is_utf8=is_utf8)
        most = min(SLICE_ROWS, max(SLICE_CELLS // (block.header.count(b" ") + 1), 1))
        for start in range(0, len(texts), most):
            end = start + most
            yield reading.slice_of(texts[start:end], numbers[start:end])

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:  # noqa: ARG002
        """See `Format.texts`: rows are made of cells, which hold the text itself."""
        return {}

    def _too_long(self, block: Block) -> dict[int, Rejection]:
        reason = (row_too_long(self.row_bytes),)
        return {
            number: Rejection(number, reason, decoded_row(line[:_SHOWN_BYTES]))
            for number, line in enumerate(block.data.split(b"\n"), block.first_line)
            if len(line) > self.row_bytes
        }


class Reading:
    """Reads the lines of one block, or of the beginning of a source, in order.

    Attributes:
        usual: Reads most lines: it returns a row, or a reason, or nothing.
    """

    def __init__(self, rows: AccessLog, directive: bytes, *, is_utf8: bool) -> None:
        self._rows = rows
        self._directive = directive
        self._is_utf8 = is_utf8
        self._layouts = _layouts(rows.log_format)
        self._readers = [self._mending(reader_of(layout)) for layout in self._layouts]
        self.usual = self._readers[0]
        if directive:
            self.usual = self._mending(reader_under(directive))
        self._fitted = self.usual

    def fits(self, line: str) -> bool:
        """Return whether `line` is a request, of the usual layout or of another."""
        return any(isinstance(read(line), dict) for read in (self.usual, *self._readers))

    def slice_of(self, texts: Sequence[str], numbers: Sequence[int]) -> Slice:
        """Return the rows of a few lines, and the rejections."""
        outcomes = list(map(self.usual, texts))
        if set(map(type, outcomes)) == _ROWS_ONLY:
            return Slice(outcomes, numbers)
        found = Slice([], lines := [], [])
        self._fitted = self.usual
        for at, text in enumerate(texts):
            outcome = outcomes[at]
            if not isinstance(outcome, dict):
                if text.startswith("#") or not text.strip(_BLANK):
                    if self.obey(text):
                        outcomes[at + 1 :] = map(self.usual, texts[at + 1 :])
                    continue
                outcome = self.look_closer(text, outcome)
            if isinstance(outcome, dict):
                found.rows.append(outcome)
                lines.append(numbers[at])
            else:
                shown = decoded_row(text.encode(errors="surrogateescape"))
                found.rejections.append(Rejection(numbers[at], (outcome,), shown))
        # Where most lines are of one layout, the next ones are best tried by it at once.
        self.usual = self._fitted
        return found

    def obey(self, comment: str) -> bool:
        """Take up the directive that a comment or a blank line is, if it is one."""
        text = comment.encode(errors="surrogateescape")
        directive = self._rows.directive(text + b"\n") if comment.startswith("#") else b""
        if directive:
            self._directive = directive
            self.usual = self._fitted = self._mending(reader_under(directive))
        return bool(directive)

    def look_closer(self, line: str, outcome: Row | Reason | None) -> Row | Reason:
        """Return the row that `line` is after all, or why it is none."""
        problem = outcome if isinstance(outcome, Reason) else None
        for at, read in enumerate(self._readers):
            found = read(line) if read is not self.usual else None
            if isinstance(found, dict):
                # A last resort would take lines that are of another layout.
                if not (self._directive or self._layouts[at].plain_quotes):
                    self._fitted = read
                return found
            problem = problem or found
        if problem is not None:
            return problem
        if self._directive:
            return uneven(line, self._directive)
        reason = what_is_wrong(_pieces(self._rows.log_format), line)
        if reason is not NO_LOG_LINE:
            return reason
        if self._rows.log_format is not None:
            return UNFIT
        return _BEFORE_FIELDS if self._rows.has_directives else reason

    def _mending(self, read: Reads) -> Reads:
        return read if self._is_utf8 else mending(read)


@cache
def _layouts(log_format: str | None) -> tuple[Layout, ...]:
    return known_layouts() if log_format is None else (layout_of(log_format),)


@cache
def _pieces(log_format: str | None) -> tuple[tuple[Piece, ...], ...]:
    layouts = _layouts(log_format)
    return tuple(pieces_of(layout) for layout in layouts if not layout.plain_quotes)
