"""Runs a query with DuckDB: no network, no other files than the inputs, and nothing is written.

Calls run in a thread, so that the main thread can handle signals; a signal interrupts the query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from miso_upload.errors import ConfigurationError
from miso_upload.sources.remote.threads import in_thread
from miso_upload.sources.sql.values import identifier, json_row, literal
from miso_upload.values.display import quoted
from miso_upload.values.json import decode

try:
    import duckdb
except ImportError:
    raise ConfigurationError(
        "--sql and --sql-file need another package: pip install 'miso-upload[sql]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from miso_upload.sources.sql.failures import Failures
    from miso_upload.sources.sql.values import ValueType

Result = TypeVar("Result")
Rows = TypeVar("Rows", bound="Sequence[Any]")
_SECONDS_TO_END = 10
_ROWS = 2048
"""Rows fetched at once: the size of DuckDB's vectors."""


class Engine:
    """A DuckDB database in memory with the inputs as views.

    Args:
        spill: The folder for what does not fit into memory.
        memory: How many MiB a query may use before it spills.
        failures: Explains the errors of DuckDB.
    """

    def __init__(self, spill: Path, memory: int, failures: Failures) -> None:
        self._failures = failures
        self._running: Future[Any] | None = None
        self._connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "allow_persistent_secrets": False,
                "python_enable_replacements": False,
                "temp_directory": str(spill),
                "memory_limit": f"{memory}MiB",
            }
        )
        self._connection.execute("SET TimeZone = 'UTC'")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a statement of our own.

        Raises:
            SourceError: It fails.
        """
        return self._wait(lambda: self._connection.execute(sql).fetchall())

    def columns(self, sql: str) -> list[tuple[str, ValueType]]:
        """Return the names and types of a query's columns, without running it.

        Raises:
            SourceError: The query is invalid.
        """

        def described() -> list[tuple[str, ValueType]]:
            relation = self._connection.sql(sql)
            types = cast("list[ValueType]", relation.types)
            return list(zip(relation.columns, types, strict=True))

        return self._wait(described)

    def lock(self, paths: list[str]) -> None:
        """Forbid everything except reading these files; nothing can allow it again."""
        allowed = ", ".join(map(literal, paths))
        self.rows(f"SET allowed_paths = [{allowed}]")
        self.rows("SET enable_external_access = false")
        self.rows("SET lock_configuration = true")

    def query(self, sql: str) -> tuple[str, bool]:
        """Return the text of the only statement in `sql`, and whether it orders its rows.

        Raises:
            ConfigurationError: It is not one statement that only reads.
        """
        try:
            statements = duckdb.extract_statements(sql)
        except duckdb.Error as error:
            raise self._failures.of(error) from None
        if not statements:
            raise ConfigurationError("the SQL contains no query; write a SELECT")
        if len(statements) > 1:
            raise ConfigurationError(
                f"the SQL contains {len(statements)} statements, but miso-upload runs one query. "
                "Possible fix: write the others as WITH clauses of the last"
            )
        kind = statements[0].type
        if kind != duckdb.StatementType.SELECT:
            raise ConfigurationError(
                f"the SQL is {_with_article(kind.name)} statement, but miso-upload only runs "
                "queries that read: write a SELECT"
            )
        text = statements[0].query.strip().rstrip(";")
        return text, self._is_ordered(text)

    def _is_ordered(self, query: str) -> bool:
        serialized = self.rows(f"SELECT json_serialize_sql({literal(query)})")[0][0]
        statements = decode(serialized).get("statements") or [{}]
        modifiers = statements[0].get("node", {}).get("modifiers", [])
        return any(each.get("type") == "ORDER_MODIFIER" for each in modifiers)

    def lines(self, query: str) -> Callable[[], bytes]:
        """Start a query; return a function that returns its next rows as JSON Lines.

        Raises:
            ConfigurationError: Two columns of the result have the same name.
            SourceError: The query fails. The function raises it too.
        """
        columns = self.columns(query)
        names = [name for name, _ in columns]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(
                f"the query returns two columns named {quoted(twice)}. Possible fix: rename one, "
                "as in SELECT a.id AS order_id"
            )
        # The names here are our own, because names inside a query can be ambiguous.
        own = [f"column{i}" for i in range(len(columns))]
        row = json_row(names, [kind for _, kind in columns], [f"result.{name}" for name in own])
        # A comment may end the query, so the parenthesis needs a line of its own.
        whole = f"SELECT {row} FROM (\n{query}\n) AS result({', '.join(map(identifier, own))})"

        def start() -> list[tuple[str]]:
            self._connection.execute(whole)
            return fetch()

        def fetch() -> list[tuple[str]]:
            return self._connection.fetchmany(_ROWS)

        batches = self._ahead(start, fetch)
        return lambda: b"".join([row.encode() + b"\n" for (row,) in next(batches, ())])

    def _ahead(self, first: Callable[[], Rows], following: Callable[[], Rows]) -> Iterator[Rows]:
        """Yield rows, while a thread fetches the next ones."""
        future = in_thread(first)
        while rows := self._result(future):
            self._running = future = in_thread(following)
            yield rows

    def close(self) -> None:
        """Stop a running query and close the database."""
        self._interrupt()
        self._connection.close()

    def _wait(self, work: Callable[[], Result]) -> Result:
        return self._result(in_thread(work))

    def _result(self, future: Future[Result]) -> Result:
        self._running = future
        try:
            return future.result()
        except (duckdb.Error, RuntimeError, UnicodeError) as error:
            raise self._failures.of(error) from None
        except BaseException:
            self._interrupt()
            raise

    def _interrupt(self) -> None:
        """Stop the call that runs, if any, and wait for its end."""
        running, self._running = self._running, None
        if running is not None and not running.done():
            self._connection.interrupt()
            running.exception(timeout=_SECONDS_TO_END)


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
