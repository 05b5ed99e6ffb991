"""Defines the base classes and errors of the readers of compressed inputs.

A reader returns all bytes before the damage, and only then raises an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miso_upload.sources.codecs.charset import ByteReader

READ_BYTES = 2**20
"""The approximate number of bytes to read or decompress at once."""
MOST_MEMORY = 2**27
"""The memory limit of decompression: 128 MiB, the default of `zstd -d`."""
TRUNCATED = "it is cut off"
TRAILING_DATA = "other data follows the compressed data"
_COMPRESSED_BYTES = 2**16
_DECOMPRESSED_BYTES = 2**15
"""How much one call decompresses, and so the most that is lost if the call finds damage."""


class ContainerError(Exception):
    """A container cannot be read. The message gives the reason and the remedy."""


class DamageError(ContainerError):
    """A container is damaged.

    Args:
        container: The kind of container, such as 'gzip stream'.
        how: What is wrong with it.

    Attributes:
        how: What is wrong with it.
        certain: Whether the bytes before the damage are certainly good, because the container is
            only cut off or followed by other data.
    """

    def __init__(self, container: str, how: str) -> None:
        super().__init__(f"the {container} is damaged ({how})")
        self.how = how
        self.certain = how in (TRUNCATED, TRAILING_DATA)


class CompressedBytes:
    """A buffer of compressed bytes.

    Attributes:
        buffer: Bytes that were read and not taken yet.
    """

    def __init__(self, source: ByteReader) -> None:
        self._source = source
        self.buffer = b""

    def fill(self, size: int) -> bool:
        """Fill the buffer with at least `size` bytes; return False if there are fewer."""
        while len(self.buffer) < size:
            more = self._source.read1(_COMPRESSED_BYTES)
            if not more:
                return False
            self.buffer += more
        return True

    def take(self, size: int) -> bytes | None:
        """Return the next `size` bytes, or None if there are fewer."""
        if not self.fill(size):
            return None
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def take_some(self, size: int) -> bytes:
        """Return at most `size` of the next bytes; none at the end."""
        if not self.buffer:
            return self._source.read1(size)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data


class MemberReader:
    """Reads the contents of all members of a compressed stream in sequence.

    Zeros after a member are padding. A subclass reads the header, the contents and the trailer of a
    member.

    Raises:
        ContainerError: The stream is damaged. `read1` raises it after the bytes before the damage.
    """

    container = ""

    def __init__(self, source: ByteReader) -> None:
        self.compressed = CompressedBytes(source)
        self._members = 0
        self._inside = False

    def read1(self, size: int) -> bytes:
        """See `ByteReader.read1`."""
        while self._inside or self._next_member():
            data = self.decompress(min(size, _DECOMPRESSED_BYTES))
            if data:
                return data
        return b""

    def read_header(self) -> bool:
        """Read the header of a member; return False if there is something else."""
        raise NotImplementedError

    def decompress(self, size: int) -> bytes:
        """Return some bytes of the member, or none if it has ended or more input is needed."""
        raise NotImplementedError

    def end_member(self) -> None:
        """Finish the member after its last byte."""
        self._inside = False

    def take(self, size: int) -> bytes:
        """Return the next `size` compressed bytes of the member.

        Raises:
            DamageError: The stream ends before.
        """
        data = self.compressed.take(size)
        if data is None:
            raise self.damage(TRUNCATED)
        return data

    def damage(self, how: str) -> DamageError:
        """Return the error that describes the damage."""
        return DamageError(self.container, how)

    def _next_member(self) -> bool:
        compressed = self.compressed
        while self._members and compressed.fill(1) and compressed.buffer.startswith(b"\0"):
            compressed.buffer = compressed.buffer.lstrip(b"\0")
        if not compressed.fill(1):
            return False
        if not self.read_header():
            raise self.damage(TRAILING_DATA)
        self._members += 1
        self._inside = True
        return True


class DecompressorReader(MemberReader):
    """Reads members with a decompressor object that has the interface of Python's `bz2`."""

    decompressor: Any
    errors: tuple[type[Exception], ...] = ()
    piece = _COMPRESSED_BYTES
    """How many compressed bytes one call takes. A failing call loses what it had decompressed."""

    def decompress(self, size: int) -> bytes:
        """See `MemberReader.decompress`."""
        if self.decompressor.eof:
            self.compressed.buffer = self.decompressor.unused_data + self.compressed.buffer
            self.end_member()
            return b""
        more = b""
        if self.decompressor.needs_input:
            more = self.compressed.take_some(self.piece)
            if not more:
                raise self.damage(TRUNCATED)
        try:
            data: bytes = self.decompressor.decompress(more, size)
        except self.errors as error:
            raise self.failure(error) from None
        return data

    def failure(self, error: Exception) -> ContainerError:
        """Return the error to raise for an error of the decompressor."""
        return self.damage(str(error) or type(error).__name__)
