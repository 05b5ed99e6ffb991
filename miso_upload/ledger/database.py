"""The ledger's file: private, whole at any time, and its errors told with a way out."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from miso_upload.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE = 10.0
"""Seconds to wait for another writer, such as a backup; a run that must stop waits several times."""


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
        with self._guarded():
            if path is not None and not read_only:
                _create_private(path)
            # An empty name is SQLite's own for a temporary file, so even this one fits any input.
            name = f"{path.absolute().as_uri()}?mode=ro" if path and read_only else path or ""
            self._db = sqlite3.connect(name, isolation_level=None, timeout=_PATIENCE, uri=read_only)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

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

    def change(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Change something within a transaction; return the id of a row that was added."""
        return self._db.execute(statement, values).lastrowid or 0

    def added(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> bool:
        """Insert a row within a transaction; return whether there was none like it."""
        return self._db.execute(statement, values).rowcount > 0

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


def _create_private(path: Path) -> None:
    """Create the file, readable by its owner only, before anything is written to it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
