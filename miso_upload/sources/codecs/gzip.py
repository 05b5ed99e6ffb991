"""Gzip, unpacked up to the very place where it is damaged.

A reader that also checks the checksums throws away what it has unpacked when they are wrong, and
with it the last rows before the end of a truncated file.
"""

from __future__ import annotations

from isal import igzip_lib, isal_zlib

from miso_upload.sources.codecs.base import TRUNCATED, DecompressedMembers
from miso_upload.sources.codecs.magic import GZIP_MAGIC

_HEADER_BYTES = 10
_HAS_CHECKSUM, _HAS_EXTRA, _HAS_NAME, _HAS_COMMENT = 2, 4, 8, 16


class Gunzip(DecompressedMembers):
    """The contents of a gzip stream. See `Members`."""

    container = "gzip stream"
    errors = (igzip_lib.IsalError,)  # type: ignore[assignment] # the stub calls it an instance

    def begin(self) -> bool:
        """See `Members.begin`."""
        self.packed.fill(_HEADER_BYTES)
        if not self.packed.held.startswith(GZIP_MAGIC):
            return False
        flags = self.take(_HEADER_BYTES)[3]
        if flags & _HAS_EXTRA:
            self.take(int.from_bytes(self.take(2), "little"))
        for text in (_HAS_NAME, _HAS_COMMENT):
            if flags & text:
                self._skip_text()
        if flags & _HAS_CHECKSUM:
            self.take(2)
        self.decompressor = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
        self._checksum = self._length = 0
        return True

    def unpack(self, size: int) -> bytes:
        """See `Members.unpack`."""
        data = super().unpack(size)
        self._checksum = isal_zlib.crc32(data, self._checksum)
        self._length += len(data)
        return data

    def end_member(self) -> None:
        """See `Members.end_member`."""
        super().end_member()
        if int.from_bytes(self.take(4), "little") != self._checksum:
            raise self.damage("the checksum is wrong")
        if int.from_bytes(self.take(4), "little") != self._length % 2**32:
            raise self.damage("the length is wrong")

    def _skip_text(self) -> None:
        packed = self.packed
        while (end := packed.held.find(b"\0")) < 0:
            packed.held = b""
            if not packed.fill(1):
                raise self.damage(TRUNCATED)
        packed.held = packed.held[end + 1 :]
