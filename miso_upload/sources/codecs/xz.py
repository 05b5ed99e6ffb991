"""Bzip2 and xz, unpacked up to where they are damaged, or a little before."""

from __future__ import annotations

import bz2
import lzma

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
        if "emory" in str(error):
            return ContainerError(
                f"the xz stream needs more than {MOST_MEMORY >> 20} MiB of memory to be unpacked; "
                "unpack it yourself: xz -dc FILE | miso-upload -"
            )
        return super().failure(error)
