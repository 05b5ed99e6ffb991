"""Takes the envelopes off the lines of a source before another format reads them.

Offsets and line numbers stay those of the source. A line that is not in the envelope is read as it
is. A long line may be in several envelopes; it becomes one row with the number of its first line,
and no block ends inside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from miso_upload.sources.formats.base import Cut, Tail
from miso_upload.sources.formats.wrapping import WrappingFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from miso_upload.records import Block, Slice
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.base import Limits
    from miso_upload.sources.formats.envelopes.kinds import Content, Envelope

_MOST_PARTS = 1_024
"""How many lines after its first part a line may end. Other lines can be between the parts."""
_MOST_BYTES = 2**24
"""The most bytes in a line that is in several envelopes."""


def without_envelopes(envelope: Envelope, lines: Sequence[bytes]) -> list[bytes]:
    """Return the content of each line; a line that continues another one is empty."""
    contents: list[Content | None] = list(map(envelope.open, lines))
    texts = [line if content is None else _clean(content.text)
             for line, content in zip(lines, contents, strict=True)]  # fmt: skip
    if envelope.has_parts:
        for first, *others in _runs(contents):
            if others:
                parts = [contents[i] for i in (first, *others)]
                texts[first] = _clean(b"".join(part.text for part in parts if part))
            for i in others:
                texts[i] = b""
    return texts


def _clean(text: bytes) -> bytes:
    """Return a content as one line; a server would escape a newline in it the same way."""
    text = text.rstrip(b"\r\n")
    return text.replace(b"\n", b"\\n") if b"\n" in text else text


def _runs(contents: Sequence[Content | None]) -> Iterator[list[int]]:
    """Yield the indices of the parts of each line.

    While a line is open, no other line is joined. A line whose end is not found stays in parts.
    """
    start = 0
    while start < len(contents):
        parts = _parts(contents, start) or [start]
        yield parts
        start = parts[-1] + 1


def _parts(contents: Sequence[Content | None], start: int) -> list[int] | None:
    """Return the indices of the parts of the line that starts at `start`.

    A line that has no end, or is too long, is returned without its other parts.

    Returns:
        None if the end may follow after `contents`.
    """
    first = contents[start]
    if first is None or not first.is_partial:
        return [start]
    parts, size = [start], len(first.text)
    for i in range(start + 1, min(start + 1 + _MOST_PARTS, len(contents))):
        content = contents[i]
        if content is None or content.stream != first.stream:
            continue
        parts.append(i)
        size += len(content.text)
        if size > _MOST_BYTES:
            return [start]
        if not content.is_partial:
            return parts
    return [start] if len(contents) > start + _MOST_PARTS else None


@dataclass(frozen=True)
class Enveloped(WrappingFormat):
    """A format whose lines are in envelopes.

    Attributes:
        rows: Reads the lines without their envelopes.
        envelope: The envelope of each line.
        row_bytes: The longest line that is read; longer ones stay in their envelopes.
    """

    envelope: Envelope
    row_bytes: int

    @property
    def remark(self) -> str:
        """See `Format.remark`."""
        remark = (
            f"the input consists of {self.envelope.name}, and miso-upload reads the log line in "
            "each of them"
        )
        return f"{remark}. {_capitalized(self.rows.remark)}" if self.rows.remark else remark

    def directive(self, data: bytes) -> bytes:
        """See `Format.directive`."""
        if not self.has_directives or b"#Fields:" not in data:
            return b""
        return self.rows.directive(self._opened(data))

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """See `Format.cut`; no block ends inside a line that is in several envelopes."""
        cut = self.rows.cut(data, limits, tail)
        if cut is None or cut.fault is not None:
            return cut
        if not (self.envelope.has_parts and self.envelope.may_have_parts(data[: cut.size])):
            return cut
        return self._cut_between_parts(data, cut, tail)

    def _cut_between_parts(self, data: bytes, cut: Cut, tail: Tail) -> Cut | None:
        """Return the longest cut that splits no line, or the shortest one if that is longer."""
        end = cut.size
        for _ in range(_MOST_PARTS + 1):
            end = data.find(b"\n", end) + 1 or len(data)
        lines = _lines(data[:end])
        if tail is Tail.WAITING and not lines[-1].endswith(b"\n"):
            lines.pop()
        contents = [self.envelope.open(line.rstrip(b"\r\n")) for line in lines]
        size = best = start = 0
        while start < len(lines) and size < cut.size:
            parts = _parts(contents, start)
            if parts is None:
                if tail is not Tail.LAST:
                    break
                parts = [start]
            size += sum(map(len, lines[start : parts[-1] + 1]))
            start = parts[-1] + 1
            if best and size > cut.size:
                break
            best = size
        return Cut(best) if best else None

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """See `Format.texts`."""
        return self.rows.texts(replace(block, data=self._opened(block.data)), lines)

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """See `Format.slices`."""
        return self.rows.slices(replace(block, data=self._opened(block.data)), is_record)

    def _opened(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        end = lines.pop() if data.endswith(b"\n") else None
        lines = [line.rstrip(b"\r") for line in lines]
        opened = without_envelopes(self.envelope, lines)
        if len(data) > self.row_bytes:
            opened = [
                line if len(line) > self.row_bytes else content
                for line, content in zip(lines, opened, strict=True)
            ]
        return b"\n".join([*opened, end] if end is not None else opened)


def _lines(data: bytes) -> list[bytes]:
    """Return lines with their newlines."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
