"""Reads bzip2 and xz streams up to the damage, or at most 32 KiB before it."""

from __future__ import annotations

import bz2
import lzma

from miso_upload.sources.codecs.base import MOST_MEMORY, ContainerError, DecompressorReader

BZIP2_MAGIC = b"BZh"
BZIP2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
"""Magic numbers of a block and of the end of the stream, which follow `BZh` and a digit."""
XZ_MAGIC = b"\xfd7zXZ\0"

# Small, because both decompressors discard the output of the call that finds damage.
_PIECE_BYTES = 2**10
_MOST_AT_ONCE = 2**15


def is_bzip2(head: bytes) -> bool:
    """Return whether `head` is the beginning of a bzip2 stream."""
    return head[:3] == BZIP2_MAGIC and head[3:4] in b"123456789" and head[4:10] in BZIP2_BLOCKS


class Bzip2Reader(DecompressorReader):
    """Reads the contents of a bzip2 stream. See `MemberReader`."""

    container = "bzip2 stream"
    errors = (OSError, ValueError)
    piece = _PIECE_BYTES

    def read_header(self) -> bool:
        """See `MemberReader.read_header`."""
        self.compressed.fill(len(BZIP2_MAGIC))
        if not self.compressed.buffer.startswith(BZIP2_MAGIC):
            return False
        self.decompressor = bz2.BZ2Decompressor()
        return True

    def decompress(self, size: int) -> bytes:
        """See `MemberReader.decompress`."""
        return super().decompress(min(size, _MOST_AT_ONCE))


class LzmaReader(DecompressorReader):
    """Reads the contents of a stream with Python's `lzma`. See `MemberReader`."""

    errors = (lzma.LZMAError,)
    piece = _PIECE_BYTES

    def decompress(self, size: int) -> bytes:
        """See `MemberReader.decompress`."""
        return super().decompress(min(size, _MOST_AT_ONCE))


class XzReader(LzmaReader):
    """Reads the contents of an xz stream. See `MemberReader`."""

    container = "xz stream"

    def read_header(self) -> bool:
        """See `MemberReader.read_header`."""
        self.compressed.fill(len(XZ_MAGIC))
        if not self.compressed.buffer.startswith(XZ_MAGIC):
            return False
        self.decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
        return True

    def failure(self, error: Exception) -> ContainerError:
        """See `DecompressorReader.failure`."""
        if "emory" in str(error):
            return ContainerError(
                f"the xz stream needs more than {MOST_MEMORY >> 20} MiB of memory to decompress; "
                "decompress it yourself: xz -dc FILE | miso-upload -"
            )
        return super().failure(error)
