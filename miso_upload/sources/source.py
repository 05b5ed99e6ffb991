"""Reads an input as a stream of blocks, from any offset where a block may start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from miso_upload.errors import ConfigurationError, SourceError
from miso_upload.records import Block, Reason, SourceIdentity
from miso_upload.records.incomplete_row import IncompleteRow
from miso_upload.sources.carried import CarriedValues
from miso_upload.sources.checksums import HEAD_BYTES, head_checksum
from miso_upload.sources.codecs.base import READ_BYTES
from miso_upload.sources.directives import Directives
from miso_upload.sources.formats import Cut, Limits, Tail, check_used, detect_format, padding
from miso_upload.sources.formats.lines import LineEnd
from miso_upload.sources.proof import has_spans
from miso_upload.sources.source_errors import changed_source, damaged_source
from miso_upload.sources.stream import ByteStream
from miso_upload.values.display import counted
from miso_upload.values.hashing import checksum, is_checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from miso_upload.records import Span
    from miso_upload.sources.carried import ValuesAfter
    from miso_upload.sources.formats import Format
    from miso_upload.sources.input_location import InputLocation
    from miso_upload.sources.options import ReadingOptions

_FIRST_BYTES = 2**16  # how many are read before the end of the first block is searched
_SHOWN_BYTES = 200
"""How many bytes of an unreadable row are kept to show it."""
_CONTINUED = Reason(
    "the row",
    "is the end of a row that an earlier run read before it was complete (see --growing)",
)
_BLANK = b" \t\r\n\v\f\0"
_CUT_OFF = "the input ends inside its array, so it was cut off or a bracket is missing"


class Source:
    """An input that is open for reading.

    Args:
        name: The name on the command line.
        options: The options for reading.
        location: Where to read the input; None for what the name means.

    Attributes:
        beginning: The first bytes from `head_start` on.
        peek: Returns that many bytes from `head_start` on, until a block is read.
        head_start: The number of NULs before the first line.
        body_start: The offset of the first row.
        body_line: The line of the first row.
        limits: The limits for the size of blocks and rows.
        settle: After how many seconds without a change an incomplete end of the input is read.
        waiting: The last row, if it may be incomplete; known after all blocks were read.
        rows_left: Returns how many rows may still be read; None for no limit.

    Raises:
        SourceError: The input cannot be opened or read.
        ConfigurationError: The format cannot be detected, or the header cannot be used.
    """

    def __init__(self, name: str, options: ReadingOptions,
                 location: InputLocation | None = None) -> None:  # fmt: skip
        self._options = options
        self.limits = Limits(options.chunk_size, options.max_row_bytes, options.block_bytes)
        self._seq = 0
        self.rows_left: Callable[[], int | None] = lambda: None
        insecure = options.allow_insecure_http
        self._stream = ByteStream(name, options.encoding, allow_insecure_http=insecure,
                                  is_text=True, location=location)  # fmt: skip
        self.name = self._stream.shown
        self._growing = options.growing and not self.is_settled(options.settle_after)
        self.settle = options.settle_after if self._growing else None
        self.waiting: IncompleteRow | None = None
        self._padding = 0
        try:
            self._read_beginning()
        except BaseException:
            self.close()
            raise

    def _read_beginning(self) -> None:
        stream, options = self._stream, self._options
        self.head_start = stream.skip_nuls()
        head = stream.peek(HEAD_BYTES)
        peek = padding.PaddedPeek(stream.peek)
        if stream.is_table:
            check_used(self.name, "parquet", options)
        try:
            rows, size = detect_format(self.name, peek, options)
        except ConfigurationError:
            # If the beginning is damaged, the damage is the reason why no format was detected.
            if stream.damage is not None:
                raise stream.damage from None
            raise
        self._carried: CarriedValues | None = None
        self.format: Format = padding.Unpadded(rows)
        size = peek.size_with_padding(size)
        self.body_start = self.head_start + size
        before = stream.peek(size) if self.format.by_line else b""
        self.body_line = 1 + before.count(b"\n")
        self.beginning, self.peek = head, stream.peek
        self._certain = self._complete_bytes(head, size)
        self.identity = SourceIdentity(
            stream.key, stream.stamp, head_checksum(head), checksum(stream.peek(size))
        )
        if stream.damage is not None and len(head) <= size:
            raise stream.damage
        if self._growing and not self.has_rows:
            self._wait(self.beginning[size:])
        self._directives = Directives(
            stream, self.format, before, options.max_row_bytes, self.head_start
        )

    def _complete_bytes(self, data: bytes, body: int) -> int:
        """Return how many bytes of the beginning are complete rows, or come before the rows."""
        if not (self._growing or self._stream.damage is not None) or len(data) == HEAD_BYTES:
            return len(data)
        rows = data[body:]
        all_of_them = self.limits._replace(rows=HEAD_BYTES)
        cut = self.format.cut(rows, all_of_them, Tail.WAITING) if rows else None
        return body + (cut.size if cut else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the input; standard input stays open."""
        self._stream.close()

    @property
    def size(self) -> int | None:
        """Return the size of the input in raw bytes, if known."""
        return self._stream.size

    @property
    def raw_position(self) -> int:
        """Return how many raw bytes of the input were read."""
        return self._stream.raw_position

    @property
    def path(self) -> str | None:
        """Return the path of a file with the blocks at their offsets, if there is one."""
        return self._stream.path

    def is_settled(self, seconds: float) -> bool:
        """Return whether the input is finished: compressed, or unmodified for `seconds`."""
        return self._stream.is_compressed or self._stream.is_settled(seconds)

    @property
    def may_grow(self) -> bool:
        """Whether the last row may be incomplete because the input is being written."""
        return self._growing or self._stream.grew

    @property
    def can_reopen(self) -> bool:
        """Whether opening the input again yields the same bytes; False for a pipe."""
        return self._stream.can_reopen

    @property
    def has_rows(self) -> bool:
        """Whether the input certainly contains a row, complete or with more bytes after it."""
        return (
            self.body_start - self.head_start < self._certain or len(self.beginning) == HEAD_BYTES
        )

    def carry(self, values_after: ValuesAfter) -> None:
        """Give each block the values that its first rows carry down from the rows above.

        Args:
            values_after: Returns the values after a block.
        """
        self._carried = CarriedValues(self.body_start, values_after)

    def notes(self) -> list[str]:
        """Return notes about the input for the user, after it was read."""
        notes = []
        if self._padding:
            notes.append(
                f"miso-upload skipped {counted(self._padding, 'NUL')} at the start of lines; a "
                "crash, a full disk or copytruncate may have left them"
            )
        if self.waiting is not None and not self._growing:
            notes.append("the file is being written; its last row is left for the next run")
        elif happened := self._stream.what_happened():
            notes.append(happened)
        return notes

    @property
    def compressed_checksum(self) -> str | None:
        """Return the size and checksum of a compressed input, if all of its bytes were read."""
        return self._stream.compressed_checksum

    def has_compressed_checksum(self, known: str) -> bool:
        """Return whether this is a compressed file of this size and checksum."""
        return self._stream.has_compressed_checksum(known)

    def has_spans(
        self, spans: Iterable[Span], is_sum: Callable[[bytes, bytes], bool] = is_checksum
    ) -> bool:
        """Return whether the input still has each of `spans` unchanged. See `proof.has_spans`."""
        return has_spans(self._stream, spans, is_sum)

    def reread(self, span: Span, is_sum: Callable[[bytes, bytes], bool] = is_checksum) -> Block:
        """Return the block of a span of an earlier run, to transform it again.

        The block of an unreadable row contains only the beginning of the row.

        Args:
            span: The span of an earlier run.
            is_sum: Returns whether bytes have a checksum.

        Raises:
            ChangedSourceError: The bytes of the span are changed or missing.
        """
        self._carry_to(span.start)
        size = span.end - span.start
        if not span.checksum:
            size = min(size, _SHOWN_BYTES)
        header = self._directives.in_force_at(span.start)
        data = self._stream.read_exactly(size) if self._stream.seek(span.start) else b""
        self._directives.scan(data)
        if len(data) < size or (span.checksum and not is_sum(data, span.checksum)):
            raise changed_source(self.name, f"bytes {span.start:,} to {span.end:,} have changed")
        block = self._block(span.start, data, span.first_line, header=header)
        return block if self._carried is None else self._carried.given_to(block, span.end)

    def skipped_only_in(self, spans: Sequence[Span]) -> None:
        """Note in which spans an earlier run may have skipped lines, so that others are not read.

        The rows before an offset are read only to find a header that comes again.
        """
        if self.format.skips_directives:
            self._directives.look_only_in(spans)

    def is_inside_row(self, offset: int) -> bool:
        """Return whether a row that was read as complete continues after an offset."""
        if not self.format.by_line or offset <= self.body_start:
            return False
        before = self._move_to(offset)
        rest = self._stream.peek(HEAD_BYTES)
        return before not in (b"\n", padding.NUL) and bool(rest.partition(b"\n")[0].strip(_BLANK))

    def blocks(self, start: int, first_line: int) -> Iterator[Block]:
        """Yield the blocks from offset `start`, which is in line `first_line`, to the end.

        Raises:
            ChangedSourceError: The input ends before `start`.
            SourceError: The input is damaged. All complete rows before the damage were yielded.
        """
        if start <= self.body_start:
            self._padding += self.head_start
        if not self.beginning and start <= self.body_start:
            # Rows that were written since may follow a header, so the next run reads them.
            return
        self._carry_to(start)
        for block in self._blocks(start, first_line):
            yield block if self._carried is None else self._carried.given_to(block, block.end)

    def _carry_to(self, offset: int) -> None:
        """Read the rows whose values may be carried down to `offset`, if any."""
        if self._carried is None or not self._carried.needs_rows_before(offset):
            return
        before = self._seq, self._padding, self.waiting
        self._carried.read_until(offset, self._blocks(self._carried.at, 1))
        self._seq, self._padding, self.waiting = before

    def _blocks(self, start: int, first_line: int) -> Iterator[Block]:
        header = self._directives.in_force_at(start)
        before = self._move_to(start)
        data = b""
        rest = self._stream.peek(HEAD_BYTES) if start > self.body_start else b""
        if not self.format.by_line:
            is_comma = before != b"," and rest.lstrip().startswith(b",")
            if self.format.comma_ends_row and is_comma:
                # A comma that was written since then ends the last element, not another one.
                first_line -= 1
        elif before not in (b"\n", padding.NUL) and rest.partition(b"\n")[0].strip(_BLANK):
            # The earlier run read an incomplete row: more than its newline was missing.
            cut = Cut(0, fault=_CONTINUED, rest=LineEnd())
            header = self._directives.continued_by(rest, start)
            block, data = self._reject(cut, b"", start, first_line)
            if block is None:
                return
            yield block
            start, first_line = block.end, first_line + block.lines
        yield from self._cut(data, start, first_line, header)

    def _cut(self, data: bytes, start: int, line: int, header: bytes) -> Iterator[Block]:
        tail = Tail.COMING
        wanted = _FIRST_BYTES
        while True:
            if self.rows_left() == 0:
                return
            cut, data, tail = self._find_cut(data, tail, wanted)
            if cut is None:
                break
            block: Block | None
            if cut.fault is None:
                self._padding += padding.nuls_in(data[: cut.size], at_line=self.format.by_line)
                block = self._block(start, data[: cut.size], line, cut.elements, header)
                header = self.format.directive(block.data) or header
                data = data[cut.size :]
            elif cut.size:
                block, data = self._reject(cut, data, start, line)
            else:
                raise damaged_source(self.name, cut.fault.text)
            if block is None:
                return
            yield block
            start, line = block.end, line + block.lines
            # The next block is probably as large, so its end is searched only in enough bytes.
            wanted = max(_FIRST_BYTES, cut.size + cut.size // 8)
        if self._stream.damage is not None:
            raise self._stream.damage
        self._wait(data if self.may_grow and not self.format.ends_well(data) else b"")
        if not (self.may_grow or self.format.ends_well(data)):
            raise damaged_source(self.name, _CUT_OFF)

    def _find_cut(self, data: bytes, tail: Tail, wanted: int) -> tuple[Cut | None, bytes, Tail]:
        """Read until the next block is complete; return its cut, the buffered bytes and the tail.

        The cut is None if there is no further block.
        """
        while True:
            if tail is Tail.COMING and len(data) < wanted:
                data, tail = self._fill(data, wanted)
            limits = self.limits.capped(self.rows_left())
            cut = self.format.cut(data, limits, tail) if data else None
            if cut is not None or tail is not Tail.COMING:
                return cut, data, tail
            # The buffer grows by a constant factor, so that rescanning it stays cheap.
            wanted = len(data) + max(READ_BYTES, len(data) // 2)

    def _fill(self, data: bytes, wanted: int) -> tuple[bytes, Tail]:
        """Read until `wanted` bytes are buffered; return them and the tail."""
        parts, size = [data], len(data)
        tail = Tail.COMING
        while size < wanted:
            try:
                more = self._stream.read(max(_FIRST_BYTES, wanted - size))
            except SourceError:
                tail = Tail.WAITING
                break
            if not more:
                tail = Tail.WAITING if self.may_grow else Tail.LAST
                break
            parts.append(more)
            size += len(more)
        return b"".join(parts), tail

    def _reject(self, cut: Cut, data: bytes, start: int, line: int) -> tuple[Block | None, bytes]:
        """Read to the end of an unreadable row; return its block and the bytes after it.

        The block is None if the end may still be written.
        """
        size, lines = cut.size, data.count(b"\n", 0, cut.size)
        shown, data = self._without_padding(data[:size])[:_SHOWN_BYTES], data[size:]
        while cut.rest is not None:
            end = cut.rest.find(data)
            shown = self._without_padding(shown + data[:end])[:_SHOWN_BYTES]
            lines += data.count(b"\n", 0, end)
            if end is not None:
                size, data = size + end, data[end:]
                break
            size += len(data)
            data = self._stream.read()
            if not data:
                if self.may_grow:
                    self._wait(shown, size)
                    return None, data
                if not self.format.ends_well(b""):
                    raise damaged_source(self.name, _CUT_OFF)
                break
        self._seq += 1
        lines = lines if self.format.by_line else 1
        return Block(self._seq, start, start + size, line, lines, shown, cut.fault), data

    def _wait(self, row: bytes, size: int = 0) -> None:
        """Record an incomplete last row: its buffered bytes, and its size if that is larger."""
        row = self._without_padding(row)
        self.waiting = IncompleteRow(size or len(row), self.settle) if row.strip() else None

    def _without_padding(self, data: bytes) -> bytes:
        return padding.without_padding(data, at_line=self.format.by_line)

    def _block(
        self, start: int, data: bytes, first_line: int, elements: int = 0, header: bytes = b""
    ) -> Block:
        self._seq += 1
        lines = elements or (data.count(b"\n") if self.format.by_line else 0)
        return Block(self._seq, start, start + len(data), first_line, lines, data, header=header)

    def _move_to(self, offset: int) -> bytes:
        """Move to `offset`; return the byte before it, if any."""
        stream = self._stream
        if not offset:
            stream.seek(0)
        elif (stream.position != offset or not stream.last_byte) and not (
            stream.seek(offset - 1) and stream.read(1)
        ):
            raise changed_source(self.name, "it has become shorter")
        return stream.last_byte
