"""Checksums of a source's bytes, and how an unchanged file is recognised without reading it.

A checksum proves that bytes are what they were; it is no secret and hides nothing. What Miso has of
a record is another question, which content keys answer.
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
"""How much of an input's beginning is held in memory while it is open."""
_HEAD_BYTES_COMPARED = 4_096
_RACY_NS = 2 * 10**9
"""A file that was written to so shortly before it was read may be written to again without a
change of its times: two seconds is the coarsest clock of a file system in use (FAT)."""


def stamp_of(found: os.stat_result, now_ns: int | None = None) -> Stamp:
    """Return the stamp of a regular file that is about to be read."""
    now_ns = time.time_ns() if now_ns is None else now_ns
    settled = max(found.st_mtime_ns, found.st_ctime_ns) < now_ns - _RACY_NS
    state = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
    return Stamp(f"{found.st_dev}:{found.st_ino}", state if settled else None)


def still_has(path: str, stamp: Stamp) -> bool:
    """Return whether the file that had a stamp is still at its path, and has not become shorter."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return False
    now = stamp_of(found)
    size = (stamp.state or "0").partition(":")[0]
    return now.file == stamp.file and found.st_size >= int(size)


def file_checksum(path: str) -> str | None:
    """Return size and checksum of a file as it is; None if it cannot be read."""
    found = RunningChecksum()
    try:
        with Path(path).open("rb", buffering=0) as file:
            while data := file.read(2**20):
                found.add(found.size, data)
    except (OSError, ValueError):
        return None
    return found.text


def head_checksum(beginning: bytes) -> bytes | None:
    """Return a checksum to look for sources that begin alike; None where there is too little."""
    if len(beginning) < _HEAD_BYTES_COMPARED:
        return None
    return checksum(beginning[:_HEAD_BYTES_COMPARED])
