"""Decompresses bzip2, lzma and zstd members of zip archives in bounded pieces.

Python's `zipfile` decompresses these without a bound: two kilobytes may expand to gigabytes in one
call. APPNOTE.TXT describes the layout in sections 4.3.7 and 5.8.
"""

from __future__ import annotations

import lzma
import zlib
from typing import IO, TYPE_CHECKING

from miso_upload.sources.codecs.base import (
    MOST_MEMORY,
    TRUNCATED,
    ContainerError,
    DamageError,
    MemberReader,
)
from miso_upload.sources.codecs.xz import Bzip2Reader, LzmaReader
from miso_upload.sources.codecs.zstd import ZstdReader

if TYPE_CHECKING:
    import zipfile

    from miso_upload.sources.codecs.charset import ByteReader

_CONTAINER = "zip archive"
_LOCAL_HEADER = b"PK\x03\x04"
_LOCAL_HEADER_BYTES = 30
_BZIP2, _LZMA, _ZSTD = 12, 14, 93


def bounded_member(file: IO[bytes], member: zipfile.ZipInfo) -> ByteReader | None:
    """Return the contents of a member; None if `zipfile` itself decompresses it within bounds.

    Raises:
        DamageError: Its header is not at the offset in the archive's directory.
    """
    reader = _READERS.get(member.compress_type)
    if reader is None:
        return None
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES or not header.startswith(_LOCAL_HEADER):
        raise DamageError(_CONTAINER, "the header of its member is missing")
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    file.seek(name + extra, 1)
    return _VerifiedMember(reader(_ByteRange(file, member.compress_size)), member)


class _ByteRange:
    """Reads a number of bytes of a file from its current position."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read1(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class _VerifiedMember:
    """Reads a member, and raises an error at its end if its size or checksum is wrong."""

    def __init__(self, contents: MemberReader, member: zipfile.ZipInfo) -> None:
        self._contents = contents
        self._left = member.file_size
        self._wanted = member.CRC
        self._checksum = 0

    def read1(self, size: int) -> bytes:
        """See `ByteReader.read1`."""
        if not self._left:
            return b""
        try:
            data = self._contents.read1(min(size, self._left))
        except DamageError as error:
            raise DamageError(_CONTAINER, error.how) from None
        if not data:
            raise DamageError(_CONTAINER, TRUNCATED)
        # Some streams have no end marker, and may yield more than the directory says.
        data = data[: self._left]
        self._left -= len(data)
        self._checksum = zlib.crc32(data, self._checksum)
        if not self._left and self._checksum != self._wanted:
            raise DamageError(_CONTAINER, "the checksum of its member is wrong")
        return data


class _LzmaMemberReader(LzmaReader):
    """Reads an lzma stream in the layout of zip archives."""

    container = "lzma stream"

    def read_header(self) -> bool:
        """See `MemberReader.read_header`."""
        size = int.from_bytes(self.take(4)[2:], "little")
        properties = self.take(size)
        if int.from_bytes(properties[1:5], "little") > MOST_MEMORY:
            raise ContainerError(
                f"the zip archive needs more than {MOST_MEMORY >> 20} MiB of memory to "
                "decompress; decompress it yourself: unzip -p FILE | miso-upload -"
            )
        try:
            self.decompressor = lzma.LZMADecompressor(
                lzma.FORMAT_RAW, filters=[_filter_of(properties)]
            )
        except (lzma.LZMAError, ValueError):
            raise self.damage("its lzma properties are invalid") from None
        return True


def _filter_of(properties: bytes) -> dict[str, int]:
    """Return the filter that the five bytes before an lzma stream describe.

    Raises:
        ValueError: The bytes are not valid.
    """
    if len(properties) != 5 or properties[0] >= 9 * 5 * 5:  # noqa: PLR2004 -- the format's own
        raise ValueError("invalid lzma properties")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    dict_size = int.from_bytes(properties[1:], "little")
    return {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(dict_size, 4096),
        "lc": lc,
        "lp": lp,
        "pb": pb,
    }


_READERS: dict[int, type[MemberReader]] = {
    _BZIP2: Bzip2Reader,
    _LZMA: _LzmaMemberReader,
    _ZSTD: ZstdReader,
}
