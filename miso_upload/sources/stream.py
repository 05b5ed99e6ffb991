"""The bytes of an input, decompressed and in UTF-8, with a position that means the same every time.

Offsets count decoded bytes: the same row has the same offset in `history.jsonl` and in
`history.jsonl.gz`. A plain UTF-8 file is sought in; any other input is read again up to the place.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from pathlib import Path
from typing import IO, Any, cast

from isal import igzip_lib, isal_zlib

from miso_upload.errors import DamagedSourceError, SourceError
from miso_upload.sources.inputs import STDIN
from miso_upload.sources.transcoding import Reads, Transcoder, encoding_by_mark, known_encoding

READ_BYTES = 2**20
_PACKED_BYTES = 2**16
_GZIP_MAGIC = b"\x1f\x8b"
_HAS_CHECKSUM, _HAS_EXTRA, _HAS_NAME, _HAS_COMMENT = 2, 4, 8, 16


class _Counted(io.RawIOBase):
    """A raw input that knows how many of its own bytes were read, for the progress bar."""

    def __init__(self, raw: IO[bytes], *, ours: bool) -> None:
        self._raw = raw
        self._ours = ours
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            count = cast("io.RawIOBase", self._raw).readinto(buffer)
            if count is not None:
                self.count += count
                return count
            # Whoever shares a pipe with us may have made it non-blocking: nothing yet is no end.
            select.select([self._raw], [], [])

    def seekable(self) -> bool:
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.count = self._raw.seek(offset, whence)
        return self.count

    def tell(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        if not self.closed and self._ours:
            self._raw.close()
        super().close()


class _DamageError(Exception):
    """A compressed stream is broken; the message says how."""


class _Gunzip:
    """The contents of all members of a gzip stream, up to the very place where it is damaged.

    A reader that also checks the checksums throws away what it has unpacked when they are wrong,
    and with it the last rows before the end of a truncated file.

    Raises:
        _DamageError: When read, after everything before the damage was.
    """

    def __init__(self, packed: Reads) -> None:
        self._packed = packed
        self._held = b""
        self._members = 0
        self._member: igzip_lib.IgzipDecompressor | None = None
        self._checksum = self._length = 0

    def read1(self, size: int) -> bytes:
        """See `Reads.read1`."""
        while self._member is not None or self._begin_member():
            data = self._unpack(min(size, READ_BYTES))
            if data:
                return data
        return b""

    def _unpack(self, size: int) -> bytes:
        """Return some bytes of the member, or none where it ends, or where more must be read."""
        member = cast("igzip_lib.IgzipDecompressor", self._member)
        if member.eof:
            self._held = member.unused_data
            self._end_member()
            return b""
        more = b""
        if member.needs_input:
            more = self._held or self._packed.read1(_PACKED_BYTES)
            self._held = b""
            if not more:
                raise _DamageError("it ends in the middle")
        try:
            data = member.decompress(more, size)
        except igzip_lib.IsalError as error:  # type: ignore[misc] # the stub calls it an instance
            raise _DamageError(str(error)) from None
        self._checksum = isal_zlib.crc32(data, self._checksum)
        self._length += len(data)
        return data

    def _begin_member(self) -> bool:
        """Read the header of the next member; False at the end, zeros before it included."""
        while self._members and self._fill(1) and self._held.startswith(b"\0"):
            self._held = self._held.lstrip(b"\0")
        if not self._fill(1):
            return False
        self._fill(10)
        if not self._held.startswith(_GZIP_MAGIC):
            raise _DamageError("something else follows the compressed data")
        flags = self._take(10)[3]
        if flags & _HAS_EXTRA:
            self._take(int.from_bytes(self._take(2), "little"))
        for text in (_HAS_NAME, _HAS_COMMENT):
            if flags & text:
                self._skip_text()
        if flags & _HAS_CHECKSUM:
            self._take(2)
        self._member = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
        self._members += 1
        self._checksum = self._length = 0
        return True

    def _end_member(self) -> None:
        self._member = None
        if int.from_bytes(self._take(4), "little") != self._checksum:
            raise _DamageError("the checksum is wrong")
        if int.from_bytes(self._take(4), "little") != self._length % 2**32:
            raise _DamageError("the length is wrong")

    def _take(self, size: int) -> bytes:
        if not self._fill(size):
            raise _DamageError("it ends in the middle")
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _skip_text(self) -> None:
        while (end := self._held.find(b"\0")) < 0:
            self._held = b""
            if not self._fill(1):
                raise _DamageError("it ends in the middle")
        self._held = self._held[end + 1 :]

    def _fill(self, size: int) -> bool:
        """Hold at least `size` packed bytes; False where there are fewer."""
        while len(self._held) < size:
            more = self._packed.read1(_PACKED_BYTES)
            if not more:
                return False
            self._held += more
        return True


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
    """The byte before `position`; none where it was not read on the way there."""
    damage: SourceError | None
    """Why the bytes end where they end, if they should not."""
    can_reopen: bool
    """Whether the same bytes come again when the input is opened again: it is a file by name."""
    _ahead: bytearray
    _seekable: io.BufferedReader[Any] | None

    def __init__(self, name: str, encoding: str | None = None) -> None:
        self.name = name
        self._shown = "stdin" if name == STDIN else name
        self._encoding = known_encoding(encoding)
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
        data = b"" if self._ahead else self._next(size)
        if self._ahead or len(data) > size:
            # Text that is turned into UTF-8 may take more room than it did.
            self._ahead += data
            data = bytes(self._ahead[:size])
            del self._ahead[:size]
        if data:
            self.position += len(data)
            self.last_byte = data[-1:]
        elif self.damage is not None:
            raise self.damage
        return data

    def seek(self, offset: int) -> bool:
        """Move to `offset`; False where the stream ends before it.

        Raises:
            SourceError: The input would have to be read again and cannot be.
        """
        if self._seekable is not None:
            try:
                end = self._seekable.seek(0, io.SEEK_END)
                self.position = self._seekable.seek(offset)
            except OSError as error:
                raise _unreadable(self._shown, error) from None
            self._ahead.clear()
            self.last_byte = b""
            return offset <= end
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
        self.damage = None
        self._ahead = bytearray()
        raw = _open_raw(self.name)
        ours = self.name != STDIN
        self.can_reopen = ours and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)
        self._raw = _Counted(raw, ours=ours)
        buffered = io.BufferedReader(self._raw, READ_BYTES)
        self._file: Reads = buffered
        self._seekable = None
        try:
            magic = buffered.read(len(_GZIP_MAGIC))
            # Standard input may have been read from before it came to us.
            from_start = self._raw.seekable() and self._raw.tell() == self._raw.count
            if from_start:
                buffered.seek(0)
            else:
                self._file = _Prefixed(magic, buffered)
        except OSError as error:
            self.close()
            raise _unreadable(self._shown, error) from None
        packed = magic == _GZIP_MAGIC
        if packed:
            self._file = _Gunzip(self._file)
        encoding = self._encoding or encoding_by_mark(self.peek(4))
        if encoding is not None:
            self._file = Transcoder(_Prefixed(bytes(self._ahead), self._file), encoding)
            self._ahead.clear()
        elif not packed and from_start:
            self._seekable = buffered

    def _reopen(self) -> None:
        if not self.can_reopen:
            raise SourceError(f"{self._shown}: cannot be read twice; give the history as a file")
        self.close()
        self._open()

    def _next(self, size: int) -> bytes:
        if self.damage is None:
            try:
                return self._file.read1(size)
            except _DamageError as error:
                self.damage = DamagedSourceError(
                    f"{self._shown}: the gzip stream is damaged ({error}); the rows before the "
                    "damage were read. Get the file again, whole, and run the same command"
                )
            except UnicodeError:
                self.damage = SourceError(
                    f"{self._shown}: cannot be read as {self._encoding}, for want of a byte order "
                    "mark; say which order with --encoding, as in utf-16-le"
                )
            except OSError as error:
                self.damage = _unreadable(self._shown, error)
        return b""


class _Prefixed:
    """Bytes that were read already, and then the rest."""

    def __init__(self, prefix: bytes, rest: Reads) -> None:
        self._prefix, self._rest = prefix, rest

    def read1(self, size: int) -> bytes:
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        return self._rest.read1(size)


def _stdin() -> IO[bytes] | None:
    """Return standard input without the buffer of Python's own, where that can be had."""
    buffer = getattr(sys.stdin, "buffer", None)
    return cast("IO[bytes] | None", getattr(buffer, "raw", buffer))


def _open_raw(name: str) -> IO[bytes]:
    if name == STDIN:
        raw = _stdin()
        if raw is None or raw.closed:
            raise SourceError("stdin: is closed")
        return raw
    try:
        return Path(name).open("rb", buffering=0)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: Exception) -> SourceError:
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return SourceError(f"{name}: cannot be read: {reason or type(error).__name__}")
