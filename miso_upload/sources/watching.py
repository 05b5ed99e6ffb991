"""Reads the raw bytes of an input, and detects changes of the file during the read.

A file can change between two reads. Appended bytes are fine. But if the file was truncated and
filled again, the next bytes would continue an unrelated row. So after each read that finds the
file modified, the bytes just before it are read again: if they differ or are missing, the bytes
just read are discarded.

A change during a read, or one that keeps those bytes, is not detected. The rows are then whole
rows of the old or of the new file.
"""

from __future__ import annotations

import io
import os
import select
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from miso_upload.errors import ChangedSourceError
from miso_upload.sources.checksums import stamp_of
from miso_upload.values.hashing import RunningChecksum

if TYPE_CHECKING:
    from miso_upload.records import Stamp
    from miso_upload.sources.input_location import InputLocation

_SEAM_BYTES = 2**16
"""How many bytes are compared: of those before a read, and of the beginning."""


class WatchedInput(io.RawIOBase):
    """A raw input that counts the bytes read and detects changes of its file.

    Args:
        location: The input, which is opened here.

    Attributes:
        count: How many raw bytes were read, for the progress bar.
    """

    identity: tuple[int, int] | None = None
    """Device and inode; None if the input is not a file."""
    stamp: Stamp | None = None
    """The file and its state when it was opened; None if they are not known."""

    def __init__(self, location: InputLocation) -> None:
        raw = location.open()
        self._raw = cast("io.RawIOBase", raw)
        self._location = location
        self.count = 0
        self.is_file = False
        with suppress(OSError):  # a replacement of standard input may have no descriptor
            state = os.fstat(raw.fileno())
            self.is_file = stat.S_ISREG(state.st_mode)
            self.identity = (state.st_dev, state.st_ino)
            self._opened = self._seen = _written(state)
            if self.is_file:
                self.stamp = stamp_of(state)
        if not self.is_file:
            self.stamp = location.stamp()
        self._sum = RunningChecksum()
        self._seams: dict[str, tuple[int, bytes]] = {}

    @property
    def written_at(self) -> float | None:
        """When the file was last modified, in seconds since 1970; None if it is not a file."""
        return os.fstat(self._raw.fileno()).st_mtime if self.is_file else None

    @property
    def checksum(self) -> str | None:
        """Return the size and checksum of the file if it was read whole and has not changed."""
        if not self.is_file:
            return None
        now = os.fstat(self._raw.fileno())
        whole = now.st_size == self._sum.size and _written(now) == self._opened
        return self._sum.text if whole else None

    @property
    def grew(self) -> bool:
        """Whether a read found that the file was modified since it was opened."""
        return self.is_file and self._seen != self._opened

    def what_happened(self) -> str | None:
        """Return a note on what happened to the file while it was read, if anything."""
        if not self.is_file:
            return None
        if self._location.can_reopen:
            try:
                now = Path(self._location.shown).stat()
            except OSError:
                return "the file was removed while it was read; the rows are from the removed file"
            if (now.st_dev, now.st_ino) != self.identity:
                return (
                    "the file was replaced while it was read; the rows are from the old file. "
                    "Rerun the same command to read the new one"
                )
        now = os.fstat(self._raw.fileno())
        if now.st_size < self.count:
            return "the file was truncated while it was read; the rows are from before then"
        if _written(now) != self._opened and now.st_size == self._opened[0]:
            return (
                "the file was modified while it was read; the rows may be from before or after "
                "the change"
            )
        return None

    def readable(self) -> bool:
        """See `io.IOBase.readable`."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read some bytes into `buffer`, and return how many; 0 at the end.

        Raises:
            ChangedSourceError: The bytes do not continue those read before.
        """
        while True:
            count = self._raw.readinto(buffer)
            if count is not None:
                if self.is_file:
                    self._watch(buffer[:count])
                self.count += count
                return count
            # Another user of the pipe may have made it non-blocking: nothing yet is no end.
            select.select([self._raw], [], [])

    def seekable(self) -> bool:
        """See `io.IOBase.seekable`."""
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase.seek`."""
        self._seams.pop("last", None)
        self.count = self._raw.seek(offset, whence)
        return self.count

    def tell(self) -> int:
        """See `io.IOBase.tell`."""
        return self._raw.tell()

    def close(self) -> None:
        """Close the input; standard input stays open."""
        # Python also calls this on discarding an object whose input could not be opened.
        if "_location" in vars(self) and not self.closed and self._location.ours:
            self._raw.close()
        super().close()

    def _watch(self, data: memoryview) -> None:
        """Compare earlier bytes if the file was modified, and remember the new ones.

        Raises:
            ChangedSourceError: The earlier bytes are no longer in the file.
        """
        state = os.fstat(self._raw.fileno())
        end = self._raw.tell()
        if _written(state) != self._seen:
            self._seen = _written(state)
            if state.st_size < end or not all(map(self._is_unchanged, self._seams.values())):
                raise ChangedSourceError(
                    f"{self._location.shown}: the file was truncated or rewritten while it was "
                    "read; miso-upload used the complete rows before the change and discarded the "
                    "rest. If the file is a log that is rotated by copytruncate, upload the "
                    "copies; otherwise write new rows to a new file"
                )
        start = end - len(data)
        self._sum.add(start, data)
        if len(data):
            kept = data[-_SEAM_BYTES:]
            self._seams["last"] = (end - len(kept), bytes(kept))
            if start == 0:
                self._seams["first"] = (0, bytes(data[:_SEAM_BYTES]))

    def _is_unchanged(self, seam: tuple[int, bytes]) -> bool:
        start, data = seam
        here = self._raw.tell()
        self._raw.seek(start)
        found = self._raw.read(len(data))
        self._raw.seek(here)
        return found == data


def _written(state: os.stat_result) -> tuple[int, int]:
    return state.st_size, state.st_mtime_ns
