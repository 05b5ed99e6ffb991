"""Detects compressed files by their first bytes."""

from __future__ import annotations

GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\0"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
BZIP2_MAGIC = b"BZh"
BZIP2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
"""Magic numbers of a block and of the end of the stream, which follow `BZh` and a digit."""
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
_SKIPPABLE_FIRST = range(0x50, 0x60)


def is_bzip2(head: bytes) -> bool:
    """Return whether `head` is the beginning of a bzip2 stream."""
    return head[:3] == BZIP2_MAGIC and head[3:4] in b"123456789" and head[4:10] in BZIP2_BLOCKS


def is_zstd(head: bytes) -> bool:
    """Return whether `head` is the beginning of a zstd frame or of a skippable frame."""
    return head[:4] == ZSTD_MAGIC or (head[1:4] == _SKIPPABLE and head[0] in _SKIPPABLE_FIRST)
