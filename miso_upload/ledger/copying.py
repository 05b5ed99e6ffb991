"""Copies of a ledger, whole although it is one file of several."""

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
    """Copy a ledger, with what its `-wal` holds, to a new file of the owner's. Hold its lock.

    Two copies of an unchanged ledger have the same bytes.

    Raises:
        IncompleteLedgerError: Its `-wal` is lost.
        LedgerError: It cannot be read or written.
    """
    try:
        _settle(source)
        os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(_connect(source)) as db, closing(sqlite3.connect(to)) as copy:
            db.backup(copy)
        with closing(sqlite3.connect(to)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"the ledger {source} cannot be copied to {to}: {error}") from None


def move_ledger(source: Path, to: Path) -> bool:
    """Give a ledger another name; hold the locks of both. Return whether that was possible.

    It is not while another program has it open, because its `-wal` has to stay beside it.

    Raises:
        IncompleteLedgerError: Its `-wal` is lost.
        LedgerError: It cannot be read, or not be moved.
    """
    if to.exists():
        return False
    try:
        _settle(source)
        if any(Path(f"{source}{suffix}").exists() for suffix in ("-wal", "-shm")):
            return False
        source.rename(to)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"the ledger {source} cannot be moved to {to}: {error}") from None
    return True


def repair_ledger(path: Path) -> bool:
    """Take a ledger as it is, without what a lost `-wal` held. Return whether that was needed.

    Raises:
        LedgerError: It cannot be read or written.
    """
    needed = False
    try:
        with closing(_connect(path)) as db:
            needed = db.execute(_UNMARK, _MARK).rowcount > 0
            db.commit()
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger {path} cannot be used: {error}") from None
    return needed


def _settle(path: Path) -> None:
    """Write what a killed run left in the `-wal` into the file, and note that no run is at work."""
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
