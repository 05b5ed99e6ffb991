"""Locks a ledger, so that only one run at a time uses it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from miso_upload.errors import LedgerError, LockedError


class Locked:
    """Holds the lock of a ledger. The operating system releases it when the process ends.

    Args:
        path: The ledger.
        patience: Seconds to wait for another process to release it.
    """

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.lock", timeout=patience, mode=0o600)

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise LockedError(
                "Another run of miso-upload is using the same target. Wait until it ends, then "
                "rerun the command. A crashed run holds no lock."
            ) from None
        except OSError as error:
            raise LedgerError(
                f"Cannot use the state directory {self._path.parent} ({error.strerror}). Fix its "
                "permissions, or name another directory with --state-dir."
            ) from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def remove(self) -> None:
        """Release the lock and remove its file, because the ledger was renamed."""
        self._lock.release()
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
