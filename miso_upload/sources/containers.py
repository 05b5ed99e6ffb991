"""Containers, recognised by their first bytes and unpacked, one inside the other if need be."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import SourceError
from miso_upload.sources.codecs.base import ContainerError, DamageError
from miso_upload.sources.codecs.magic import (
    GZIP_MAGIC,
    XZ_MAGIC,
    ZIP_MAGICS,
    begins_bzip2,
    begins_zstd,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from miso_upload.sources.codecs.charset import Reads

HEAD_BYTES = 512
"""How much of the beginning a container is told from: the header of a tar archive."""
_DEEPEST = 3

_PARQUET = b"PAR1"
_PARQUET_ENCRYPTED = b"PARE"
_PARQUET_FIRST_FIELD = b"\x15"
"""A page header begins with it in every Parquet file that holds rows; in no text does it."""

# At which place, what stands there, what that is, and what prints its contents.
_OTHERS = (
    (257, b"ustar", "a tar archive", "tar -xOf"),
    (0, b"\x04\x22\x4d\x18", "an lz4 stream", "lz4 -dc"),
    (0, b"\x02\x21\x4c\x18", "an lz4 stream", "lz4 -dc"),
    (0, b"\x1f\x9d", "a stream of 'compress' (.Z)", "gzip -dc"),
    (0, b"\x5d\x00\x00", "an lzma stream of the old kind", "xz --format=lzma -dc"),
    (0, b"LZIP\x01", "an lzip stream", "lzip -dc"),
    (0, b"\xff\x06\x00\x00sNaPpY", "a snappy stream", "snzip -dc"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so"),
    (0, b"Rar!\x1a\x07", "a rar archive", "unrar p -inul"),
    (0, b"SQLite format 3\0", "an SQLite database", None),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document", None),
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


class Unpacked(NamedTuple):
    """What an input holds.

    Attributes:
        file: The contents, to be read forward.
        packed: Whether they are anything but the bytes of the input themselves.
        utf8: Whether they are UTF-8 for certain, because they were made here.
    """

    file: Reads
    packed: bool
    utf8: bool = False


class Peeked:
    """Bytes of which the first were looked at already; an error on the way comes in its place."""

    def __init__(self, file: Reads, size: int) -> None:
        self._file = file
        self._error: Exception | None = None
        self.head = b""
        try:
            while len(self.head) < size and (more := file.read1(size - len(self.head))):
                self.head += more
        except (ContainerError, SourceError, OSError) as error:
            self._error = error

    def read1(self, size: int) -> bytes:
        """See `Reads.read1`."""
        if self.head:
            data, self.head = self.head[:size], self.head[size:]
            return data
        if self._error is not None:
            raise self._error
        return self._file.read1(size)


def unpacked(
    file: Reads, head: bytes, seekable: io.BufferedReader[Any] | None, quoted: str
) -> Unpacked:
    """Return the contents of an input: unpacked if it is a container, or as they are.

    Args:
        file: The input, from its beginning.
        head: Its first `HEAD_BYTES`, which `file` still holds, or all there are.
        seekable: The same input, if it can be sought in.
        quoted: What a command line calls it, for advice.

    Raises:
        ContainerError: It cannot be unpacked here, or is damaged so that nothing can be read.
    """
    for depth in range(_DEEPEST + 1):
        sought = seekable if depth == 0 else None
        _refuse_others(head, quoted)
        if _begins_parquet(head, sought):
            from miso_upload.sources.tables.parquet import ParquetLines  # noqa: PLC0415 -- an extra

            file = ParquetLines(_required(sought, "a Parquet file"))
            return Unpacked(file, packed=True, utf8=True)
        if head.startswith(ZIP_MAGICS):
            from miso_upload.sources.codecs.zip import Unzip  # noqa: PLC0415 -- as the others

            file = Unzip(_required(sought, "a zip archive"), quoted)
        else:
            opens = _decompressor(head)
            if opens is None:
                return Unpacked(file, packed=depth > 0)
            file = opens(file)
        peeked = Peeked(file, HEAD_BYTES)
        file, head = peeked, peeked.head
    raise ContainerError("is compressed over and over; unpack it yourself first")


def _decompressor(head: bytes) -> Callable[[Reads], Reads] | None:
    """Return what decompresses a stream that begins with `head`; None if it is not compressed.

    Each is imported when it is needed, so that no run waits for the libraries of the others.
    """
    if head.startswith(GZIP_MAGIC):
        from miso_upload.sources.codecs.gzip import Gunzip  # noqa: PLC0415

        return Gunzip
    if begins_zstd(head):
        from miso_upload.sources.codecs.zstd import Unzstd  # noqa: PLC0415

        return Unzstd
    if head.startswith(XZ_MAGIC):
        from miso_upload.sources.codecs.xz import Unxz  # noqa: PLC0415

        return Unxz
    if begins_bzip2(head):
        from miso_upload.sources.codecs.xz import Bunzip2  # noqa: PLC0415

        return Bunzip2
    return None


def _begins_parquet(head: bytes, seekable: io.BufferedReader[Any] | None) -> bool:
    """Whether it is a Parquet file, and not a CSV file whose first column is called so."""
    if head.startswith(_PARQUET_ENCRYPTED):
        raise ContainerError("is an encrypted Parquet file, which is not read here")
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
        raise DamageError("Parquet file", "the index at its end is missing, as if it was cut off")
    return whole


def _required(seekable: io.BufferedReader[Any] | None, what: str) -> io.BufferedReader[Any]:
    if seekable is None:
        raise ContainerError(
            f"is {what}, whose index stands at its end, so it cannot be read from a pipe, out of "
            "another container or from a server that sends files whole only; save it as a file"
        )
    return seekable


def _refuse_others(head: bytes, quoted: str) -> None:
    for place, magic, what, command in _OTHERS:
        if head.startswith(magic, place):
            if command is None:
                raise ContainerError(f"is {what}; export the rows as JSON Lines or CSV first")
            raise ContainerError(
                f"is {what}, which is not read here; unpack it yourself, as in: "
                f"{command} {quoted} | miso-upload -"
            )
