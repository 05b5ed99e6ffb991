"""Hashes bytes: keyed 64-bit hashes of records, and checksums of blocks.

XXH3 is not a cryptographic hash. SECURITY.md explains what its secret seed protects against.
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
    """Return a 16-byte checksum of `data`; it does not resist deliberate collisions."""
    return xxhash.xxh3_128_digest(data)


def is_checksum(data: bytes, expected: bytes) -> bool:
    """Return whether `expected` is the checksum of `data`."""
    return checksum(data) == expected


class RunningChecksum:
    """A checksum that is updated chunk by chunk.

    Attributes:
        size: How many bytes the checksum covers.
    """

    def __init__(self) -> None:
        self.size = 0
        self._sum = xxhash.xxh3_128()

    def add(self, start: int, data: bytes | memoryview) -> None:
        """Add the bytes at offset `start`; skip those that are already covered."""
        begin = self.size - start
        if 0 <= begin < len(data):
            self._sum.update(data[begin:])
            self.size += len(data) - begin

    @property
    def text(self) -> str:
        """Return the size and the checksum."""
        return f"{self.size}:{self._sum.hexdigest()}"


def hashes(texts: Iterable[bytes], seed: int) -> array[int]:
    """Return the 64-bit hash of each text under a 64-bit seed."""
    digest = xxhash.xxh3_64_intdigest
    return array("Q", list(map(digest, texts, repeat(seed))))


def keyed_digest(key: bytes, purpose: bytes, data: bytes, size: int) -> bytes:
    """Return `size` bytes of BLAKE2b of `data` under a key of up to 64 bytes.

    Args:
        key: The secret.
        purpose: At most 16 bytes that separate the digests of one use from those of another.
        data: The bytes to hash.
        size: The number of bytes, at most 64.
    """
    return hashlib.blake2b(data, key=key, person=purpose, digest_size=size).digest()
