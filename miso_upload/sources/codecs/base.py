"""What the readers of compressed inputs have in common: packed bytes at hand, and what goes wrong.

A reader yields everything before the place where its input is damaged, and only then says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miso_upload.sources.codecs.charset import Reads

READ_BYTES = 2**20
"""How much is read or unpacked at once, about."""
MOST_MEMORY = 2**27
"""What unpacking may take: 128 MiB, which is also what `zstd -d` takes unless told otherwise."""
TRUNCATED = "it ends in the middle"
_GARBAGE = "something else follows the compressed data"
_PACKED_BYTES = 2**16
_UNPACKED_BYTES = 2**15
"""What is unpacked in one call, and all that is lost of it where the call meets damage."""


class ContainerError(Exception):
    """A container cannot be read; the message says why, and what to do."""


class DamageError(ContainerError):
    """A container is broken.

    Args:
        container: What it is, as in 'gzip stream'.
        how: What is wrong with it.

    Attributes:
        how: What is wrong with it.
        certain: It is whole up to here: it is cut off, or something else stands here.
    """

    def __init__(self, container: str, how: str) -> None:
        super().__init__(f"the {container} is damaged ({how})")
        self.how = how
        self.certain = how in (TRUNCATED, _GARBAGE)


class Packed:
    """Packed bytes, of which some are at hand."""

    def __init__(self, source: Reads) -> None:
        self._source = source
        self.held = b""

    def fill(self, size: int) -> bool:
        """Hold at least `size` bytes; False where there are fewer."""
        while len(self.held) < size:
            more = self._source.read1(_PACKED_BYTES)
            if not more:
                return False
            self.held += more
        return True

    def take(self, size: int) -> bytes | None:
        """Return the next `size` bytes, or None where there are fewer."""
        if not self.fill(size):
            return None
        data, self.held = self.held[:size], self.held[size:]
        return data

    def some(self, size: int) -> bytes:
        """Return some bytes, at most `size`; none at the end."""
        if not self.held:
            return self._source.read1(size)
        data, self.held = self.held[:size], self.held[size:]
        return data


class Members:
    """The contents of all members of a compressed stream, one after the other.

    Zeros behind a member are padding. A subclass says how a member begins, what is in it and how it
    ends.

    Raises:
        ContainerError: When read, after everything before the damage was.
    """

    container = ""

    def __init__(self, source: Reads) -> None:
        self.packed = Packed(source)
        self._members = 0
        self._inside = False

    def read1(self, size: int) -> bytes:
        """See `Reads.read1`."""
        while self._inside or self._next_member():
            data = self.unpack(min(size, _UNPACKED_BYTES))
            if data:
                return data
        return b""

    def begin(self) -> bool:
        """Read the header of a member; False where something else stands."""
        raise NotImplementedError

    def unpack(self, size: int) -> bytes:
        """Return some bytes of the member, or none where more must be read; may end it."""
        raise NotImplementedError

    def end_member(self) -> None:
        """Note that the member is read to its end."""
        self._inside = False

    def take(self, size: int) -> bytes:
        """Return the next `size` packed bytes, all of which belong to the member."""
        data = self.packed.take(size)
        if data is None:
            raise self.damage(TRUNCATED)
        return data

    def damage(self, how: str) -> DamageError:
        """Return the error that says how the stream is broken."""
        return DamageError(self.container, how)

    def _next_member(self) -> bool:
        packed = self.packed
        while self._members and packed.fill(1) and packed.held.startswith(b"\0"):
            packed.held = packed.held.lstrip(b"\0")
        if not packed.fill(1):
            return False
        if not self.begin():
            raise self.damage(_GARBAGE)
        self._members += 1
        self._inside = True
        return True


class DecompressedMembers(Members):
    """Members that a decompressor object of the usual kind unpacks."""

    decompressor: Any
    errors: tuple[type[Exception], ...] = ()
    piece = _PACKED_BYTES
    """How many packed bytes go in at once. What a failing call had unpacked is lost with it."""

    def unpack(self, size: int) -> bytes:
        """See `Members.unpack`."""
        if self.decompressor.eof:
            self.packed.held = self.decompressor.unused_data + self.packed.held
            self.end_member()
            return b""
        more = b""
        if self.decompressor.needs_input:
            more = self.packed.some(self.piece)
            if not more:
                raise self.damage(TRUNCATED)
        try:
            data: bytes = self.decompressor.decompress(more, size)
        except self.errors as error:
            raise self.failure(error) from None
        return data

    def failure(self, error: Exception) -> ContainerError:
        """Return what an error of the decompressor means."""
        return self.damage(str(error) or type(error).__name__)
