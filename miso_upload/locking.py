"""One run at a time: a lock that ends with its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from miso_upload.errors import LedgerError, LockedError

if TYPE_CHECKING:
    from pathlib import Path


class Locked:
    """Holds the lock of a ledger; the operating system lets go of it when the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.lock", timeout=0, mode=0o600)

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise LockedError(
                "another miso-upload is at work on the same target; wait for it to end (a crashed "
                "one holds no lock)"
            ) from None
        except OSError as error:
            raise LedgerError(
                f"the state directory {self._path.parent} cannot be used ({error.strerror}); "
                "name another with --state-dir"
            ) from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()
