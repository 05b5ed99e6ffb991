"""Text in any encoding, read as UTF-8."""

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
_ON_ERROR = "miso_upload.mark"


class Reads(Protocol):
    """Bytes to be read forward."""

    def read1(self, size: int, /) -> bytes:
        """Return some bytes, about `size` of them at most; none at the end."""


def _mark_bad_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Stand a byte that is never UTF-8 in the place of what cannot be decoded.

    The row that holds it is then rejected like any other row that is not UTF-8, where a replacement
    character would send a damaged value as if it were good.
    """
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    if isinstance(error, UnicodeEncodeError):  # the mark, or half a character from an odd codec
        return b"\xff" * (error.end - error.start), error.end
    raise error


codecs.register_error(_ON_ERROR, _mark_bad_bytes)


class Transcoder:
    """Bytes in another encoding, read as UTF-8; what cannot be decoded becomes the byte FF.

    Raises:
        UnicodeError: When read, if the bytes cannot be in this encoding at all.
    """

    def __init__(self, raw: Reads, encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)(_ON_ERROR)
        self._done = False

    def read1(self, size: int) -> bytes:
        """See `Reads.read1`."""
        while not self._done:
            data = self._raw.read1(size)
            self._done = not data
            text = self._decoder.decode(data, final=self._done)
            if text:
                return text.encode("utf-8", errors=_ON_ERROR)
        return b""


def known_encoding(encoding: str | None) -> str | None:
    """Return the encoding to translate from, or None where the bytes are UTF-8 as they are.

    Raises:
        ConfigurationError: There is no such encoding, or it is none of text.
    """
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # refuses codecs that are no text encoding, such as hex
        codecs.getincrementaldecoder(name)(_ON_ERROR).decode(b"")
    except (LookupError, ValueError):
        raise ConfigurationError(f"--encoding {encoding}: Python knows no such encoding") from None
    return None if name in ("utf-8", "ascii", "utf-8-sig") else name


def encoding_by_mark(first: bytes) -> str | None:
    """Return the encoding that a byte order mark says, unless it is UTF-8."""
    return next((name for mark, name in _UNICODE_MARKS if first.startswith(mark)), None)
