"""Lets a worker process read a byte range of a file again instead of receiving it by a pipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from miso_upload.errors import ChangedSourceError


class FileRange(NamedTuple):
    """A byte range of a file, and its checksum."""

    path: str
    start: int
    size: int
    checksum: int


def range_of(path: str, start: int, data: bytes) -> FileRange:
    """Return the range of `data`, which was read from the file at `path`, from offset `start`."""
    return FileRange(path, start, len(data), isal_zlib.crc32(data))


def read_range(file_range: FileRange) -> bytes:
    """Return the bytes of a file's range.

    Raises:
        ChangedSourceError: The bytes have changed, or are missing.
    """
    try:
        with Path(file_range.path).open("rb", buffering=0) as file:
            file.seek(file_range.start)
            data = _read(file.fileno(), file_range.size)
    except OSError:
        data = b""
    if len(data) == file_range.size and isal_zlib.crc32(data) == file_range.checksum:
        return data
    raise ChangedSourceError(
        f"{file_range.path}: the file was changed while it was read; make sure that no other "
        "program rewrites it, and rerun the same command"
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
