"""Converts text in any encoding to UTF-8."""

from __future__ import annotations

import codecs
from typing import Protocol

from miso_upload.errors import ConfigurationError

_UNICODE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHORTEST = 8
"""The shortest text whose encoding is detected without a byte order mark, in bytes."""
_ON_ERROR = "miso_upload.mark"


class ByteReader(Protocol):
    """A forward reader of bytes."""

    def read1(self, size: int, /) -> bytes:
        """Return at most about `size` of the next bytes; none at the end."""


def _mark_bad_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace bytes that cannot be decoded by a byte that never occurs in UTF-8.

    The row is then rejected like any other row that is not UTF-8. A replacement character would
    send a damaged value as if it were valid.
    """
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    if isinstance(error, UnicodeEncodeError):  # the mark, or a lone surrogate from some codec
        return b"\xff" * (error.end - error.start), error.end
    raise error


codecs.register_error(_ON_ERROR, _mark_bad_bytes)


class Transcoder:
    """Converts bytes in another encoding to UTF-8; bytes that cannot be decoded become FF.

    Raises:
        UnicodeError: The bytes cannot be in this encoding at all. `read1` raises it.
    """

    def __init__(self, raw: ByteReader, encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)(_ON_ERROR)
        self._done = False

    def read1(self, size: int) -> bytes:
        """See `ByteReader.read1`."""
        while not self._done:
            data = self._raw.read1(size)
            self._done = not data
            text = self._decoder.decode(data, final=self._done)
            if text:
                return text.encode("utf-8", errors=_ON_ERROR)
        return b""


def known_encoding(encoding: str | None) -> str | None:
    """Return the encoding to convert from, or None if the bytes are UTF-8 already.

    Raises:
        ConfigurationError: The encoding does not exist, or is not a text encoding.
    """
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # raises for codecs that are not text encodings, such as hex
        codecs.getincrementaldecoder(name)(_ON_ERROR).decode(b"")
    except (LookupError, ValueError):
        raise ConfigurationError(
            f"--encoding {encoding}: there is no such encoding; use a name that Python knows, such "
            "as latin-1 or utf-16-le"
        ) from None
    return None if name in ("utf-8", "ascii", "utf-8-sig") else name


def encoding_by_mark(first: bytes) -> str | None:
    """Return the encoding that a byte order mark indicates; None for UTF-8 or without a mark."""
    return next((name for mark, name in _UNICODE_MARKS if first.startswith(mark)), None)


def encoding_by_nuls(first: bytes) -> str | None:
    """Return the UTF-16 encoding that the NULs in a text without a byte order mark indicate.

    Most characters at the beginning of a table are ASCII: names, numbers, brackets and delimiters.
    In UTF-16, every second byte of these is NUL, and no other byte is.
    """
    text = first[: len(first) // 2 * 2]
    if b"\0" not in text[:_SHORTEST] or len(text) < _SHORTEST:
        return None
    for name, nuls, others in (
        ("utf-16-le", text[1::2], text[::2]),
        ("utf-16-be", text[::2], text[1::2]),
    ):
        if 2 * nuls.count(0) > len(nuls) and not others.count(0):
            return name
    return None


class NewlineReader:
    """Replaces carriage returns by newlines, in a text in which only these end lines."""

    def __init__(self, raw: ByteReader) -> None:
        self._raw = raw

    def read1(self, size: int) -> bytes:
        """See `ByteReader.read1`."""
        return self._raw.read1(size).replace(b"\r", b"\n")


def ends_lines_with_returns(beginning: bytes) -> bool:
    """Return whether only carriage returns end the lines at the beginning of a text."""
    # A last one may be half of a line end that is still being written.
    return b"\r" in beginning[:-1] and b"\n" not in beginning
