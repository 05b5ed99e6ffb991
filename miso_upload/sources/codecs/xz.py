"""Reads bzip2 and xz streams up to the damage, or at most 32 KiB before it."""

from __future__ import annotations

import bz2
import lzma
from functools import cache

from miso_upload.sources.codecs.base import MOST_MEMORY, ContainerError, DecompressorReader
from miso_upload.sources.codecs.magic import BZIP2_MAGIC, XZ_MAGIC

# Small, because both decompressors discard the output of the call that finds damage.
_PIECE_BYTES = 2**10
_MOST_AT_ONCE = 2**15


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


@cache
def _beyond_limit() -> tuple[object, ...]:
    """Return the arguments of the error for a stream that needs more memory than it may.

    `lzma` has one class for all errors and no codes, so one such error is made to compare with.
    """
    try:
        lzma.decompress(lzma.compress(b"\n"), memlimit=1)
    except lzma.LZMAError as error:
        return error.args
    return ()  # never equal to the arguments of an error that has a message


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
        if error.args == _beyond_limit():
            return ContainerError(
                f"the xz stream needs more than {MOST_MEMORY >> 20} MiB of memory to decompress; "
                "decompress it yourself: xz -dc FILE | miso-upload -"
            )
        return super().failure(error)
