"""Reads the decompressed UTF-8 bytes of an input, with offsets that are stable across runs.

Offsets count decoded bytes: the same row has the same offset in `history.jsonl` and in
`history.jsonl.gz`. A plain UTF-8 file is seekable; any other input is read again up to the offset.
"""

from __future__ import annotations

import io
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.errors import ChangedSourceError, DamagedSourceError, SourceError
from miso_upload.sources.checksums import file_checksum
from miso_upload.sources.codecs.base import READ_BYTES, ContainerError, DamageError
from miso_upload.sources.codecs.charset import (
    ByteReader,
    NewlineReader,
    Transcoder,
    encoding_by_mark,
    encoding_by_nuls,
    ends_lines_with_returns,
    known_encoding,
)
from miso_upload.sources.containers import HEAD_BYTES, PeekedReader, decompressed
from miso_upload.sources.locations import location_of, unreadable
from miso_upload.sources.watching import WatchedInput
from miso_upload.values.input_names import STDIN, is_remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.records import Stamp
    from miso_upload.sources.input_location import InputLocation

_LONG_LINE = 2**16
"""How many bytes are searched for a line end."""


class ByteStream:
    """The decoded bytes of an input, read forward, or from any offset if it can be reopened.

    Args:
        name: A path, a URL, or `-` for standard input.
        encoding: The encoding of the text; None means UTF-8, or that of a byte order mark.
        allow_insecure_http: Whether a URL may be read over plain HTTP from any host.
        is_text: Whether UTF-16 without a byte order mark, and lines that end with carriage returns
            only, are recognised and converted.
        location: Where to read the input; None for what the name means.

    Raises:
        SourceError: The input cannot be opened.
        ConfigurationError: The encoding does not exist.
    """

    position: int
    last_byte: bytes
    """The byte before `position`; empty if it was not read."""
    damage: SourceError | None
    """Why the bytes end too early, if they do."""
    is_compressed: bool
    """Whether the decoded bytes differ from the raw bytes, as those of a compressed file do."""
    is_table: bool
    """Whether the bytes are lines that were made from the rows of a Parquet file."""
    _file: ByteReader
    _ahead: bytearray
    _seekable: io.BufferedReader[Any] | None
    _whole_checksum: str | None = None
    """The cached checksum of the whole file, which takes reading all of its bytes."""

    def __init__(
        self,
        name: str,
        encoding: str | None = None,
        *,
        allow_insecure_http: bool = False,
        is_text: bool = False,
        location: InputLocation | None = None,
    ) -> None:
        self._is_text = is_text
        self._encoding = known_encoding(encoding)
        is_file = location is None and name != STDIN and not is_remote(name)
        self._location = location or location_of(name, allow_insecure_http=allow_insecure_http)
        self.shown = self._location.shown
        self._path = name if is_file else None
        self._quoted = shlex.quote(name) if is_file else "FILE"
        self._open()

    @property
    def can_reopen(self) -> bool:
        """Whether opening the input again yields the same bytes; False for a pipe."""
        return self._location.can_reopen

    @property
    def key(self) -> str:
        """Return the absolute path, or the URL without secrets."""
        return str(Path(self._path).absolute()) if self._path is not None else self.shown

    @property
    def stamp(self) -> Stamp | None:
        """Return the file and its state when it was opened; None for a pipe."""
        return self._raw.stamp

    @property
    def compressed_checksum(self) -> str | None:
        """Return the size and checksum of a compressed file, if all of its bytes were read."""
        return self._raw.checksum if self.is_compressed else None

    def has_compressed_checksum(self, known: str) -> bool:
        """Return whether this is a compressed file of this size and checksum."""
        is_file = self.is_compressed and self._path is not None
        size = self._location.size() if is_file else None
        if size is None or not known.startswith(f"{size}:"):
            return False
        if self._whole_checksum is None:
            self._whole_checksum = file_checksum(self._path or "")
        return self._whole_checksum == known

    @property
    def size(self) -> int | None:
        """Return the size of the input in raw bytes, or None if it is not known."""
        return self._location.size()

    @property
    def path(self) -> str | None:
        """Return the path of a file with these bytes at the same offsets; None if there is none."""
        return self._path if self._seekable is not None and self.can_reopen else None

    @property
    def raw_position(self) -> int:
        """Return how many raw bytes of the input were read."""
        return self._raw.count

    @property
    def grew(self) -> bool:
        """Whether a read found that the input was modified since it was opened."""
        return self._raw.grew

    def what_happened(self) -> str | None:
        """Return a note on what happened to the input while it was read, if anything."""
        return self._raw.what_happened()

    def is_settled(self, seconds: float) -> bool:
        """Return whether the input is known to be unmodified for this many seconds."""
        written = self._raw.written_at or self._location.written_at()
        return written is not None and time.time() - written >= seconds

    def skip_nuls(self) -> int:
        """Skip NUL bytes, and return how many there were."""
        start = self.position
        while self.peek(1) == b"\0":
            self.read(len(self._ahead) - len(self._ahead.lstrip(b"\0")))
        return self.position - start

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes without consuming them, or all before the end or damage."""
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
            # Text may grow when it is converted to UTF-8.
            self._ahead += data
            data = bytes(self._ahead[:size])
            del self._ahead[:size]
        if data:
            self.position += len(data)
            self.last_byte = data[-1:]
        elif self.damage is not None:
            raise self.damage
        return data

    def read_exactly(self, size: int) -> bytes:
        """Return the next `size` bytes, or fewer at the end.

        Raises:
            SourceError: See `read`.
        """
        parts = []
        while size > 0:
            part = self.read(min(size, READ_BYTES))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def seek(self, offset: int) -> bool:
        """Move to `offset`; return False if the stream ends before it.

        Raises:
            SourceError: The input would have to be read twice and cannot be.
        """
        if self._seekable is not None:
            try:
                end = self._seekable.seek(0, io.SEEK_END)
                self.position = self._seekable.seek(offset)
            except OSError as error:
                raise unreadable(self.shown, error) from None
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
        self._seekable = None
        self._raw = WatchedInput(self._location)
        try:
            self._decompress(io.BufferedReader(self._raw, READ_BYTES))
        except (ContainerError, OSError) as error:
            self.close()
            raise self._problem(error) from None
        except SourceError:
            self.close()
            raise

    def _decompress(self, buffered: io.BufferedReader[Any]) -> None:
        peeked = PeekedReader(buffered, HEAD_BYTES)
        head = peeked.head
        # Another program may have read from standard input before.
        from_start = self._raw.seekable() and self._raw.tell() == self._raw.count
        if from_start:
            buffered.seek(0)
        raw = buffered if from_start else peeked
        contents = decompressed(
            raw, head, buffered if from_start else None, self._quoted, self.shown
        )
        self._file, self.is_compressed = contents.file, contents.is_compressed
        self.is_table = contents.is_utf8
        if self.is_table:
            return
        encoding = self._encoding or encoding_by_mark(self.peek(4))
        if encoding is None and self._is_text:
            encoding = encoding_by_nuls(self.peek(HEAD_BYTES))
        if encoding is not None:
            self._replace_file(lambda file: Transcoder(file, encoding))
        if self._has_returns_only():
            self._replace_file(NewlineReader)
        elif encoding is None and from_start and not contents.is_compressed:
            self._seekable = buffered

    def _has_returns_only(self) -> bool:
        """Return whether only carriage returns end lines, as far as the beginning shows."""
        if not self._is_text or b"\n" in self.peek(HEAD_BYTES):
            return False
        return ends_lines_with_returns(self.peek(_LONG_LINE))

    def _replace_file(self, reader: Callable[[ByteReader], ByteReader]) -> None:
        """Read the bytes through another reader, from the beginning."""
        self._file = reader(_Prefixed(bytes(self._ahead), self._file))
        self._ahead.clear()

    def _reopen(self) -> None:
        if not self.can_reopen:
            raise SourceError(
                f"{self.shown}: the input cannot be read twice; save it as a file and name the file"
            )
        before = self._raw.identity
        self.close()
        self._open()
        if self._raw.identity != before:
            raise ChangedSourceError(
                f"{self.shown}: the file was replaced while it was read; rerun the same command"
            )

    def _next(self, size: int) -> bytes:
        if self.damage is None:
            try:
                return self._file.read1(size)
            except UnicodeError:
                self.damage = SourceError(
                    f"{self.shown}: there is no byte order mark, so the byte order of "
                    f"{self._encoding} is unknown; name it, as in --encoding utf-16-le"
                )
            except SourceError as error:
                self.damage = error
            except (ContainerError, OSError) as error:
                self.damage = self._problem(error)
        return b""

    def _problem(self, error: ContainerError | OSError) -> SourceError:
        if isinstance(error, DamageError):
            if error.certain:
                return DamagedSourceError(
                    f"{self.shown}: {error}. The rows before the damage were read. Get an intact "
                    "copy of the file and rerun the same command"
                )
            return DamagedSourceError(
                f"{self.shown}: {error}. The rows before the damage were read, but the damage may "
                "begin earlier. The last of these rows may be garbled; those that were valid were "
                "sent. Get an intact copy of the file and rerun the same command"
            )
        if isinstance(error, ContainerError):
            return SourceError(f"{self.shown}: {error}")
        return unreadable(self.shown, error)


class _Prefixed:
    """Returns a prefix that was read already, and then the rest."""

    def __init__(self, prefix: bytes, rest: ByteReader) -> None:
        self._prefix, self._rest = prefix, rest

    def read1(self, size: int) -> bytes:
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        return self._rest.read1(size)
