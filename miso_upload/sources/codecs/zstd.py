"""Decompresses Zstandard block by block.

A block decompresses to at most 128 KiB, so a decompression bomb cannot exhaust the memory. Reading
block by block also shows for certain where a frame ends or is cut off. RFC 8878 describes the
layout in section 3.1.
"""

from __future__ import annotations

import zstandard

from miso_upload.sources.codecs.base import MOST_MEMORY, TRUNCATED, ContainerError, MemberReader
from miso_upload.sources.codecs.magic import ZSTD_MAGIC, is_zstd

_MOST_IN_BLOCK = 2**17
_RUN, _RESERVED = 1, 3


class ZstdReader(MemberReader):
    """Reads the contents of a zstd stream. See `MemberReader`."""

    container = "zstd stream"

    def read_header(self) -> bool:
        """See `MemberReader.read_header`."""
        self.compressed.fill(4)
        if not is_zstd(self.compressed.buffer):
            return False
        magic = self.take(4)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._at_end = self._has_checksum = False
        self._skips = 0
        if magic == ZSTD_MAGIC:
            self._frame = self._begin_frame(magic)
        else:
            self._skips = int.from_bytes(self.take(4), "little")
        return True

    def decompress(self, size: int) -> bytes:  # noqa: ARG002 -- whole blocks only
        """See `MemberReader.decompress`."""
        if self._frame is None:
            return self._skip()
        if self._at_end:
            if self._has_checksum:
                self._feed(self._frame, self.take(4))
            self.end_member()
            return b""
        header = self.take(3)
        fields = int.from_bytes(header, "little")
        kind, length = fields >> 1 & 3, fields >> 3
        if kind == _RESERVED or length > _MOST_IN_BLOCK:
            raise self.damage("it contains an invalid block")
        self._at_end = bool(fields & 1)
        return self._feed(self._frame, header + self.take(1 if kind == _RUN else length))

    def _begin_frame(self, magic: bytes) -> zstandard.ZstdDecompressionObj:
        descriptor = self.take(1)
        flags = descriptor[0]
        single = flags >> 5 & 1
        window = b"" if single else self.take(1)
        dictionary = self.take((0, 1, 2, 4)[flags & 3])
        content = self.take((single, 2, 4, 8)[flags >> 6])
        if single:
            needs = int.from_bytes(content, "little")
        else:
            base = 1 << (10 + (window[0] >> 3))
            needs = base + (base >> 3) * (window[0] & 7)
        if any(dictionary):
            raise ContainerError(
                "the zstd stream was compressed with a dictionary; decompress it yourself: "
                "zstd -dc -D DICTIONARY FILE | miso-upload -"
            )
        if needs > MOST_MEMORY:
            raise ContainerError(
                f"the zstd stream needs more than {MOST_MEMORY >> 20} MiB of memory to "
                "decompress; decompress it yourself: zstd -dc --long=31 FILE | miso-upload -"
            )
        self._has_checksum = bool(flags >> 2 & 1)
        frame = zstandard.ZstdDecompressor(max_window_size=MOST_MEMORY).decompressobj()
        self._feed(frame, magic + descriptor + window + dictionary + content)
        return frame

    def _feed(self, frame: zstandard.ZstdDecompressionObj, compressed: bytes) -> bytes:
        try:
            return frame.decompress(compressed)
        except zstandard.ZstdError as error:
            raise self.damage(str(error).removeprefix("zstd decompressor error: ")) from None

    def _skip(self) -> bytes:
        while self._skips:
            skipped = self.compressed.take_some(self._skips)
            if not skipped:
                raise self.damage(TRUNCATED)
            self._skips -= len(skipped)
        self.end_member()
        return b""
