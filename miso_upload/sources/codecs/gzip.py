"""Reads gzip members up to the first damaged byte.

Decompressors that verify checksums themselves discard their output if the checksum is wrong, and
with it the last rows of a truncated file. This one verifies the checksum after returning the data.
"""

from __future__ import annotations

from isal import igzip_lib, isal_zlib

from miso_upload.sources.codecs.base import TRUNCATED, DecompressorReader
from miso_upload.sources.codecs.magic import GZIP_MAGIC

_HEADER_BYTES = 10
_HAS_CHECKSUM, _HAS_EXTRA, _HAS_NAME, _HAS_COMMENT = 2, 4, 8, 16


class GzipReader(DecompressorReader):
    """Reads the contents of a gzip stream. See `MemberReader`."""

    container = "gzip stream"
    errors = (igzip_lib.IsalError,)  # type: ignore[assignment] # the stub calls it an instance

    def read_header(self) -> bool:
        """See `MemberReader.read_header`."""
        self.compressed.fill(_HEADER_BYTES)
        if not self.compressed.buffer.startswith(GZIP_MAGIC):
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

    def decompress(self, size: int) -> bytes:
        """See `MemberReader.decompress`."""
        data = super().decompress(size)
        self._checksum = isal_zlib.crc32(data, self._checksum)
        self._length += len(data)
        return data

    def end_member(self) -> None:
        """See `MemberReader.end_member`."""
        super().end_member()
        if int.from_bytes(self.take(4), "little") != self._checksum:
            raise self.damage("its checksum is wrong")
        if int.from_bytes(self.take(4), "little") != self._length % 2**32:
            raise self.damage("its length is wrong")

    def _skip_text(self) -> None:
        compressed = self.compressed
        while (end := compressed.buffer.find(b"\0")) < 0:
            compressed.buffer = b""
            if not compressed.fill(1):
                raise self.damage(TRUNCATED)
        compressed.buffer = compressed.buffer[end + 1 :]
