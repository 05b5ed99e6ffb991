"""The bytes of an input, decompressed and in UTF-8, with a position that means the same every time.

Offsets count decoded bytes: the same row has the same offset in `history.jsonl` and in
`history.jsonl.gz`. A plain UTF-8 file is sought in; any other input is read again up to the place.
"""

from __future__ import annotations

import io
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.errors import ChangedSourceError, DamagedSourceError, SourceError
from miso_upload.sources.codecs.base import READ_BYTES, ContainerError, DamageError
from miso_upload.sources.codecs.charset import Reads, Transcoder, encoding_by_mark, known_encoding
from miso_upload.sources.containers import HEAD_BYTES, Peeked, unpacked
from miso_upload.sources.fingerprint import file_checksum
from miso_upload.sources.locations import place_of, unreadable
from miso_upload.sources.watching import WatchedInput
from miso_upload.values.input_names import STDIN, is_remote

if TYPE_CHECKING:
    from miso_upload.records import Stamp

_MAYBE_GARBLED = (
    "; the damage may begin earlier, so the last of these rows may be garbled, and sent where they "
    "were valid"
)


class ByteStream:
    """The decoded bytes of one input: read forward, and where it can be reopened, from any place.

    Args:
        name: A path, a URL, or `-` for standard input.
        encoding: What the text is encoded in; None means UTF-8, or what a byte order mark says.
        allow_insecure_http: Whether a URL may be read unencrypted from any host.

    Raises:
        SourceError: The input cannot be opened.
        ConfigurationError: There is no such encoding.
    """

    position: int
    last_byte: bytes
    """The byte before `position`; none where it was not read on the way there."""
    damage: SourceError | None
    """Why the bytes end where they end, if they should not."""
    packed: bool
    """Whether they are anything but the bytes of the input itself, such as unpacked ones."""
    _file: Reads
    _ahead: bytearray
    _seekable: io.BufferedReader[Any] | None
    _whole_checksum: str | None = None
    """Of the whole file, once it was asked for: it takes a reading of all bytes."""

    def __init__(
        self, name: str, encoding: str | None = None, *, allow_insecure_http: bool = False
    ) -> None:
        self._encoding = known_encoding(encoding)
        self._place = place_of(name, allow_insecure_http=allow_insecure_http)
        self.shown = self._place.shown
        self._path = None if name == STDIN or is_remote(name) else name
        self._quoted = "FILE" if name == STDIN or is_remote(name) else shlex.quote(name)
        self._open()

    @property
    def can_reopen(self) -> bool:
        """Whether the same bytes come again when the input is opened again: not so with a pipe."""
        return self._place.can_reopen

    @property
    def key(self) -> str:
        """Return what it is called wherever the program is started: its absolute path, or URL."""
        return str(Path(self._path).absolute()) if self._path is not None else self.shown

    @property
    def stamp(self) -> Stamp | None:
        """Return which file it is and the state in which it was opened; None of a pipe."""
        return self._raw.stamp

    @property
    def compressed_checksum(self) -> str | None:
        """Return size and checksum of a compressed file, if all of its bytes were read."""
        return self._raw.checksum if self.packed else None

    def is_compressed_as(self, known: str) -> bool:
        """Return whether this is a compressed file with the bytes of this size and checksum."""
        size = self._place.size() if self.packed and self._path is not None else None
        if size is None or not known.startswith(f"{size}:"):
            return False
        if self._whole_checksum is None:
            self._whole_checksum = file_checksum(self._path or "")
        return self._whole_checksum == known

    @property
    def size(self) -> int | None:
        """Return the size of the input itself, as it lies there, or None if that is not known."""
        return self._place.size()

    @property
    def path(self) -> str | None:
        """Return the file whose bytes these are, at the same offsets; None if there is none."""
        return self._path if self._seekable is not None and self.can_reopen else None

    @property
    def raw_position(self) -> int:
        """Return how much of the input itself was read, in its own bytes."""
        return self._raw.count

    @property
    def grew(self) -> bool:
        """Whether the input was written to since it was opened, as far as was noticed."""
        return self._raw.grew

    def what_happened(self) -> str | None:
        """Return what happened to the input while it was read, if anything."""
        return self._raw.what_happened()

    def settled(self, seconds: float) -> bool:
        """Whether the input was not written to for so many seconds, as far as that is known."""
        written = self._raw.written_at or self._place.written_at()
        return written is not None and time.time() - written >= seconds

    def skip_nuls(self) -> int:
        """Move on to the first byte that is no NUL, and return how many were passed."""
        start = self.position
        while self.peek(1) == b"\0":
            self.read(len(self._ahead) - len(self._ahead.lstrip(b"\0")))
        return self.position - start

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

    def read_exactly(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end; raises as `read` does."""
        parts = []
        while size > 0:
            part = self.read(min(size, READ_BYTES))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

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
        self._raw = WatchedInput(self._place)
        try:
            self._unpack(io.BufferedReader(self._raw, READ_BYTES))
        except (ContainerError, OSError) as error:
            self.close()
            raise self._problem(error) from None
        except SourceError:
            self.close()
            raise

    def _unpack(self, buffered: io.BufferedReader[Any]) -> None:
        peeked = Peeked(buffered, HEAD_BYTES)
        head = peeked.head
        # Standard input may have been read from before it came to us.
        from_start = self._raw.seekable() and self._raw.tell() == self._raw.count
        if from_start:
            buffered.seek(0)
        packed = buffered if from_start else peeked
        contents = unpacked(packed, head, buffered if from_start else None, self._quoted)
        self._file, self.packed = contents.file, contents.packed
        if contents.utf8:
            return
        encoding = self._encoding or encoding_by_mark(self.peek(4))
        if encoding is not None:
            self._file = Transcoder(_Prefixed(bytes(self._ahead), self._file), encoding)
            self._ahead.clear()
        elif from_start and not contents.packed:
            self._seekable = buffered

    def _reopen(self) -> None:
        if not self.can_reopen:
            raise SourceError(f"{self.shown}: cannot be read twice; give the history as a file")
        before = self._raw.identity
        self.close()
        self._open()
        if self._raw.identity != before:
            raise ChangedSourceError(
                f"{self.shown}: was replaced while it was read; run the same command again"
            )

    def _next(self, size: int) -> bytes:
        if self.damage is None:
            try:
                return self._file.read1(size)
            except UnicodeError:
                self.damage = SourceError(
                    f"{self.shown}: cannot be read as {self._encoding}, for want of a byte order "
                    "mark; say which order with --encoding, as in utf-16-le"
                )
            except SourceError as error:
                self.damage = error
            except (ContainerError, OSError) as error:
                self.damage = self._problem(error)
        return b""

    def _problem(self, error: ContainerError | OSError) -> SourceError:
        if isinstance(error, DamageError):
            return DamagedSourceError(
                f"{self.shown}: {error}; the rows before the damage were read"
                f"{'' if error.certain else _MAYBE_GARBLED}. Get the file again, whole, and run "
                "the same command"
            )
        if isinstance(error, ContainerError):
            return SourceError(f"{self.shown}: {error}")
        return unreadable(self.shown, error)


class _Prefixed:
    """Bytes that were read already, and then the rest."""

    def __init__(self, prefix: bytes, rest: Reads) -> None:
        self._prefix, self._rest = prefix, rest

    def read1(self, size: int) -> bytes:
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        return self._rest.read1(size)
