"""The ledger's file: private, whole at any time, and its errors told with a way out."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from miso_upload.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

VERSION = 1
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
        """Close the file."""
        self._db.close()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that a query finds."""
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def row(self, statement: str, values: Sequence[Any] = ()) -> Any:  # noqa: ANN401 -- or None
        """Return the first row that a query finds; None if there is none."""
        try:
            return self._db.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def each(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Yield the rows that a query finds, without holding them all."""
        try:
            yield from self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failure(error) from None

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

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the same state in this context, whatever other processes write meanwhile."""
        with self._guarded():
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.rollback()

    def _prepare(self, about: dict[str, str]) -> None:
        (version,) = self.row("PRAGMA user_version")
        if version > VERSION:
            raise LedgerError(
                f"the ledger {self.path} was written by a newer miso-upload; use that one"
            )
        self.rows("PRAGMA journal_mode = WAL")
        # A day of 20 million records is sorted in one transaction; its log need not stay that long.
        self.rows("PRAGMA journal_size_limit = 67108864")
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
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> LedgerError:
        where = f"the ledger {self.path}" if self.path else "the temporary ledger"
        return LedgerError(
            f"{where} cannot be used: {error}. Nothing is lost: free some space or mend the "
            "permissions and run the same command again; a ledger that is damaged beyond "
            "reading can be moved away, but then rows that Miso has would be sent again"
        )


def _create_private(path: Path) -> None:
    """Create the file, readable by its owner only, before anything is written to it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
