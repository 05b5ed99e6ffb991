"""Fast hashes of bytes: keyed 64-bit hashes of records, and checksums of blocks.

XXH3 is no cryptographic hash. SECURITY.md says what its secret seed protects from, and what not.
"""

from __future__ import annotations

import hashlib
from array import array
from itertools import repeat
from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    from collections.abc import Iterable


def checksum(data: bytes) -> bytes:
    """Return 16 bytes that differ for different data, unless someone makes them collide."""
    return xxhash.xxh3_128_digest(data)


def is_checksum(data: bytes, expected: bytes) -> bool:
    """Return whether `expected` is the checksum of `data`."""
    return checksum(data) == expected


class RunningChecksum:
    """The checksum of bytes that come piece by piece.

    Attributes:
        size: How many there were.
    """

    def __init__(self) -> None:
        self.size = 0
        self._sum = xxhash.xxh3_128()

    def add(self, start: int, data: bytes | memoryview) -> None:
        """Take bytes that begin at an offset; those that were there before are passed over."""
        begin = self.size - start
        if 0 <= begin < len(data):
            self._sum.update(data[begin:])
            self.size += len(data) - begin

    @property
    def text(self) -> str:
        """Return size and checksum."""
        return f"{self.size}:{self._sum.hexdigest()}"


def hashes(texts: Iterable[bytes], seed: int) -> array[int]:
    """Return the 64-bit hash of each text under a 64-bit seed."""
    digest = xxhash.xxh3_64_intdigest
    return array("Q", list(map(digest, texts, repeat(seed))))


def keyed_digest(key: bytes, purpose: bytes, data: bytes, size: int) -> bytes:
    """Return `size` bytes of BLAKE2b of `data` under a key of up to 64 bytes.

    Args:
        key: The secret.
        purpose: At most 16 bytes that keep the digests of one use apart from those of another.
        data: What is hashed.
        size: The number of bytes, at most 64.
    """
    return hashlib.blake2b(data, key=key, person=purpose, digest_size=size).digest()
