"""Replaces a file by a new one in one step, so that nobody sees half of it."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


class Replacement:
    """A new file beside the one that it will replace.

    Only its owner can read a new file; an existing file keeps its owner and its mode.

    Args:
        path: The file to replace or create.
        prefix: The prefix of the temporary file; with the file's name in it, the name could be too
            long.

    Attributes:
        file: The new file, open for writing.

    Raises:
        OSError: The temporary file cannot be created.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        self._path = path.resolve()
        descriptor, beside = tempfile.mkstemp(dir=self._path.parent, prefix=prefix)
        self._beside = Path(beside)
        self.file: BinaryIO = os.fdopen(descriptor, "wb")
        _take_mode_of(self._path, descriptor)

    def commit(self) -> None:
        """Put the new file, which is then complete and on disk, in place of the old one."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._beside.replace(self._path)

    def discard(self) -> None:
        """Delete the new file, unless it is in place already."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)


def _take_mode_of(path: Path, descriptor: int) -> None:
    """Give a new file the owner and the mode of the file that it replaces, if any."""
    if sys.platform != "win32" and path.exists():
        about = path.stat()
        with suppress(OSError):
            os.fchown(descriptor, about.st_uid, about.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(about.st_mode))
