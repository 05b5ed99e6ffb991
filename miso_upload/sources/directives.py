"""Which directive is in force at a place of a source, where its format has such.

Rows behind a directive are read as it says, up to the next one. Whoever reads forward sees them
pass; whoever begins in the middle must know the last one before, so what lies before is read too,
from the last place at which it was known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miso_upload.sources.formats import Format
    from miso_upload.sources.stream import ByteStream

_READ_BYTES = 2**20


class Directives:
    """Knows which directive is in force at any place of a stream.

    Args:
        stream: Is read, and moved to the place that is asked about.
        rows: Knows a directive when it sees one.
        preamble: What stands before the first row.
        row_bytes: No directive is longer than that.
        offset: Where the preamble starts.
    """

    def __init__(
        self, stream: ByteStream, rows: Format, preamble: bytes, row_bytes: int, offset: int = 0
    ) -> None:
        self._stream = stream
        self._rows = rows
        self._start = offset + len(preamble)
        self._first = rows.directive(preamble)
        self._row_bytes = row_bytes
        self._begin()

    def _begin(self) -> None:
        self._at = self._start
        self._line = b""
        self._found = self._first

    def in_force_at(self, offset: int) -> bytes:
        """Return the directive for the row at `offset`; nothing in formats that have none.

        Where something had to be read for that, the stream then stands at `offset`, or at its end.

        Raises:
            SourceError: The stream cannot be read, or would have to be read twice and cannot be.
        """
        if not self._rows.has_directives or offset <= self._start:
            return self._first
        if offset < self._at:
            self._begin()
        if self._at < offset and self._stream.position != self._at:
            self._stream.seek(self._at)
        while self._at < offset:
            data = self._stream.read(min(_READ_BYTES, offset - self._at))
            if not data:
                break
            self.saw(data)
        return self._found

    def saw(self, data: bytes) -> None:
        """Take note of what was read behind the place that was asked about last."""
        if not self._rows.has_directives:
            return
        self._at += len(data)
        whole = data.rfind(b"\n") + 1
        if whole:
            self._found = self._rows.directive(self._line + data[:whole]) or self._found
            self._line = b""
        # Of a line that is longer than any directive, so much is enough to know that it is.
        self._line = (self._line + data[whole:])[: self._row_bytes + 1]

    def continued_by(self, rest: bytes) -> bytes:
        """Return the directive in force behind the line whose second part begins `rest`."""
        line = self._line + rest.partition(b"\n")[0] + b"\n"
        return self._rows.directive(line) or self._found
