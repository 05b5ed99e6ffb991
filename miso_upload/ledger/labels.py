"""Reads the target of a ledger without changing the file."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from miso_upload.errors import LedgerError

KEYS = "key_fingerprints"
"""The name in `about` of the fingerprints of a target's API keys, as a JSON list."""
SECRET = "content_secret"  # noqa: S105 -- a name
"""The name in `about` of the fingerprint of the secret for content keys."""
_TRIES = 5
_HAS_SENT = """
SELECT EXISTS (SELECT 1 FROM spans WHERE accepted + already_sent + unknown > 0)
    OR EXISTS (SELECT 1 FROM sources WHERE superseded > 0)
    OR EXISTS (SELECT 1 FROM scans WHERE accepted_before > 0)
"""


class Label(NamedTuple):
    """The target of a ledger.

    Attributes:
        about: The table `about`: server, target, fingerprints of keys and more.
        sent: Whether Miso may have any record from this ledger.
    """

    about: dict[str, str]
    sent: bool


def read_label(path: Path) -> Label | None:
    """Return the target of a ledger; None if the ledger is empty.

    Raises:
        LedgerError: It cannot be read.
    """
    for _ in range(_TRIES):
        try:
            return _read(path)
        except sqlite3.Error as error:
            problem = error
        time.sleep(0.02)  # a run may be ending just now, and removing its -wal
    raise LedgerError(
        f"Cannot read the ledger {path}: {problem}. Nothing was sent. Check its permissions. If "
        "the ledger is damaged, restore it from a backup. Without a backup, rows that Miso "
        "already has are sent again."
    )


def _read(path: Path) -> Label | None:
    # A writer would remove the -wal of a killed run, and a reader would leave a new -wal behind.
    mode = "ro" if Path(f"{path}-wal").exists() else "rw"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as db:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            return None
        about = dict(db.execute("SELECT name, value FROM about").fetchall())
        return Label(about, _has_sent(db))


def _has_sent(db: sqlite3.Connection) -> bool:
    try:
        return bool(db.execute(_HAS_SENT).fetchone()[0])
    except sqlite3.OperationalError:
        return True  # the tables of another version differ; this is the safe answer
