"""Writes the tables of an SQLite file as JSON Lines, because DuckDB cannot read them itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import ConfigurationError, SourceError
from miso_upload.sources.sql.values import identifier
from miso_upload.values.display import quoted
from miso_upload.values.json import encode_lines

if TYPE_CHECKING:
    from pathlib import Path

    from miso_upload.sources.sql.private_folder import PrivateFolder

MAGIC = b"SQLite format 3\0"
_ROWS = 1_000
_EXACT_IN_DOUBLE = 2**53
_TYPES = {
    frozenset(): "VARCHAR",
    frozenset({"integer"}): "BIGINT",
    frozenset({"real"}): "DOUBLE",
    frozenset({"integer", "real"}): "DOUBLE",
    frozenset({"text"}): "VARCHAR",
    frozenset({"large integer"}): "BIGINT",
    frozenset({"large integer", "integer"}): "BIGINT",
}
"""The type of a column by the kinds of its values; other columns are JSON."""


class StagedTable(NamedTuple):
    """A table that was written as JSON Lines.

    Attributes:
        name: Its name.
        path: The file with its rows.
        columns: The names and types of its columns.
    """

    name: str
    path: Path
    columns: list[tuple[str, str]]


def staged_tables(
    path: Path, shown: str, query: str, folder: PrivateFolder
) -> tuple[list[str], list[StagedTable]]:
    """Write the tables and views that a query may read; return the names of all, and these.

    Args:
        path: The SQLite file.
        shown: Its name in messages.
        query: The query in lower case.
        folder: The folder for the new files.

    Raises:
        SourceError: The file cannot be read.
        ConfigurationError: A value cannot be handed over.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.text_factory = _text
            tables = [
                name
                for (name,) in database.execute(
                    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                    "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
                )
            ]
            wanted = [name for name in tables if len(tables) == 1 or name.lower() in query]
            return tables, [_staged(database, name, shown, folder) for name in wanted]
    except sqlite3.Error as error:
        raise SourceError(f"{shown}: cannot be read as an SQLite database: {error}") from None


def _staged(
    database: sqlite3.Connection, table: str, shown: str, folder: PrivateFolder
) -> StagedTable:
    path = folder.new_file(".jsonl")
    # The name comes from the database itself and is quoted.
    cursor = database.execute(f"SELECT * FROM {identifier(table)}")
    names = [each[0] for each in cursor.description]
    kinds: list[set[str]] = [set() for _ in names]
    try:
        with path.open("xb") as file:
            while rows := cursor.fetchmany(_ROWS):
                for at, values in enumerate(zip(*rows, strict=True)):
                    kinds[at].update(map(_kind, values))
                file.write(encode_lines(dict(zip(names, map(_value, row), strict=True))
                                        for row in rows))  # fmt: skip
    except OSError as error:
        raise SourceError(
            f"cannot write a temporary file for the query: {error.strerror}. Set TMPDIR to a "
            "directory with enough space"
        ) from None
    if not names:
        raise ConfigurationError(f"{shown}: the table {quoted(table)} has no columns")
    types = [_TYPES.get(frozenset(each - {"null"}), "JSON") for each in kinds]
    return StagedTable(table, path, list(zip(names, types, strict=True)))


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case int():
            # Beside floats, a larger integer would lose digits.
            return "integer" if abs(value) <= _EXACT_IN_DOUBLE else "large integer"
        case float():
            return "real"
        case str():
            return "text"
    return "blob"


def _value(value: Any) -> Any:  # noqa: ANN401 -- any value of SQLite
    if isinstance(value, bytes):
        text = _text(value)
        return text if isinstance(text, str) else {"hex": value.hex()}
    return value
