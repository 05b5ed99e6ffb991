"""Finds the directive in force at an offset, for formats that have directives.

A directive determines how the rows after it are read, up to the next directive. A reader that
starts in the middle needs the last directive before its offset, so the bytes before are read too,
from the last offset at which the directive was known. If directives are counted as skipped lines,
the spans that an earlier run read without skipping a line need not be read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Span
    from miso_upload.sources.formats import Format
    from miso_upload.sources.stream import ByteStream

_READ_BYTES = 2**20


class Directives:
    """Finds the directive in force at any offset of a stream.

    Args:
        stream: The stream, which is read and moved to the requested offset.
        rows: The format, which recognises directives.
        preamble: The bytes before the first row.
        row_bytes: The longest directive.
        offset: The offset of the preamble.
    """

    def __init__(
        self, stream: ByteStream, rows: Format, preamble: bytes, row_bytes: int, offset: int = 0
    ) -> None:
        self._stream = stream
        self._rows = rows
        self._start = offset + len(preamble)
        self._first = rows.directive(preamble)
        self._row_bytes = row_bytes
        self._spans: Sequence[Span] | None = None
        self._known: dict[int, bytes] = {}
        """The last directive of each span, by its start."""
        self._begin()

    def look_only_in(self, spans: Sequence[Span]) -> None:
        """Look for directives only in some spans of an earlier run, which are in order.

        Nothing before the last span that an earlier run read is a directive, except in these spans.
        """
        if all(span.checksum for span in spans):
            # The end of an unreadable row may be a directive together with the line before.
            self._spans = spans

    def _begin(self) -> None:
        self._at = self._start
        self._line = b""
        self._found = self._first

    def in_force_at(self, offset: int) -> bytes:
        """Return the directive for the row at `offset`; empty in formats without directives.

        If this had to read the stream, its position is then `offset`, or its end.

        Raises:
            SourceError: The stream cannot be read, or would have to be read twice and cannot be.
        """
        if not self._rows.has_directives or offset <= self._start:
            return self._first
        if self._spans is not None:
            return self._last_in(self._spans, offset)
        if offset < self._at:
            self._begin()
        if self._at < offset and self._stream.position != self._at:
            self._stream.seek(self._at)
        while self._at < offset:
            data = self._stream.read(min(_READ_BYTES, offset - self._at))
            if not data:
                break
            self.scan(data)
        return self._found

    def _last_in(self, spans: Sequence[Span], offset: int) -> bytes:
        """Return the last directive in some spans before an offset, or the first directive."""
        for span in reversed(spans):
            if span.end > offset:
                continue
            if span.start not in self._known:
                data = b""
                if self._stream.seek(span.start):
                    data = self._stream.read_exactly(span.end - span.start)
                self._known[span.start] = self._rows.directive(data)
            if self._known[span.start]:
                return self._known[span.start]
        return self._first

    def scan(self, data: bytes) -> None:
        """Look for directives in the bytes that follow the last requested offset."""
        if not self._rows.has_directives or self._spans is not None:
            return
        self._at += len(data)
        whole = data.rfind(b"\n") + 1
        if whole:
            self._found = self._rows.directive(self._line + data[:whole]) or self._found
            self._line = b""
        # One byte more than the longest directive shows that a line is not a directive.
        self._line = (self._line + data[whole:])[: self._row_bytes + 1]

    def continued_by(self, rest: bytes, offset: int) -> bytes:
        """Return the directive in force after the line whose second part starts `rest`.

        Args:
            rest: The bytes from the offset on.
            offset: The last requested offset.
        """
        if self._spans is not None:
            # The first part of the line is needed too.
            self._spans = None
            self.in_force_at(offset)
        line = self._line + rest.partition(b"\n")[0] + b"\n"
        return self._rows.directive(line) or self._found
