"""The bytes of an input as they lie on disk, and whether they stay what they were while we read.

A file can be written to between two reads. What was added behind is welcome. But where a file was
emptied and filled again, the next bytes would continue a row that they have nothing to do with. So
after each read that finds the file changed, the bytes just before it are read once more: if they
are not what they were, or are not there, what was just read is not used.

Not noticed is a change in the very moment of a read, or one that leaves those bytes alone: what was
read is then whole rows as they were, or as they are.
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
from miso_upload.sources.fingerprint import stamp_of
from miso_upload.values.hashing import RunningChecksum

if TYPE_CHECKING:
    from miso_upload.records import Stamp
    from miso_upload.sources.locations import Place

_SEAM_BYTES = 2**16
"""How much before a read is compared, and how much of the beginning."""


class WatchedInput(io.RawIOBase):
    """A raw input that knows how many of its own bytes were read, and notices what befalls it.

    Args:
        place: Where it lies; it is opened here.

    Attributes:
        count: How many of its own bytes were read, for the progress bar.
    """

    identity: tuple[int, int] | None = None
    """Which file it is; None if it is none."""
    stamp: Stamp | None = None
    """Which file it is, and its state when it was opened; None where that cannot be told."""

    def __init__(self, place: Place) -> None:
        raw = place.open()
        self._raw = cast("io.RawIOBase", raw)
        self._place = place
        self.count = 0
        self.is_file = False
        with suppress(OSError):  # what stands in for standard input may be no file at all
            state = os.fstat(raw.fileno())
            self.is_file = stat.S_ISREG(state.st_mode)
            self.identity = (state.st_dev, state.st_ino)
            self._begun = self._seen = _written(state)
            if self.is_file:
                self.stamp = stamp_of(state)
        if not self.is_file:
            self.stamp = place.stamp()
        self._sum = RunningChecksum()
        self._seams: dict[str, tuple[int, bytes]] = {}

    @property
    def written_at(self) -> float | None:
        """When the file was last written to, as seconds since 1970; None if it is no file."""
        return os.fstat(self._raw.fileno()).st_mtime if self.is_file else None

    @property
    def checksum(self) -> str | None:
        """Return size and checksum of the file, if all of it was read and it is what it was."""
        if not self.is_file:
            return None
        now = os.fstat(self._raw.fileno())
        whole = now.st_size == self._sum.size and _written(now) == self._begun
        return self._sum.text if whole else None

    @property
    def grew(self) -> bool:
        """Whether the file was written to since it was opened, as far as a read has noticed."""
        return self.is_file and self._seen != self._begun

    def what_happened(self) -> str | None:
        """Return what happened to the file while it was read, if anything, for the user to know."""
        if not self.is_file:
            return None
        if self._place.can_reopen:
            try:
                now = Path(self._place.shown).stat()
            except OSError:
                return "was removed while it was read; what was read is what it was"
            if (now.st_dev, now.st_ino) != self.identity:
                return (
                    "was replaced while it was read; what was read is the file that it was. Run "
                    "the same command again for the one that it is now"
                )
        now = os.fstat(self._raw.fileno())
        if now.st_size < self.count:
            return "was cut while it was read; what was read is what it was"
        if _written(now) != self._begun and now.st_size == self._begun[0]:
            return "was written to while it was read; rows may be of before or after that"
        return None

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read some bytes into `buffer`, and return how many; 0 at the end.

        Raises:
            ChangedSourceError: They do not continue what was read before.
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
        """Return whether it can go to another place."""
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place, and return it."""
        self._seams.pop("last", None)
        self.count = self._raw.seek(offset, whence)
        return self.count

    def tell(self) -> int:
        """Return the place where it is."""
        return self._raw.tell()

    def close(self) -> None:
        """Close it; standard input stays open."""
        # Python closes what it throws away, also where the input could not be opened at all.
        if "_place" in vars(self) and not self.closed and self._place.ours:
            self._raw.close()
        super().close()

    def _watch(self, data: memoryview) -> None:
        """Compare what was read before, if the file has changed since; remember what came now.

        Raises:
            ChangedSourceError: The file is not the one whose beginning was read.
        """
        state = os.fstat(self._raw.fileno())
        end = self._raw.tell()
        if _written(state) != self._seen:
            self._seen = _written(state)
            if state.st_size < end or not all(map(self._stands, self._seams.values())):
                raise ChangedSourceError(
                    f"{self._place.shown}: was truncated or rewritten while it was read; every "
                    "whole row that was read before was taken, and nothing since. If it is a log "
                    "that is copied and emptied, upload the copies; else put new rows into a file "
                    "of their own"
                )
        start = end - len(data)
        self._sum.add(start, data)
        if len(data):
            kept = data[-_SEAM_BYTES:]
            self._seams["last"] = (end - len(kept), bytes(kept))
            if start == 0:
                self._seams["first"] = (0, bytes(data[:_SEAM_BYTES]))

    def _stands(self, seam: tuple[int, bytes]) -> bool:
        start, data = seam
        here = self._raw.tell()
        self._raw.seek(start)
        found = self._raw.read(len(data))
        self._raw.seek(here)
        return found == data


def _written(state: os.stat_result) -> tuple[int, int]:
    return state.st_size, state.st_mtime_ns
