"""Computes checksums of a source's bytes, and recognises an unchanged file without reading it.

A checksum proves that bytes are unchanged. It is not a secret and hides nothing. Content keys, not
checksums, tell which records Miso has.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.records import Stamp
from miso_upload.values.hashing import RunningChecksum, checksum

if TYPE_CHECKING:
    import os

HEAD_BYTES = 65_536
"""The size of the beginning that an open input keeps in memory."""
_HEAD_BYTES_COMPARED = 4_096
_RACY_NS = 2 * 10**9
"""A file that was modified this recently may change again without a change of its timestamps: the
coarsest clock of a file system in use, FAT's, ticks every two seconds."""


def stamp_of(found: os.stat_result, now_ns: int | None = None) -> Stamp:
    """Return the stamp of a regular file that is about to be read."""
    now_ns = time.time_ns() if now_ns is None else now_ns
    settled = max(found.st_mtime_ns, found.st_ctime_ns) < now_ns - _RACY_NS
    state = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
    return Stamp(f"{found.st_dev}:{found.st_ino}", state if settled else None)


def still_has(path: str, stamp: Stamp) -> bool:
    """Return whether the path still names the file with this stamp, and the file has not shrunk."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return False
    now = stamp_of(found)
    size = (stamp.state or "0").partition(":")[0]
    return now.file == stamp.file and found.st_size >= int(size)


def file_checksum(path: str) -> str | None:
    """Return the size and checksum of a file; None if it cannot be read."""
    found = RunningChecksum()
    try:
        with Path(path).open("rb", buffering=0) as file:
            while data := file.read(2**20):
                found.add(found.size, data)
    except (OSError, ValueError):
        return None
    return found.text


def head_checksum(beginning: bytes) -> bytes | None:
    """Return a checksum to find sources with the same beginning; None if `beginning` is short."""
    if len(beginning) < _HEAD_BYTES_COMPARED:
        return None
    return checksum(beginning[:_HEAD_BYTES_COMPARED])
