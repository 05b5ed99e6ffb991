"""Keeps the temporary files of a query in a private folder, and deletes those of killed runs.

Only the user can open the folder. A run holds a lock on a file in it; the lock ends with the
process. So a run deletes the folders of its user that no process locks any more.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from miso_upload.errors import SourceError

if sys.platform != "win32":
    import fcntl

_PREFIX = "miso-upload-sql-"
_LOCK = "lock"


class PrivateFolder:
    """A folder for temporary files; `close` or the end of the process deletes it.

    Attributes:
        path: The folder.

    Raises:
        SourceError: The folder cannot be created.
    """

    def __init__(self) -> None:
        try:
            parent = Path(tempfile.gettempdir())
            _delete_abandoned(parent)
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = _locked(self.path / _LOCK, os.O_CREAT)
        except OSError as error:
            raise SourceError(
                f"cannot create a temporary folder for the query: {error.strerror}. Set TMPDIR to "
                "a directory with enough space"
            ) from None
        self._files = 0
        self.close = weakref.finalize(self, _delete, self.path, self._lock)

    def new_file(self, suffix: str) -> Path:
        """Return the path of a new file in the folder."""
        self._files += 1
        return self.path / f"{self._files}{suffix}"


def _locked(path: Path, flags: int = 0) -> int | None:
    """Lock a file and return its descriptor; None if another process holds the lock."""
    descriptor = os.open(path, os.O_RDWR | flags, 0o600)
    if sys.platform != "win32":  # where an open file cannot be deleted, so the lock is not needed
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
    return descriptor


def _delete(path: Path, lock: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if lock is not None:
        with suppress(OSError):
            os.close(lock)
    shutil.rmtree(path, ignore_errors=True)  # Windows deletes no file that is open


def _delete_abandoned(parent: Path) -> None:
    """Delete the folders of runs that were killed."""
    if sys.platform != "win32":
        for path in parent.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if path.is_symlink() or path.stat().st_uid != os.getuid():
                    continue
                # A folder without its lock file may be one that a run is creating just now.
                lock = _locked(path / _LOCK)
                if lock is not None:
                    _delete(path, lock)
