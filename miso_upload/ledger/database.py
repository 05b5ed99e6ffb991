"""The ledger's file: private, whole at any time, and its errors told with a way out."""

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
    """What a parameter of a statement may be; `float` stands for integers too."""

RUN_AT_WORK = "run_at_work"
"""A name in `about`, there from the beginning of a run to its end.

It is in the file itself, and not only in its `-wal`, before the first intent is noted. A file that
has it without a `-wal` beside it has lost what the run noted.
"""
_PATIENCE = 10.0
"""Seconds to wait for another writer, such as a backup; a run that stops waits several times."""


class Database:
    """One SQLite file. Only one thread may use it.

    Args:
        path: The file; None keeps a database that is gone when it is closed.
        read_only: It must exist, and is not changed; another program may write to it meanwhile.

    Raises:
        LedgerError: The file cannot be used. So do all methods.
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
            # An empty name is SQLite's own for a temporary file, so even this one fits any input.
            name = f"{path.absolute().as_uri()}?mode={self._mode()}" if path and read_only else path
            self._db = sqlite3.connect(
                name or "", isolation_level=None, timeout=_PATIENCE, uri=read_only
            )
            if read_only:
                self._db.execute("PRAGMA query_only = ON")

    def _mode(self) -> str:
        """Return how to open the file to read it, so that no -wal appears or disappears."""
        return "ro" if self._had_wal else "rw"

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
            self.change_many(
                "INSERT OR REPLACE INTO about VALUES (:name, :value)", named_about(marked)
            )
        self._at_work = self._had_wal = True
        self.rows("PRAGMA wal_checkpoint(FULL)")

    def _end_work(self) -> None:
        """Note that no run is at work, and write all of the `-wal` into the file."""
        for _ in range(2):
            with suppress(LedgerError):
                with self.transaction():
                    self.change("DELETE FROM about WHERE name = :name", name=RUN_AT_WORK)
                self._at_work = False
            with suppress(LedgerError):
                # Which makes room for a second try, too, on a disk that is full.
                self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            if not self._at_work:
                return

    def _is_marked(self) -> bool:
        """Whether a run is at work, or one was killed."""
        with suppress(LedgerError):
            return bool(self.row("SELECT 1 FROM about WHERE name = :name", name=RUN_AT_WORK))
        return self._at_work

    def rows(self, statement: str, /, **values: Value) -> list[Any]:
        """Return the rows that a query finds; each method takes its parameters by name."""
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def row(self, statement: str, /, **values: Value) -> Any:  # noqa: ANN401 -- or None
        """Return the first row that a query finds; None if there is none."""
        try:
            return self._db.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def listed(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Return the rows that a query for a list of values finds, such as `IN (?, ?)`."""
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def each(self, statement: str, /, **values: Value) -> Iterator[Any]:
        """Yield the rows that a query finds, without holding them all."""
        try:
            yield from self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def change(self, statement: str, /, **values: Value) -> int:
        """Change something within a transaction; return the id of a row that was added."""
        return self._db.execute(statement, values).lastrowid or 0

    def added(self, statement: str, /, **values: Value) -> bool:
        """Insert a row within a transaction; return whether there was none like it."""
        return self._db.execute(statement, values).rowcount > 0

    def change_many(
        self, statement: str, values: Iterable[Mapping[str, Any]] | Iterable[Sequence[Any]]
    ) -> None:
        """Change the same for each of `values`, within a transaction.

        Each is a mapping of parameters by name. Rows in the order of the table's columns
        may be tuples, where they are many: to name the values of each would only take time.
        """
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

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> LedgerError:
        where = f"the ledger {self.path}" if self.path else "the temporary ledger"
        return LedgerError(
            f"{where} cannot be used: {error}. Nothing is lost: free some space or fix the "
            "permissions and run the same command again; a ledger that is damaged beyond "
            "reading can be moved away, but then rows that Miso has would be sent again"
        )


def named_about(about: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the rows of the table `about`, as parameters by name."""
    return [{"name": name, "value": value} for name, value in about.items()]


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
