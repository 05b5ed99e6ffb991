"""Proves that an input still has the bytes that an earlier run read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miso_upload.records import Span
    from miso_upload.sources.stream import ByteStream


def has_spans(
    stream: ByteStream, spans: Iterable[Span], is_sum: Callable[[bytes, bytes], bool]
) -> bool:
    """Return whether a stream still has each of `spans` unchanged.

    The stream is read to the end of the last span and not parsed. A span of an unreadable row has
    no checksum, so only its existence is proven.

    Args:
        stream: The input.
        spans: Consecutive spans of an earlier run, in order.
        is_sum: Returns whether bytes have a checksum.
    """
    for span in spans:
        size = span.end - span.start
        if not stream.seek(span.start):
            return False
        if not span.checksum:
            if not stream.seek(span.end):
                return False
            continue
        data = stream.read_exactly(size)
        if len(data) < size or not is_sum(data, span.checksum):
            return False
    return True
