"""What a ledger says of its target, read without changing the file."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from miso_upload.errors import LedgerError

KEYS = "key_fingerprints"
"""The name in `about` of the JSON list of the fingerprints of a target's keys."""
SECRET = "content_secret"  # noqa: S105 -- a name
"""The name in `about` of the fingerprint of the secret that content keys are made with."""
_TRIES = 5
_HAS_SENT = """
SELECT EXISTS (SELECT 1 FROM spans WHERE accepted + already_sent + unknown > 0)
    OR EXISTS (SELECT 1 FROM sources WHERE superseded > 0)
    OR EXISTS (SELECT 1 FROM scans WHERE accepted_before > 0)
"""


class Label(NamedTuple):
    """What a ledger says of its target.

    Attributes:
        about: Server, target, and fingerprints of keys, among others.
        sent: Whether Miso may have anything of it.
    """

    about: dict[str, str]
    sent: bool


def read_label(path: Path) -> Label | None:
    """Return what a ledger says of its target; None if nothing was ever noted in it.

    Raises:
        LedgerError: It cannot be read.
    """
    for _ in range(_TRIES):
        try:
            return _read(path)
        except sqlite3.Error as error:
            problem = error
        time.sleep(0.02)  # a run at work may be ending just now, and removing its -wal
    raise LedgerError(
        f"the ledger {path} cannot be used: {problem}. Nothing was sent; a ledger that is damaged "
        "beyond reading can be moved away, but then rows that Miso has would be sent again"
    )


def _read(path: Path) -> Label | None:
    # A writer would take in the -wal of a killed run and remove it; a reader would leave one.
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
        return True  # a table of another version: the safe answer
