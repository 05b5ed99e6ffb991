"""Opens a ledger's SQLite file, keeps it private and consistent, and turns errors into advice."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miso_upload.errors import IncompleteLedgerError, LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Value = str | bytes | float | None
    """The type of a statement's parameter; `float` includes integers."""

RUN_AT_WORK = "run_at_work"
"""A name in the table `about`, present from the start of a run to its end.

It is in the file itself, not only in the `-wal`, before the first intent is noted. A file that has
it without a `-wal` beside it has lost the changes of that run.
"""
_PATIENCE = 10.0
"""Seconds to wait for another writer, such as a backup. A stopping run waits several times."""


class Database:
    """One SQLite file. Only one thread may use it.

    Args:
        path: The file; None for a temporary database that is deleted by `close`.
        read_only: Whether to open an existing file without changing it. Other programs may write to
            it at the same time.

    Raises:
        LedgerError: The file cannot be used. All methods raise this too.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._wal = Path(f"{path}-wal")
        self._had_wal = path is not None and self._wal.exists()
        self._at_work = False
        with self._guarded():
            if path is not None and not read_only:
                _create_private(path)
            # For an empty name, SQLite uses a temporary file, so it can be larger than the memory.
            name = f"{path.absolute().as_uri()}?mode={self._mode()}" if path and read_only else path
            self._db = sqlite3.connect(
                name or "", isolation_level=None, timeout=_PATIENCE, uri=read_only
            )
            if read_only:
                self._db.execute("PRAGMA query_only = ON")

    def _mode(self) -> str:
        """Return the mode in which reading neither creates nor removes a `-wal`."""
        return "ro" if self._had_wal else "rw"

    def close(self) -> None:
        """Close the file. It is complete without a `-wal`, unless another program has it open."""
        if self._at_work:
            self._end_work()
        # SQLite removes the -wal when the last connection closes, even if a killed run left it.
        keep = self._had_wal and self.path is not None and self._is_marked()
        self._db.close()
        if keep:
            with suppress(OSError):
                os.close(os.open(self._wal, os.O_CREAT | os.O_RDWR, 0o600))

    def begin_work(self, about: dict[str, str]) -> None:
        """Store facts about the target, and mark a run as active until `close`. Hold the lock.

        Raises:
            IncompleteLedgerError: The file was copied during a run, or its `-wal` is lost.
        """
        if self.path is not None and not self._had_wal and self._is_marked():
            raise IncompleteLedgerError(incomplete(self.path))
        marked = {**about, RUN_AT_WORK: "yes"}
        with self.transaction():
            self.change_many(
                "INSERT OR REPLACE INTO about VALUES (:name, :value)", named_about(marked)
            )
        self._at_work = self._had_wal = True
        self.rows("PRAGMA wal_checkpoint(FULL)")

    def _end_work(self) -> None:
        """Clear the mark of the run, and write the whole `-wal` to the file."""
        for _ in range(2):
            with suppress(LedgerError):
                with self.transaction():
                    self.change("DELETE FROM about WHERE name = :name", name=RUN_AT_WORK)
                self._at_work = False
            with suppress(LedgerError):
                # On a full disk, this also frees the space that a second try needs.
                self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            if not self._at_work:
                return

    def _is_marked(self) -> bool:
        """Return whether a run is active or was killed."""
        with suppress(LedgerError):
            return bool(self.row("SELECT 1 FROM about WHERE name = :name", name=RUN_AT_WORK))
        return self._at_work

    def rows(self, statement: str, /, **values: Value) -> list[Any]:
        """Return the rows of a query. Parameters are passed by name, here and below."""
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def row(self, statement: str, /, **values: Value) -> Any:  # noqa: ANN401 -- or None
        """Return the first row of a query; None if it has no rows."""
        try:
            return self._db.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def listed(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Return the rows of a query with a list of values, such as `IN (?, ?)`."""
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def each(self, statement: str, /, **values: Value) -> Iterator[Any]:
        """Yield the rows of a query one by one."""
        try:
            yield from self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def change(self, statement: str, /, **values: Value) -> int:
        """Execute a change within a transaction; return the id of an inserted row."""
        return self._db.execute(statement, values).lastrowid or 0

    def added(self, statement: str, /, **values: Value) -> bool:
        """Insert a row within a transaction; return False if it conflicts with an existing row."""
        return self._db.execute(statement, values).rowcount > 0

    def change_many(
        self, statement: str, values: Iterable[Mapping[str, Any]] | Iterable[Sequence[Any]]
    ) -> None:
        """Execute a change for each of `values`, within a transaction.

        Each is a mapping of parameters by name. For many rows it may be a tuple in the order of the
        table's columns, which is faster.
        """
        self._db.executemany(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes in this context, or none of them."""
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back itself, for example if the disk is full.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read a consistent state in this context, even if other processes write."""
        with self._guarded():
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.rollback()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> LedgerError:
        if self.path is None:
            return LedgerError(
                f"Cannot use the temporary ledger: {error}. Nothing is lost. Free some space, then "
                "rerun the same command."
            )
        return LedgerError(
            f"Cannot use the ledger {self.path}: {error}. Nothing is lost. Free some space, fix "
            "the permissions, or close other programs that use it, then rerun the same command. If "
            "the ledger is damaged, restore it from a backup. Without a backup, rows that Miso "
            "already has are sent again."
        )


def named_about(about: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the rows of the table `about` as parameters by name."""
    return [{"name": name, "value": value} for name, value in about.items()]


def incomplete(path: Path) -> str:
    """Return the message about a ledger without its `-wal`."""
    return (
        f"The ledger {path} is incomplete: it was copied during a run, or its file "
        f"{path.name}-wal is lost. Nothing was sent. Copy the ledger again when no run uses it, "
        "for example with 'miso-upload ledger export', or restore the -wal file beside it. If "
        f"neither is possible, run 'miso-upload ledger repair {path}'; rows that were sent during "
        "that run may then be sent again."
    )


def _create_private(path: Path) -> None:
    """Create the file, readable only by its owner, before anything is written to it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
