"""Detects containers by their first bytes and decompresses them, also when they are nested."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import SourceError
from miso_upload.sources.codecs.base import ContainerError, DamageError
from miso_upload.sources.codecs.magic import (
    GZIP_MAGIC,
    XZ_MAGIC,
    ZIP_MAGICS,
    is_bzip2,
    is_zstd,
)
from miso_upload.values.input_names import partition_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from miso_upload.sources.codecs.charset import ByteReader

HEAD_BYTES = 512
"""The bytes needed to detect a container: the size of a tar header."""
_MOST_NESTED = 3

_PARQUET = b"PAR1"
_PARQUET_ENCRYPTED = b"PARE"
_PARQUET_FIRST_FIELD = b"\x15"
"""The first byte of a page header in every Parquet file with rows. It does not occur in text."""

# Offset, magic number, description, and the command that prints the contents.
_UNSUPPORTED = (
    (257, b"ustar", "a tar archive", "tar -xOf"),
    (0, b"\x04\x22\x4d\x18", "an lz4 stream", "lz4 -dc"),
    (0, b"\x02\x21\x4c\x18", "an lz4 stream", "lz4 -dc"),
    (0, b"\x1f\x9d", "a stream of 'compress' (.Z)", "gzip -dc"),
    (0, b"\x5d\x00\x00", "a legacy lzma stream", "xz --format=lzma -dc"),
    (0, b"LZIP\x01", "an lzip stream", "lzip -dc"),
    (0, b"\xff\x06\x00\x00sNaPpY", "a snappy stream", "snzip -dc"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so"),
    (0, b"Rar!\x1a\x07", "a rar archive", "unrar p -inul"),
    (0, b"SQLite format 3\0", "an SQLite database", None),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a legacy office document", None),
    (0, b"%PDF-", "a PDF document", None),
    (0, b"Obj\x01", "an Avro file", None),
    (0, b"ARROW1\0\0", "an Arrow file", None),
    (0, b"ORC\x03", "an ORC file", None),
    (0, b"\x89PNG\r\n", "an image", None),
    (0, b"\xff\xd8\xff", "an image", None),
    (0, b"GIF89a", "an image", None),
    (0, b"\x7fELF", "a program", None),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", None),
)


class Contents(NamedTuple):
    """The decompressed contents of an input.

    Attributes:
        file: Reads the contents.
        is_compressed: Whether the contents differ from the bytes of the input itself.
        is_utf8: Whether the contents are certainly UTF-8, because this package generates them.
    """

    file: ByteReader
    is_compressed: bool
    is_utf8: bool = False


class PeekedReader:
    """Peeks at the first bytes; an error in them is raised when a read reaches its position."""

    def __init__(self, file: ByteReader, size: int) -> None:
        self._file = file
        self._error: Exception | None = None
        self.head = b""
        try:
            while len(self.head) < size and (more := file.read1(size - len(self.head))):
                self.head += more
        except (ContainerError, SourceError, OSError) as error:
            self._error = error

    def read1(self, size: int) -> bytes:
        """See `ByteReader.read1`."""
        if self.head:
            data, self.head = self.head[:size], self.head[size:]
            return data
        if self._error is not None:
            raise self._error
        return self._file.read1(size)


def decompressed(
    file: ByteReader,
    head: bytes,
    seekable: io.BufferedReader[Any] | None,
    quoted: str,
    name: str = "",
) -> Contents:
    """Return the contents of an input, decompressed if it is a container.

    Args:
        file: The input, from its beginning.
        head: Its first `HEAD_BYTES`, or all bytes if there are fewer. `file` returns them too.
        seekable: The same input, if it is seekable.
        quoted: The input's name for suggested commands, quoted for a shell.
        name: The input's name, whose directories can name columns of Parquet files.

    Raises:
        ContainerError: The container is not supported, or damaged from its beginning.
    """
    for depth in range(_MOST_NESTED + 1):
        sought = seekable if depth == 0 else None
        _refuse_unsupported(head, quoted)
        if _begins_parquet(head, sought):
            from miso_upload.sources.tables.parquet import ParquetLines  # noqa: PLC0415 -- an extra

            file = ParquetLines(_required(sought, "a Parquet file"), partition_of(name))
            return Contents(file, is_compressed=True, is_utf8=True)
        if head.startswith(ZIP_MAGICS):
            from miso_upload.sources.codecs.zip import ZipReader  # noqa: PLC0415 -- see `_reader_for`

            file = ZipReader(_required(sought, "a zip archive"), quoted)
        else:
            reader = _reader_for(head)
            if reader is None:
                return Contents(file, is_compressed=depth > 0)
            file = reader(file)
        peeked = PeekedReader(file, HEAD_BYTES)
        file, head = peeked, peeked.head
    raise ContainerError(
        f"the file is compressed more than {_MOST_NESTED} times; decompress it yourself first"
    )


def _reader_for(head: bytes) -> Callable[[ByteReader], ByteReader] | None:
    """Return the reader of a stream that begins with `head`; None if it is not compressed.

    A reader is imported only when it is needed, so that no run waits for unused libraries.
    """
    if head.startswith(GZIP_MAGIC):
        from miso_upload.sources.codecs.gzip import GzipReader  # noqa: PLC0415

        return GzipReader
    if is_zstd(head):
        from miso_upload.sources.codecs.zstd import ZstdReader  # noqa: PLC0415

        return ZstdReader
    if head.startswith(XZ_MAGIC):
        from miso_upload.sources.codecs.xz import XzReader  # noqa: PLC0415

        return XzReader
    if is_bzip2(head):
        from miso_upload.sources.codecs.xz import Bzip2Reader  # noqa: PLC0415

        return Bzip2Reader
    return None


def _begins_parquet(head: bytes, seekable: io.BufferedReader[Any] | None) -> bool:
    """Return whether it is a Parquet file, and not a CSV file whose first column is PAR1."""
    if head.startswith(_PARQUET_ENCRYPTED):
        raise ContainerError(
            "this is an encrypted Parquet file, which miso-upload does not support; decrypt it "
            "first"
        )
    if not head.startswith(_PARQUET):
        return False
    certain = head[4:5] == _PARQUET_FIRST_FIELD
    if seekable is None:
        return certain
    size = seekable.seek(0, io.SEEK_END)
    seekable.seek(max(size - len(_PARQUET), 0))
    whole = size > 2 * len(_PARQUET) and seekable.read(len(_PARQUET)) == _PARQUET
    seekable.seek(0)
    if certain and not whole:
        raise DamageError(
            "Parquet file", "the index at its end is missing, so it was probably cut off"
        )
    return whole


def _required(seekable: io.BufferedReader[Any] | None, what: str) -> io.BufferedReader[Any]:
    if seekable is None:
        raise ContainerError(
            f"this is {what}. Its index is at its end, so miso-upload cannot read it from a pipe, "
            "from inside another container, or from a server without range requests; save it as a "
            "file"
        )
    return seekable


def _refuse_unsupported(head: bytes, quoted: str) -> None:
    for offset, magic, what, command in _UNSUPPORTED:
        if head.startswith(magic, offset):
            if command is None:
                raise ContainerError(f"this is {what}; export the rows as JSON Lines or CSV first")
            raise ContainerError(
                f"this is {what}, which miso-upload does not support; pipe its contents instead: "
                f"{command} {quoted} | miso-upload -"
            )
