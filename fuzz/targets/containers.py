"""Containers: gzip, zstd, xz, bzip2 and zip, intact, damaged and nested."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import zstandard

from fuzz.properties import Pieces, must, must_be_harmless
from miso_upload.sources.codecs.base import READ_BYTES, ContainerError
from miso_upload.sources.containers import HEAD_BYTES, PeekedReader, decompressed

_TEXT = b'{"type":"like"}\n' * 20


def _zip(method: int, name: str = "rows.jsonl") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo(name), _TEXT, method)
    return file.getvalue()


def _gzip_with_all_fields() -> bytes:
    compressed = gzip.compress(_TEXT, mtime=0)
    fields = b"\x02\x00ab" + b"name\0" + b"comment\0" + b"\x00\x00"
    return compressed[:3] + b"\x1e" + compressed[4:10] + fields + compressed[10:]


_GZIP = gzip.compress(_TEXT, mtime=0)
SPECIMENS = (
    _GZIP,
    _GZIP + _GZIP + b"\0\0\0",
    _gzip_with_all_fields(),
    _GZIP[:30],
    zstandard.ZstdCompressor(write_checksum=True).compress(_TEXT),
    b"\x50\x2a\x4d\x18\x02\x00\x00\x00ab" + zstandard.compress(b"x" * 300),
    lzma.compress(_TEXT),
    bz2.compress(_TEXT),
    gzip.compress(bz2.compress(zstandard.compress(_TEXT)), mtime=0),
    _zip(zipfile.ZIP_STORED),
    _zip(zipfile.ZIP_DEFLATED),
    _zip(zipfile.ZIP_LZMA),
    _zip(zipfile.ZIP_BZIP2, "a/b.csv"),
    b"plain text\n",
    b"PAR1" + b"\x15\x00" + b"PAR1",
)
TOKENS = (
    b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh91AY&SY", b"PK\x03\x04", b"PK\x01\x02",
    b"PK\x05\x06", b"PK\x06\x06", b"PAR1", b"\x50\x2a\x4d\x18", b"\xff\xff\xff\xff", b"\0\0\0\0",
)  # fmt: skip
_ENOUGH = 2**22
"""At most this many bytes of a decompression bomb are read."""


def one_input(data: bytes) -> None:
    """Decompress any bytes, as a seekable file and as a pipe with small pieces."""
    whole = _read(data, [2**20], seekable=True)
    if not data.startswith((b"PK", b"PAR1")):
        pieces = _read(data, [1, 7, 300], seekable=False)
        # A decompressor loses the output of the call that finds damage.
        shorter, longer = sorted((whole[0], pieces[0]), key=len)
        must(longer.startswith(shorter), "it is the same in pieces")
        must(shorter == longer or whole[1], "nothing is lost without a word")
        must(bool(whole[1]) == bool(pieces[1]), "it is damaged however it comes")


def _read(data: bytes, sizes: list[int], *, seekable: bool) -> tuple[bytes, str]:
    """Return the decompressed bytes, and the error that ended them, if any."""
    sought = io.BufferedReader(io.BytesIO(data)) if seekable else None  # type: ignore[arg-type]
    peeked = PeekedReader(io.BufferedReader(Pieces(data, sizes)), HEAD_BYTES)
    out = b""
    try:
        found = decompressed(peeked, peeked.head, sought, "FILE")
        while len(out) < _ENOUGH and (more := found.file.read1(READ_BYTES)):
            must(len(more) <= 2 * READ_BYTES, "it comes in small pieces")
            out += more
    except ContainerError as error:
        must_be_harmless(str(error))
        return out, str(error)
    return out[:_ENOUGH], ""
