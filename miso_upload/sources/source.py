"""One input as a stream of blocks, from any place where a block may start."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from miso_upload.errors import ChangedSourceError, DamagedSourceError, SourceError
from miso_upload.formats import Limits, detect_format
from miso_upload.records import Block, Reason
from miso_upload.sources.fingerprint import HEAD_BYTES, Head
from miso_upload.sources.inputs import STDIN
from miso_upload.sources.stream import READ_BYTES, ByteStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.formats import Cut, Format

_CONTINUED = Reason(
    "the row",
    "is the rest of one that was read while it was still being written (see --growing)",
)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How inputs are read.

    Attributes:
        format: A name of `FORMAT_NAMES`; None means by name, then by content.
        encoding: None means UTF-8, or what a byte order mark says.
        delimiter: What separates cells; None means to find out.
        growing: The last row of an input may still be written: it waits unless its end is there.
        limits: How large blocks and rows may be.
    """

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    growing: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source that was made into a block before."""

    start: int
    end: int
    first_line: int
    digest: bytes


class Source:
    """One input, open for reading.

    Raises:
        SourceError: The input cannot be opened or read.
        ConfigurationError: Its format cannot be told, or its header cannot be used.
    """

    def __init__(self, name: str, options: ReadingOptions) -> None:
        self.name = "stdin" if name == STDIN else name
        self._options = options
        self._stream = ByteStream(name, options.encoding)
        self.head = Head(self._stream.peek(HEAD_BYTES))
        self.format: Format
        self.format, self.body_start = detect_format(
            self.name,
            self._beginning(),
            asked=options.format,
            delimiter=options.delimiter,
            row_bytes=options.limits.row_bytes,
        )
        before = self._stream.peek(self.body_start) if self.format.by_line else b""
        self.body_line = 1 + before.count(b"\n")
        self._seq = 0

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

    def again(self, span: Span) -> Block:
        """Return the block that `span` was, to be transformed again.

        Raises:
            ChangedSourceError: The input no longer has it.
        """
        reached = self._stream.seek(span.start)
        data = self._read_exactly(span.end - span.start) if reached else b""
        if len(data) < span.end - span.start:
            raise self._changed("is shorter than what was read of it before")
        return self._block(span.start, data, span.first_line)

    def blocks(self, start: int, first_line: int) -> Iterator[Block]:
        """Yield the blocks from offset `start`, which stands in line `first_line`, to the end.

        Raises:
            ChangedSourceError: The input ends before `start`.
            SourceError: The input is damaged; every whole row before the damage was yielded.
        """
        cut_off = self.format.by_line and start > self.body_start and not self._at_line_start(start)
        if not self._stream.seek(start):
            raise self._changed("is shorter than what was read of it before")
        if cut_off:
            data = self._stream.peek(self._options.limits.row_bytes)
            rest = data[: data.find(b"\n") + 1 or len(data)]
            if rest.strip():
                self._stream.seek(start + len(rest))
                block = self._block(start, rest, first_line)
                yield replace(block, fault=_CONTINUED)
                start, first_line = block.end, first_line + block.lines
        yield from self._cut(start, first_line)

    def _cut(self, start: int, line: int) -> Iterator[Block]:
        limits = self._options.limits
        data = b""
        wanted = READ_BYTES
        damage: SourceError | None = None
        final = False
        block: Block | None = None
        while True:
            while len(data) < wanted and not final:
                try:
                    more = self._stream.read(max(READ_BYTES, wanted - len(data)))
                except SourceError as error:
                    damage, more = error, b""
                final = not more
                data += more
            if final and (self._options.growing or damage):
                data = data[: len(data) - self.format.incomplete(data)]
            if not data:
                break
            cut = self.format.cut(data, limits, final=final)
            if cut is None:
                wanted = len(data) + READ_BYTES
                continue
            block = self._block(start, data[: cut.size], line, cut.elements)
            data = data[cut.size :]
            if cut.fault is not None:
                dropped, lines, data = self._drop(cut, data)
                final = final or not data
                block = replace(
                    block,
                    end=block.end + dropped,
                    lines=block.lines + (lines if self.format.by_line else 0),
                    fault=cut.fault,
                    data=block.data[:200],
                )
            yield block
            start, line = block.end, line + block.lines
            # The next block is likely as large: look for its end only once it can be there.
            wanted = max(READ_BYTES, cut.size)
        if damage is None and block is not None and not self.format.ends_well(block.data):
            damage = DamagedSourceError(
                f"{self.name}: ends before its end was reached, as if it was cut off; the rows "
                "before were read. Get the file again, whole, and run the same command"
            )
        if damage is not None:
            raise damage

    def _drop(self, cut: Cut, data: bytes) -> tuple[int, int, bytes]:
        """Read on to where a fault ends; return the bytes and newlines dropped, and the rest."""
        if not (cut.to_newline or cut.to_end):
            return 0, 0, data
        dropped = lines = 0
        while True:
            end = data.find(b"\n") + 1 if cut.to_newline else 0
            if end:
                return dropped + end, lines + 1, data[end:]
            dropped += len(data)
            lines += data.count(b"\n")
            data = self._stream.read()
            if not data:
                return dropped, lines, b""

    def _block(self, start: int, data: bytes, first_line: int, elements: int = 0) -> Block:
        self._seq += 1
        lines = data.count(b"\n") if self.format.by_line else elements
        return Block(self._seq, start, start + len(data), first_line, lines, data)

    def _read_exactly(self, size: int) -> bytes:
        parts = []
        while size > 0:
            part = self._stream.read(min(size, READ_BYTES))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _at_line_start(self, offset: int) -> bool:
        if self._stream.position != offset or not self._stream.last_byte:
            self._stream.seek(offset - 1)
            self._stream.read(1)
        return self._stream.last_byte in (b"\n", b"")

    def _beginning(self) -> bytes:
        """Return the head, or more where a header does not fit into it."""
        if b"\n" in self.head.data or len(self.head) < HEAD_BYTES:
            return self.head.data
        return self._stream.peek(self._options.limits.row_bytes)

    def _changed(self, how: str) -> ChangedSourceError:
        return ChangedSourceError(
            f"{self.name}: {how}. If it was rewritten, --restart sends all of it again"
        )
