"""The ledger's file: private, whole at any time, and its errors told with a way out."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.errors import IncompleteLedgerError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

VERSION = 1
RUN_AT_WORK = "run_at_work"
"""A name in `about`, there from the beginning of a run to its end.

It is in the file itself, and not only in its `-wal`, before the first intent is noted. A file that
has it without a `-wal` beside it has lost what the run noted.
"""
_PATIENCE = 10.0
"""Seconds to wait for another writer, such as a backup; who has to stop waits several times."""

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, started_at TEXT NOT NULL, ended_at TEXT, exit_code INTEGER,
    version TEXT NOT NULL
);
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL,
    head_length INTEGER NOT NULL, head_digest BLOB NOT NULL,
    recipe TEXT NOT NULL, seen_at TEXT NOT NULL, run_id INTEGER NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE head_lines (
    line BLOB NOT NULL, source_id INTEGER NOT NULL, PRIMARY KEY (line, source_id)
) WITHOUT ROWID;
CREATE TABLE rejects_files (
    path TEXT PRIMARY KEY, length INTEGER NOT NULL, run_id INTEGER NOT NULL
);
CREATE TABLE spans (
    source_id INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
    first_line INTEGER NOT NULL, line_count INTEGER NOT NULL, digest BLOB NOT NULL,
    state TEXT NOT NULL, rows INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0, duplicates INTEGER NOT NULL DEFAULT 0,
    unknown_lines TEXT, pending_lines TEXT, run_id INTEGER NOT NULL, changed_at TEXT NOT NULL,
    PRIMARY KEY (source_id, start)
) WITHOUT ROWID;
CREATE TABLE rejections (
    source_id INTEGER NOT NULL, start INTEGER NOT NULL, line INTEGER NOT NULL,
    by TEXT NOT NULL, reasons TEXT NOT NULL,
    PRIMARY KEY (source_id, start, line)
) WITHOUT ROWID;
CREATE INDEX open_spans ON spans (source_id, state) WHERE state != 'settled';
"""


class Database:
    """One SQLite file. Only one thread may use it.

    Args:
        path: The file; None keeps a database that is gone when it is closed.
        about: What to note in a new one about its target.

    Raises:
        LedgerError: The file cannot be used. So do all methods.
    """

    def __init__(self, path: Path | None, about: dict[str, str]) -> None:
        self.path = path
        self._wal = Path(f"{path}-wal")
        self._had_wal = path is not None and self._wal.exists()
        self._at_work = False
        with self._guarded():
            if path is not None:
                _create_private(path)
            # An empty name is SQLite's own for a temporary file, so even this one fits any input.
            self._db = sqlite3.connect(path or "", isolation_level=None, timeout=_PATIENCE)
        try:
            self._prepare(about)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file, whole without a `-wal` unless somebody else has it open."""
        if self._at_work:
            self._end_work()
        # SQLite removes the -wal with the last connection, also that of a run that was killed.
        keep = self._had_wal and self.path is not None and self._is_marked()
        self._db.close()
        if keep:
            with suppress(OSError):
                os.close(os.open(self._wal, os.O_CREAT | os.O_RDWR, 0o600))

    def begin_work(self, about: dict[str, str]) -> None:
        """Note things about the target, and that a run is at work until `close`. Hold the lock.

        Raises:
            IncompleteLedgerError: An earlier run was at work when this copy of the file was made,
                or its `-wal` is lost.
        """
        if self.path is not None and not self._had_wal and self._is_marked():
            raise IncompleteLedgerError(incomplete(self.path))
        marked = {**about, RUN_AT_WORK: "yes"}
        with self.transaction():
            self.change_many("INSERT OR REPLACE INTO about VALUES (?, ?)", marked.items())
        self._at_work = self._had_wal = True
        self.rows("PRAGMA wal_checkpoint(FULL)")

    def _end_work(self) -> None:
        """Note that no run is at work, and write all of the `-wal` into the file."""
        for _ in range(2):
            with suppress(LedgerError):
                with self.transaction():
                    self.change("DELETE FROM about WHERE name = ?", (RUN_AT_WORK,))
                self._at_work = False
            with suppress(LedgerError):
                # Which makes room for a second try, too, on a disk that is full.
                self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            if not self._at_work:
                return

    def _is_marked(self) -> bool:
        """Whether a run is at work, or one was killed."""
        with suppress(LedgerError):
            return bool(self.row("SELECT 1 FROM about WHERE name = ?", (RUN_AT_WORK,)))
        return self._at_work

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that a query finds."""
        with self._guarded():
            return self._db.execute(statement, values).fetchall()

    def row(self, statement: str, values: Sequence[Any] = ()) -> Any:  # noqa: ANN401 -- or None
        """Return the first row that a query finds; None if there is none."""
        with self._guarded():
            return self._db.execute(statement, values).fetchone()

    def each(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield the rows that a query finds, without holding them all."""
        with self._guarded():
            cursor = self._db.execute(statement, values)
        while True:
            with self._guarded():
                row = cursor.fetchone()
            if row is None:
                return
            yield row

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Change something within a transaction; return the id of a row that was added."""
        return self._db.execute(statement, values).lastrowid or 0

    def change_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Change the same for each of `values`, within a transaction."""
        self._db.executemany(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes in this context together, or none of them."""
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite ends a transaction by itself when, say, the disk is full.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _prepare(self, about: dict[str, str]) -> None:
        (version,) = self.row("PRAGMA user_version")
        if version > VERSION:
            raise LedgerError(
                f"the ledger {self.path} was written by a newer miso-upload; use that one"
            )
        self.rows("PRAGMA journal_mode = WAL")
        # FULL: an intent must be on disk before the first byte is sent, power cuts included.
        self.rows(f"PRAGMA synchronous = {'FULL' if self.path else 'OFF'}")
        if version == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    self.change(statement)
                self.change_many("INSERT INTO about VALUES (?, ?)", about.items())
                self.change(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            where = f"the ledger {self.path}" if self.path else "the temporary ledger"
            raise LedgerError(
                f"{where} cannot be used: {error}. Nothing is lost: free some space or mend the "
                "permissions and run the same command again; a ledger that is damaged beyond "
                "reading can be moved away, but then rows that Miso has would be sent again"
            ) from None


def incomplete(path: Path) -> str:
    """Return the message about a ledger without its `-wal`."""
    return (
        f"the ledger {path} is incomplete: it was copied while a run was at work, or its file "
        f"{path.name}-wal is lost, and with it what that run noted. Nothing was sent. Copy it "
        "again when no run is at work ('miso-upload ledger export' sees to that), or put its "
        f"-wal beside it. If it cannot be had, 'miso-upload ledger repair {path}' takes the "
        "ledger as it is; rows that were sent meanwhile may then be sent again"
    )


def _create_private(path: Path) -> None:
    """Create the file, readable by its owner only, before anything is written to it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
