"""One input as a stream of blocks, from any place where a block may start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from miso_upload.errors import (
    ChangedSourceError,
    ConfigurationError,
    DamagedSourceError,
    SourceError,
)
from miso_upload.records import Block, Reason, SourceIdentity
from miso_upload.records.incomplete_row import IncompleteRow
from miso_upload.sources.codecs.base import READ_BYTES
from miso_upload.sources.directives import Directives
from miso_upload.sources.fingerprint import HEAD_BYTES, head_checksum
from miso_upload.sources.formats import Cut, Limits, Tail, detect_format, padding
from miso_upload.sources.formats.lines import LineEnd
from miso_upload.sources.stream import ByteStream
from miso_upload.values.display import counted
from miso_upload.values.hashing import checksum, is_checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from miso_upload.records import Span
    from miso_upload.sources.formats import Format
    from miso_upload.sources.options import ReadingOptions

_FIRST_BYTES = 2**16
"""How much is read before the first block is looked for."""
_SHOWN_BYTES = 200
"""How much of a row that cannot be read is kept, to show it."""
_CONTINUED = Reason(
    "the row",
    "is the rest of one that was read while it was still being written (see --growing)",
)

_BLANK = b" \t\r\n\v\f\0"
_CUT_OFF = "ends inside its array, as if it was cut off or a bracket is missing"


class Source:
    """One input, open for reading.

    Args:
        name: As the user wrote it.
        options: How it is read.

    Attributes:
        beginning: Its first bytes, from `head_start` on.
        head_start: How many NULs stand before its first line.
        body_start: Where its first row starts, which stands in line `body_line`.
        waiting: Its last row, if that may still be written; known once all blocks were read.

    Raises:
        SourceError: The input cannot be opened or read.
        ConfigurationError: Its format cannot be told, or its header cannot be used.
    """

    def __init__(self, name: str, options: ReadingOptions) -> None:
        self._options = options
        self._limits = Limits(options.chunk_size, options.max_row_bytes, options.block_bytes)
        self._seq = 0
        self._stream = ByteStream(
            name, options.encoding, allow_insecure_http=options.allow_insecure_http
        )
        self.name = self._stream.shown
        self._growing = options.growing and not self.left_alone(options.settle_after)
        self.waiting: IncompleteRow | None = None
        self._padding = 0
        try:
            self._look_at_beginning()
        except BaseException:
            self.close()
            raise

    def _look_at_beginning(self) -> None:
        stream, options = self._stream, self._options
        self.head_start = stream.skip_nuls()
        head = stream.peek(HEAD_BYTES)
        peek = padding.PaddedPeek(stream.peek)
        try:
            rows, size = detect_format(self.name, peek, options)
        except ConfigurationError:
            # What is wrong with a beginning that is cut off is that it is cut off.
            if stream.damage is not None:
                raise stream.damage from None
            raise
        self.format: Format = padding.Unpadded(rows)
        size = peek.size_with_padding(size)
        self.body_start = self.head_start + size
        before = stream.peek(size) if self.format.by_line else b""
        self.body_line = 1 + before.count(b"\n")
        self.beginning = head
        self._certain = self._certain_bytes(head, size)
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

    def _certain_bytes(self, data: bytes, body: int) -> int:
        """Return how much of the beginning is whole rows, and what stands before them."""
        if not (self._growing or self._stream.damage is not None) or len(data) == HEAD_BYTES:
            return len(data)
        rows = data[body:]
        all_of_them = self._limits._replace(rows=HEAD_BYTES)
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
        """Return the size of the input itself, in its own bytes, if known."""
        return self._stream.size

    @property
    def raw_position(self) -> int:
        """Return how much of the input itself was read, in its own bytes."""
        return self._stream.raw_position

    @property
    def path(self) -> str | None:
        """Return the file in which blocks stand at their offsets, if there is one."""
        return self._stream.path

    def left_alone(self, seconds: float) -> bool:
        """Whether it is compressed, which is done when a file is finished, or not written to."""
        return self._stream.packed or self._stream.settled(seconds)

    @property
    def _grows(self) -> bool:
        """Whether its last row may still be written: what is written to right now is not whole."""
        return self._growing or self._stream.grew

    @property
    def can_reopen(self) -> bool:
        """Whether the same bytes come again when the input is opened again; not so with a pipe."""
        return self._stream.can_reopen

    @property
    def has_rows(self) -> bool:
        """Whether there is a row for certain, whole or with more behind it."""
        return (
            self.body_start - self.head_start < self._certain or len(self.beginning) == HEAD_BYTES
        )

    def notes(self) -> list[str]:
        """Return what the user should know of the input, once it was read."""
        notes = []
        if self._padding:
            notes.append(
                f"passed over {counted(self._padding, 'NUL')} at the start of lines, as a crash, a "
                "full disk or copytruncate leaves them"
            )
        if self.waiting is not None and not self._growing:
            notes.append("is being written to: its last row waits for the next run")
        elif happened := self._stream.what_happened():
            notes.append(happened)
        return notes

    @property
    def compressed_checksum(self) -> str | None:
        """Return size and checksum of a compressed input, if all of its bytes were read."""
        return self._stream.compressed_checksum

    def is_compressed_as(self, known: str) -> bool:
        """Return whether this is a compressed file with the bytes of this size and checksum."""
        return self._stream.is_compressed_as(known)

    def has(
        self, spans: Iterable[Span], is_sum: Callable[[bytes, bytes], bool] = is_checksum
    ) -> bool:
        """Return whether the input still has each of `spans`, which follow each other, as it was.

        It is read from its beginning to the end of the last one, and not parsed. Of a row that
        cannot be read no more is proven than that it is there.

        Args:
            spans: Of an earlier run, in order.
            is_sum: Says whether bytes have a checksum.
        """
        for span in spans:
            size = span.end - span.start
            if not self._stream.seek(span.start):
                return False
            if not span.checksum:
                if not self._stream.seek(span.end):
                    return False
                continue
            data = self._stream.read_exactly(size)
            if len(data) < size or not is_sum(data, span.checksum):
                return False
        return True

    def again(self, span: Span, is_sum: Callable[[bytes, bytes], bool] = is_checksum) -> Block:
        """Return the block that `span` was, to be transformed again.

        Only the beginning of a row that cannot be read comes again.

        Args:
            span: Of an earlier run.
            is_sum: Says whether bytes have its checksum.

        Raises:
            ChangedSourceError: The input has something else there, or nothing.
        """
        size = span.end - span.start
        if not span.checksum:
            size = min(size, _SHOWN_BYTES)
        header = self._directives.in_force_at(span.start)
        data = self._stream.read_exactly(size) if self._stream.seek(span.start) else b""
        self._directives.saw(data)
        if len(data) < size or (span.checksum and not is_sum(data, span.checksum)):
            raise self._changed(f"bytes {span.start:,} to {span.end:,} are not what they were")
        return self._block(span.start, data, span.first_line, header=header)

    def goes_on_in_row(self, offset: int) -> bool:
        """Return whether the row before an offset had no end yet when it was read to there."""
        if not self.format.by_line or offset <= self.body_start:
            return False
        before = self._move_to(offset)
        rest = self._stream.peek(HEAD_BYTES)
        return before not in (b"\n", padding.NUL) and bool(rest.partition(b"\n")[0].strip(_BLANK))

    def blocks(self, start: int, first_line: int) -> Iterator[Block]:
        """Yield the blocks from offset `start`, which stands in line `first_line`, to the end.

        Raises:
            ChangedSourceError: The input ends before `start`.
            SourceError: The input is damaged; every whole row before the damage was yielded.
        """
        if start <= self.body_start:
            self._padding += self.head_start
        if not self.beginning and start <= self.body_start:
            # If rows have come since, so has a header perhaps: they are for the next run.
            return
        header = self._directives.in_force_at(start)
        before = self._move_to(start)
        data = b""
        rest = self._stream.peek(HEAD_BYTES) if start > self.body_start else b""
        if not self.format.by_line:
            if before != b"," and rest.lstrip().startswith(b","):
                # Where the last element stood, the comma that came since ends no other one.
                first_line -= 1
        elif before not in (b"\n", padding.NUL) and rest.partition(b"\n")[0].strip(_BLANK):
            # Had only the newline been missing, the row would have been whole.
            cut = Cut(0, fault=_CONTINUED, rest=LineEnd())
            header = self._directives.continued_by(rest)
            block, data = self._set_aside(cut, b"", start, first_line)
            if block is None:
                return
            yield block
            start, first_line = block.end, first_line + block.lines
        yield from self._cut(data, start, first_line, header)

    def _cut(self, data: bytes, start: int, line: int, header: bytes) -> Iterator[Block]:
        tail = Tail.COMING
        wanted = _FIRST_BYTES
        while True:
            cut, data, tail = self._find_cut(data, tail, wanted)
            if cut is None:
                break
            block: Block | None
            if cut.fault is None:
                self._padding += padding.padding_in(data[: cut.size], at_line=self.format.by_line)
                block = self._block(start, data[: cut.size], line, cut.elements, header)
                header = self.format.directive(block.data) or header
                data = data[cut.size :]
            elif cut.size:
                block, data = self._set_aside(cut, data, start, line)
            else:
                raise self._damaged(cut.fault.problem)
            if block is None:
                return
            yield block
            start, line = block.end, line + block.lines
            # The next block is likely as large: look for its end only once it can be there.
            wanted = max(_FIRST_BYTES, cut.size + cut.size // 8)
        if self._stream.damage is not None:
            raise self._stream.damage
        self._wait(data if self._grows and not self.format.ends_well(data) else b"")
        if not (self._grows or self.format.ends_well(data)):
            raise self._damaged(_CUT_OFF)

    def _find_cut(self, data: bytes, tail: Tail, wanted: int) -> tuple[Cut | None, bytes, Tail]:
        """Read on until the next block can be told; return it, all that is at hand, and its tail.

        There is no cut where there is no further block.
        """
        while True:
            if tail is Tail.COMING and len(data) < wanted:
                data, tail = self._fill(data, wanted)
            cut = self.format.cut(data, self._limits, tail) if data else None
            if cut is not None or tail is not Tail.COMING:
                return cut, data, tail
            # More by a share of it, so that looking at the same bytes again is no burden.
            wanted = len(data) + max(READ_BYTES, len(data) // 2)

    def _fill(self, data: bytes, wanted: int) -> tuple[bytes, Tail]:
        """Read until `wanted` bytes are at hand; return them, and what follows."""
        parts, size = [data], len(data)
        tail = Tail.COMING
        while size < wanted:
            try:
                more = self._stream.read(max(_FIRST_BYTES, wanted - size))
            except SourceError:
                tail = Tail.WAITING
                break
            if not more:
                tail = Tail.WAITING if self._grows else Tail.LAST
                break
            parts.append(more)
            size += len(more)
        return b"".join(parts), tail

    def _set_aside(
        self, cut: Cut, data: bytes, start: int, line: int
    ) -> tuple[Block | None, bytes]:
        """Read on to where a fault ends; return its block, and the bytes behind it.

        There is no block where the end may still be written.
        """
        size, lines = cut.size, data.count(b"\n", 0, cut.size)
        shown, data = self._without_padding(data[:size]), data[size:]
        while cut.rest is not None:
            end = cut.rest.find(data)
            shown = self._without_padding(shown + data[:end])[:_SHOWN_BYTES]
            if end is not None:
                size, lines, data = size + end, lines + 1, data[end:]
                break
            size += len(data)
            data = self._stream.read()
            if not data:
                if self._grows:
                    self._wait(shown, size)
                    return None, data
                if not self.format.by_line:
                    raise self._damaged(_CUT_OFF)
                break
        self._seq += 1
        lines = lines if self.format.by_line else 1
        shown = shown[:_SHOWN_BYTES]
        return Block(self._seq, start, start + size, line, lines, shown, cut.fault), data

    def _wait(self, row: bytes, size: int = 0) -> None:
        """Note that a last row waits, of which this much is at hand, and `size` bytes are there."""
        row = self._without_padding(row)
        settle = self._options.settle_after if self._growing else None
        self.waiting = IncompleteRow(size or len(row), settle) if row.strip() else None

    def _without_padding(self, data: bytes) -> bytes:
        return padding.without_padding(data, at_line=self.format.by_line)

    def _block(
        self, start: int, data: bytes, first_line: int, elements: int = 0, header: bytes = b""
    ) -> Block:
        self._seq += 1
        lines = elements or (data.count(b"\n") if self.format.by_line else 0)
        end = start + len(data)
        return Block(self._seq, start, end, first_line, lines, data, header=header)

    def _move_to(self, offset: int) -> bytes:
        """Move to `offset`; return the byte before it, if any."""
        stream = self._stream
        if not offset:
            stream.seek(0)
        elif (stream.position != offset or not stream.last_byte) and not (
            stream.seek(offset - 1) and stream.read(1)
        ):
            raise self._changed("it is shorter than it was")
        return stream.last_byte

    def _changed(self, how: str) -> ChangedSourceError:
        return ChangedSourceError(
            f"{self.name}: was changed while it was read ({how}). Rerun the same command; "
            "records that Miso has are not sent again"
        )

    def _damaged(self, how: str) -> DamagedSourceError:
        return DamagedSourceError(
            f"{self.name}: {how}; the rows before were read. Get the file again, whole, and run "
            "the same command"
        )
