"""Knowing a source again by what it says, wherever it lies and however it is packed.

The digest of a source's beginning survives renaming, compression and growth. How much of the
beginning there was when the source was first seen is remembered with the digest, so a file that was
small then and is larger now is still the same one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

MOST_LINES = 256
"""How many lines of a source's beginning are compared with those of others."""

DIGEST_BYTES = 16
HEAD_BYTES = 65_536
"""How much of a source's beginning identifies it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a source's decoded stream, `HEAD_BYTES` of them or all there are.

    The closing bracket of a JSON array is left out, because more elements may take its place.

    Attributes:
        sure: How many of them identify it: those of whole rows. The beginning of a row that is
            still written may be that of many a source. None means all.
    """

    data: bytes = field(repr=False)
    sure: int | None = None

    def __len__(self) -> int:
        return len(self.data)

    @property
    def identity(self) -> bytes:
        """Return the bytes that identify the source."""
        return self.data[: self.sure]

    def digest(self, length: int | None = None) -> bytes:
        """Return the digest of the first `length` bytes; of all of them by default."""
        return digest(self.data[:length])

    def line_digests(self) -> set[bytes]:
        """Return digests of some whole lines, by which an edited copy can be told from a new file.

        The first line is none of them: many files begin with the same header.
        """
        lines = self.data.split(b"\n")[1:-1][:MOST_LINES]
        return {digest(line)[:8] for line in lines if line.strip()}


def digest(data: bytes) -> bytes:
    """Return 16 bytes that tell `data` from all other data."""
    # Most processors have instructions for SHA-256, and half of it is more than enough.
    return hashlib.sha256(data).digest()[:DIGEST_BYTES]
