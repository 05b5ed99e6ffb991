"""Bytes of a file that another process reads again, instead of being sent them through a pipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from miso_upload.errors import ChangedSourceError


class Place(NamedTuple):
    """Where some bytes lie, and a checksum by which they are known."""

    path: str
    start: int
    size: int
    checksum: int


def place_of(path: str, start: int, data: bytes) -> Place:
    """Return the place of `data`, which was read from the file at `path`, from offset `start`."""
    return Place(path, start, len(data), isal_zlib.crc32(data))


def read_again(place: Place) -> bytes:
    """Return the bytes at a place.

    Raises:
        ChangedSourceError: Other bytes are there now, or none.
    """
    try:
        with Path(place.path).open("rb", buffering=0) as file:
            file.seek(place.start)
            data = _read(file.fileno(), place.size)
    except OSError:
        data = b""
    if len(data) == place.size and isal_zlib.crc32(data) == place.checksum:
        return data
    raise ChangedSourceError(
        f"{place.path}: was changed while it was read; see to it that nobody writes to its "
        "beginning, and run the same command again"
    )


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = os.read(descriptor, size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
