"""Bzip2 and xz, unpacked up to where they are damaged, or a little before."""

from __future__ import annotations

import bz2
import lzma
from functools import cache

from miso_upload.sources.codecs.base import MOST_MEMORY, ContainerError, DecompressedMembers
from miso_upload.sources.codecs.magic import BZIP2_MAGIC, XZ_MAGIC

# Small, because both decompressors throw away what they unpacked in the call that finds damage.
_PIECE_BYTES = 2**10
_MOST_AT_ONCE = 2**15


class Bunzip2(DecompressedMembers):
    """The contents of a bzip2 stream. See `Members`."""

    container = "bzip2 stream"
    errors = (OSError, ValueError)
    piece = _PIECE_BYTES

    def begin(self) -> bool:
        """See `Members.begin`."""
        self.packed.fill(len(BZIP2_MAGIC))
        if not self.packed.held.startswith(BZIP2_MAGIC):
            return False
        self.decompressor = bz2.BZ2Decompressor()
        return True

    def unpack(self, size: int) -> bytes:
        """See `Members.unpack`."""
        return super().unpack(min(size, _MOST_AT_ONCE))


class LzmaMembers(DecompressedMembers):
    """The contents of a stream that Python's `lzma` decompresses. See `Members`."""

    errors = (lzma.LZMAError,)
    piece = _PIECE_BYTES

    def unpack(self, size: int) -> bytes:
        """See `Members.unpack`."""
        return super().unpack(min(size, _MOST_AT_ONCE))


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


class Unxz(LzmaMembers):
    """The contents of an xz stream. See `Members`."""

    container = "xz stream"

    def begin(self) -> bool:
        """See `Members.begin`."""
        self.packed.fill(len(XZ_MAGIC))
        if not self.packed.held.startswith(XZ_MAGIC):
            return False
        self.decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
        return True

    def failure(self, error: Exception) -> ContainerError:
        """See `DecompressedMembers.failure`."""
        if error.args == _beyond_limit():
            return ContainerError(
                f"the xz stream needs more than {MOST_MEMORY >> 20} MiB of memory to be unpacked; "
                "unpack it yourself: xz -dc FILE | miso-upload -"
            )
        return super().failure(error)
