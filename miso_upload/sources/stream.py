"""The bytes of an input, decompressed and in UTF-8, with a position that means the same every time.

Offsets count decoded bytes: the same row has the same offset in `history.jsonl` and in
`history.jsonl.gz`. A plain UTF-8 file is sought in; any other input is read again up to the place.
"""

from __future__ import annotations

import codecs
import io
import sys
import zlib
from pathlib import Path
from typing import IO, Any, Protocol, cast

from isal import igzip, igzip_lib

from miso_upload.errors import ConfigurationError, DamagedSourceError, SourceError
from miso_upload.sources.inputs import STDIN

READ_BYTES = 2**20
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_ERRORS = (
    EOFError,
    igzip.BadGzipFile,
    cast("type[Exception]", igzip_lib.IsalError),  # the library's stub calls it an instance
    zlib.error,
)
_UNICODE_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class _Reads(Protocol):
    def read1(self, size: int, /) -> bytes: ...


def _mark_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    """Stand a byte that is never UTF-8 in the place of what cannot be decoded.

    The row that holds it is then rejected like any other row that is not UTF-8, where a replacement
    character would send a damaged value as if it were good.
    """
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    raise error


codecs.register_error("miso_upload.mark", _mark_bad_bytes)


class _Transcoder:
    """Bytes in another encoding, read as UTF-8."""

    def __init__(self, raw: _Reads, encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)("miso_upload.mark")
        self._done = False

    def read1(self, size: int) -> bytes:
        while not self._done:
            data = self._raw.read1(size)
            self._done = not data
            text = self._decoder.decode(data, final=self._done)
            if text:
                return text.encode("utf-8", errors="surrogateescape")
        return b""


class _Counted(io.RawIOBase):
    """A raw input that knows how many of its own bytes were read, for the progress bar."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = cast("io.RawIOBase", self._raw).readinto(buffer) or 0
        self.count += count
        return count

    def seekable(self) -> bool:
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.count = self._raw.seek(offset, whence)
        return self.count

    def tell(self) -> int:
        return self.count

    def close(self) -> None:
        if not self.closed and self._raw is not getattr(sys.stdin, "buffer", None):
            self._raw.close()
        super().close()


class ByteStream:
    """The decoded bytes of one input: read forward, and where it can be reopened, from any place.

    Args:
        name: A path, or `-` for standard input.
        encoding: What the text is encoded in; None means UTF-8, or what a byte order mark says.

    Raises:
        SourceError: The input cannot be opened.
        ConfigurationError: There is no such encoding.
    """

    position: int
    last_byte: bytes
    """The byte before `position`, where it was read on the way there."""
    _ahead: bytearray
    _seekable: io.BufferedReader[Any] | None

    def __init__(self, name: str, encoding: str | None = None) -> None:
        self.name = name
        self._encoding = _known_encoding(encoding)
        self._open()

    @property
    def size(self) -> int | None:
        """Return the size of the input itself, as it lies on disk, or None if that is not known."""
        if self.name == STDIN:
            return None
        try:
            return Path(self.name).stat().st_size or None
        except OSError:
            return None

    @property
    def raw_position(self) -> int:
        """Return how much of the input itself was read, in its own bytes."""
        return self._raw.count

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes without moving on, or all there are before end or damage."""
        while len(self._ahead) < size:
            data = self._next(READ_BYTES)
            if not data:
                break
            self._ahead += data
        return bytes(self._ahead[:size])

    def read(self, size: int = READ_BYTES) -> bytes:
        """Return some bytes, at most `size` of them; none at the end.

        Raises:
            DamagedSourceError: The compressed stream is broken here.
            SourceError: The input cannot be read.
        """
        if self._ahead:
            data = bytes(self._ahead[:size])
            del self._ahead[:size]
        else:
            data = self._next(size)
            if self._damage is not None:
                raise self._damage
        self.position += len(data)
        self.last_byte = data[-1:]
        return data

    def seek(self, offset: int) -> bool:
        """Move to `offset`; False where the stream ends before it.

        Raises:
            SourceError: Standard input would have to be read again.
        """
        if self._seekable is not None:
            self._ahead.clear()
            self.position = self._seekable.seek(offset)
            self.last_byte = b""
            return offset <= (self.size or 0)
        if offset < self.position:
            self._reopen()
        while self.position < offset:
            if not self.read(min(READ_BYTES, offset - self.position)):
                return False
        return True

    def close(self) -> None:
        """Close the input; standard input stays open."""
        self._raw.close()

    def _open(self) -> None:
        self.position = 0
        self.last_byte = b""
        self._ahead = bytearray()
        self._damage: SourceError | None = None
        self._raw = _Counted(_open_raw(self.name))
        buffered = io.BufferedReader(self._raw, READ_BYTES)
        self._file: _Reads = buffered
        try:
            packed = buffered.peek(2).startswith(_GZIP_MAGIC)
        except OSError as error:
            raise _unreadable(self.name, error) from None
        if packed:
            self._file = igzip.IGzipFile(fileobj=buffered)  # type: ignore[no-untyped-call]
        first = self.peek(4)
        encoding = self._encoding or _by_mark(first)
        if encoding is not None:
            self._file = _Transcoder(_Prefixed(bytes(self._ahead), self._file), encoding)
            self._ahead.clear()
        plain = not packed and encoding is None and self._raw.seekable()
        self._seekable = buffered if plain else None

    def _reopen(self) -> None:
        if self.name == STDIN:
            raise SourceError("standard input cannot be read twice; give the history as a file")
        self._raw.close()
        self._open()

    def _next(self, size: int) -> bytes:
        if self._damage is None:
            try:
                return self._file.read1(size)
            except _GZIP_ERRORS as error:
                self._damage = DamagedSourceError(
                    f"{self.name}: the gzip stream is damaged ({_first_line(error)}); the rows "
                    "before the damage were read. Get the file again, whole, and run the same "
                    "command"
                )
            except OSError as error:
                self._damage = _unreadable(self.name, error)
        return b""


class _Prefixed:
    """Bytes that were read already, and then the rest."""

    def __init__(self, prefix: bytes, rest: _Reads) -> None:
        self._prefix, self._rest = prefix, rest

    def read1(self, size: int) -> bytes:
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        return self._rest.read1(size)


def _open_raw(name: str) -> IO[bytes]:
    if name == STDIN:
        return cast("IO[bytes]", getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
    try:
        return Path(name).open("rb", buffering=0)
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: OSError) -> SourceError:
    return SourceError(f"{name}: cannot be read: {error.strerror or _first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _known_encoding(encoding: str | None) -> str | None:
    """Return the encoding to translate from, or None where the bytes are UTF-8 as they are."""
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # refuses codecs that are no text encoding, such as hex
    except LookupError:
        raise ConfigurationError(f"--encoding {encoding}: Python knows no such encoding") from None
    return None if name in ("utf-8", "ascii", "utf-8-sig") else name


def _by_mark(magic: bytes) -> str | None:
    for mark, encoding in _UNICODE_BOMS:
        if magic.startswith(mark):
            return encoding
    return None
