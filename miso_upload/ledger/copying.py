"""Copies and moves a ledger together with the data in its `-wal` file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from miso_upload.errors import IncompleteLedgerError, LedgerError
from miso_upload.ledger.database import RUN_AT_WORK, incomplete

_MARK = {"name": RUN_AT_WORK}
_UNMARK = "DELETE FROM about WHERE name = :name"


def copy_ledger(source: Path, to: Path) -> None:
    """Copy a ledger and the data in its `-wal` to a new private file. The caller holds its lock.

    Two copies of an unchanged ledger have the same bytes.

    Raises:
        IncompleteLedgerError: Its `-wal` is lost.
        LedgerError: It cannot be read, or the copy cannot be written.
    """
    try:
        _checkpoint(source)
        os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(_connect(source)) as db, closing(sqlite3.connect(to)) as copy:
            db.backup(copy)
        with closing(sqlite3.connect(to)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(
            f"Cannot copy the ledger {source} to {to}: {error}. Free some space or fix the "
            "permissions, then rerun the command."
        ) from None


def move_ledger(source: Path, to: Path) -> bool:
    """Rename a ledger; the caller holds the locks of both names. Return whether it was possible.

    It is impossible while another program has it open, because its `-wal` must stay beside it.

    Raises:
        IncompleteLedgerError: Its `-wal` is lost.
        LedgerError: It cannot be read or renamed.
    """
    if to.exists():
        return False
    try:
        _checkpoint(source)
        if any(Path(f"{source}{suffix}").exists() for suffix in ("-wal", "-shm")):
            return False
        source.rename(to)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(
            f"Cannot rename the ledger {source} to {to}: {error}. Fix the permissions, then rerun "
            "the command."
        ) from None
    return True


def repair_ledger(path: Path) -> bool:
    """Make a ledger usable without the data of a lost `-wal`. Return whether that was needed.

    Raises:
        LedgerError: It cannot be read or written.
    """
    needed = False
    try:
        with closing(_connect(path)) as db:
            needed = db.execute(_UNMARK, _MARK).rowcount > 0
            db.commit()
    except sqlite3.Error as error:
        raise LedgerError(f"Cannot use the ledger {path}: {error}.") from None
    return needed


def _checkpoint(path: Path) -> None:
    """Write what a killed run left in the `-wal` to the file, and clear the mark of that run."""
    had_wal = Path(f"{path}-wal").exists()
    with closing(_connect(path)) as db:
        marked = db.execute("SELECT 1 FROM about WHERE name = :name", _MARK).fetchone()
        if marked and not had_wal:
            raise IncompleteLedgerError(incomplete(path))
        db.execute(_UNMARK, _MARK)
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
