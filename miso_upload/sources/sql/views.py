"""Makes the inputs of a command visible to a query, as views of what is in them.

DuckDB reads plain CSV, JSON and Parquet files and its own databases itself. Anything else is
written to the private folder first, by the readers that also read it without SQL: compressed text,
because DuckDB does not notice damage; other encodings; remote inputs; standard input; access logs;
and tables of SQLite.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from miso_upload.errors import ConfigurationError, SourceError
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.sources.locations import location_of, unreadable
from miso_upload.sources.source import Source
from miso_upload.sources.sql.sqlite_tables import MAGIC as SQLITE
from miso_upload.sources.sql.sqlite_tables import staged_tables
from miso_upload.sources.sql.values import exact_type, identifier, literal
from miso_upload.values.display import counted, quoted
from miso_upload.values.input_names import STDIN, is_remote, shown_name
from miso_upload.values.json import encode_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from miso_upload.records import Block
    from miso_upload.sources.formats.base import Format
    from miso_upload.sources.options import ReadingOptions
    from miso_upload.sources.sql.engine import Engine
    from miso_upload.sources.sql.failures import Failures
    from miso_upload.sources.sql.private_folder import PrivateFolder

_PARQUET = b"PAR1"
_DUCKDB_AT, _DUCKDB = 8, b"DUCK"
_HEAD = 16
_COPIED = 2**20
_MOST_SAMPLED = 1_000
_MOST_DELIMITER = 4
_INTEGER = r"0|-?[1-9][0-9]{0,17}"
_DECIMAL = r"-?(0|[1-9][0-9]{0,13})([.][0-9]{1,4})?"
_NUMBER = re.compile(rf"{_INTEGER}|{_DECIMAL}")
_LARGE_INTEGER = r"[:\[,]\s*-?[0-9]{16,}\s*[,\]}]"


class _Text(NamedTuple):
    """A text file that DuckDB can read.

    Attributes:
        path: The file.
        rows: Its format.
        skipped: The number of lines before its first row.
        sample: Some of its rows.
    """

    path: Path
    rows: Format
    skipped: int
    sample: list[dict[str, str]]


class Views:
    """Creates the views.

    Args:
        engine: The database that gets the views.
        options: How the inputs are read.
        folder: The folder for temporary files.
        query: The query; tables of SQLite that it does not mention are left out.
        failures: Receives the names of files and tables for messages.

    Attributes:
        paths: The files that the views read.
        notes: Notes for the user.
    """

    def __init__(
        self,
        engine: Engine,
        options: ReadingOptions,
        folder: PrivateFolder,
        query: str,
        failures: Failures,
    ) -> None:
        self._engine, self._options, self._folder = engine, options, folder
        self._query = query.lower()
        self._shown, self._tables = failures.shown, failures.tables
        self.paths: list[str] = []
        self.notes: list[str] = []

    def add(self, view: str, names: list[str]) -> None:
        """Create the view of one argument of the command, which can mean several files.

        Raises:
            SourceError: A file cannot be read.
            ConfigurationError: A file's format is not supported, or it has no usable columns.
        """
        parts = [part for name in names for part in self._parts(view, name, alone=len(names) == 1)]
        if parts:
            union = " UNION ALL BY NAME ".join(parts)
            self._engine.rows(f"CREATE VIEW main.{identifier(view)} AS {union}")

    def _parts(self, view: str, name: str, *, alone: bool) -> Iterator[str]:
        """Yield queries of the rows of a file; create a schema for the tables of a database."""
        path, head = self._local(name)
        if path is not None and head.startswith(_PARQUET):
            yield f"SELECT * FROM read_parquet({self._known(path, name)})"
        elif path is not None and head.startswith(SQLITE):
            yield from self._sqlite(view, path, name, alone=alone)
        elif path is not None and head[_DUCKDB_AT:].startswith(_DUCKDB):
            yield from self._database(view, path, name, alone=alone)
        else:
            yield from self._text(name if path is None else str(path), name)

    def _local(self, name: str) -> tuple[Path | None, bytes]:
        """Return the path and beginning of an input; the path is None for text that is remote."""
        if name == STDIN:
            return None, b""
        if not is_remote(name):
            return Path(name), _beginning(name)
        location = location_of(name, allow_insecure_http=self._options.allow_insecure_http)
        with location.open() as raw:
            head = _read(raw.read, _HEAD)
            if not (head.startswith((_PARQUET, SQLITE)) or head[_DUCKDB_AT:].startswith(_DUCKDB)):
                return None, head
            path = self._folder.new_file(".data")
            with _Written(path) as file:
                file.write(head)
                while data := raw.read(_COPIED):
                    file.write(data)
        self._shown[str(path)] = shown_name(name)
        return path, head

    def _known(self, path: Path, name: str) -> str:
        """Allow a file to be read, and return its path as a literal without patterns."""
        whole = str(path.absolute())
        self.paths.append(whole)
        self._shown.setdefault(whole, shown_name(name))
        # DuckDB would take these characters for a pattern.
        return literal(re.sub(r"([*?\[])", r"[\1]", whole))

    # -- databases ---------------------------------------------------------------------------------

    def _database(self, view: str, path: Path, name: str, *, alone: bool) -> Iterator[str]:
        _refuse_several(name, alone=alone)
        whole = str(path.absolute())
        self.paths += [whole, f"{whole}.wal"]
        self._shown.setdefault(whole, shown_name(name))
        self._engine.rows(f"ATTACH {literal(whole)} AS {identifier(view)} (READ_ONLY)")
        tables = self._engine.rows(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            f"WHERE database_name = {literal(view)} UNION ALL "
            "SELECT schema_name, view_name FROM duckdb_views() "
            f"WHERE database_name = {literal(view)} AND NOT internal"
        )
        if len(tables) == 1:
            yield f"SELECT * FROM {'.'.join(map(identifier, (view, *tables[0])))}"
        else:
            self._tables[view] = [name for _, name in tables]

    def _sqlite(self, view: str, path: Path, name: str, *, alone: bool) -> Iterator[str]:
        _refuse_several(name, alone=alone)
        names, tables = staged_tables(path, shown_name(name), self._query, self._folder)
        self._engine.rows(f"CREATE SCHEMA {identifier(view)}")
        for table in tables:
            columns = ", ".join(f"{literal(each)}: {literal(kind)}" for each, kind in table.columns)
            select = (
                f"SELECT * FROM read_json({self._known(table.path, name)}, "
                f"format = 'newline_delimited', auto_detect = false, columns = {{{columns}}}, "
                f"maximum_object_size = {self._options.max_row_bytes})"
            )
            made = f"{identifier(view)}.{identifier(table.name)}"
            self._engine.rows(f"CREATE VIEW {made} AS {select}")
            if len(names) == 1:
                yield select
        if len(names) > 1:
            self._tables[view] = names

    # -- text --------------------------------------------------------------------------------------

    def _text(self, name: str, shown: str) -> Iterator[str]:
        options = replace(self._options, sql=None, sql_file=None, growing=False)
        with Source(name, options) as source:
            if not source.has_rows:
                self.notes.append(f"{shown_name(shown)}: has no rows")
            text = self._as_file(source, shown)
            self.notes += [f"{shown_name(shown)}: {note}" for note in source.notes()]
        if isinstance(text.rows, Delimited):
            yield self._csv(text, text.rows, shown)
        else:
            yield from self._json(text, shown)

    def _as_file(self, source: Source, shown: str) -> _Text:
        """Return a file with the rows of a source: its own if DuckDB reads it as we do."""
        rows: Format = getattr(source.format, "rows", source.format)
        if not _is_known_to_duckdb(rows):
            path = self._rows_as_json(source, shown)
            return _Text(path, JsonLines(self._options.max_row_bytes), 0, [])
        skipped = source.body_line - 1
        # Before the first row of JSON Lines, there can only be a byte order mark.
        begins_plain = not source.head_start and (rows.name == "csv" or not source.body_start)
        if source.path is not None and begins_plain:
            first = next(source.blocks(source.body_start, source.body_line), None)
            return _Text(Path(source.path), rows, skipped, _sample(source, first))
        path, sample = self._folder.new_file(".txt"), None
        with _Written(path) as file:
            # So that line numbers in messages are those of the input.
            file.write(b"\n" * skipped)
            for block in _intact_blocks(source, shown):
                sample = _sample(source, block) if sample is None else sample
                file.write(block.data)
        return _Text(path, rows, skipped, sample or [])

    def _rows_as_json(self, source: Source, shown: str) -> Path:
        """Write the rows of a format that DuckDB does not know."""
        path = self._folder.new_file(".jsonl")
        unread: list[int] = []
        with _Written(path) as file:
            for block in _intact_blocks(source, shown):
                for part in source.format.slices(block):
                    file.write(encode_lines(part.rows))
                    unread += [each.line for each in part.rejections]
        if unread:
            self.notes.append(
                f"{shown_name(shown)}: {counted(len(unread), 'line')} cannot be read as rows, so "
                f"the query does not see them (first: line {unread[0]:,}). Upload the file without "
                "SQL to get the reasons"
            )
        return path

    def _csv(self, text: _Text, rows: Delimited, shown: str) -> str:
        own = [f"column{i}" for i in range(len(rows.columns))]
        named = [(mine, name) for mine, name in zip(own, rows.columns, strict=True) if name]
        _refuse_equal([name for _, name in named], shown)
        dialect = rows.dialect
        columns = ", ".join(f"{literal(each)}: 'VARCHAR'" for each in own)
        cells = (
            f"read_csv({self._known(text.path, shown)}, auto_detect = false, header = false, "
            f"skip = {text.skipped}, delim = {literal(dialect.delimiter)}, "
            f"quote = {literal(dialect.quote)}, "
            f"escape = {literal(dialect.escape or dialect.quote)}, columns = {{{columns}}}, "
            f"max_line_size = {self._options.max_row_bytes}, strict_mode = true)"
        )
        if rows.has_header:
            cells = f"(SELECT * FROM {cells} WHERE {_is_no_header(own, rows.columns)})"
        numbers = self._numbers(cells, named, text.sample)
        chosen = ", ".join(
            f"CAST({mine} AS {numbers[mine]}) AS {identifier(name)}"
            if mine in numbers
            else f"{mine} AS {identifier(name)}"
            for mine, name in named
        )
        return f"SELECT {chosen} FROM {cells}"

    def _numbers(
        self, cells: str, named: list[tuple[str, str]], sample: list[dict[str, str]]
    ) -> dict[str, str]:
        """Return the numeric type of the columns whose cells are all plain numbers.

        Converting such a cell to a number and back yields the same number, so nothing is lost.
        """
        likely = [
            mine
            for mine, name in named
            if all(_NUMBER.fullmatch(row.get(name) or "0") for row in sample)
            and any(row.get(name) for row in sample)
        ]
        if not likely:
            return {}
        tests = ", ".join(
            f"coalesce(bool_and(regexp_full_match({mine}, {literal(pattern)})), false)"
            for mine in likely
            for pattern in (_INTEGER, _DECIMAL)
        )
        found = self._engine.rows(f"SELECT {tests} FROM {cells}")[0]
        types = {}
        for mine, is_integer, is_decimal in zip(likely, found[::2], found[1::2], strict=True):
            if is_integer or is_decimal:
                types[mine] = "BIGINT" if is_integer else "DECIMAL(18, 4)"
        return types

    def _json(self, text: _Text, shown: str) -> Iterator[str]:
        path = self._known(text.path, shown)
        form = f"format = 'newline_delimited', maximum_object_size = {self._options.max_row_bytes}"
        found = self._engine.columns(f"SELECT * FROM read_json({path}, {form}, sample_size = -1)")
        _refuse_equal([name for name, _ in found], shown)
        doubles = True
        if any("DOUBLE" in str(kind) for _, kind in found):
            large = f"regexp_matches(CAST(json AS VARCHAR), {literal(_LARGE_INTEGER)})"
            objects = f"read_json_objects({path}, {form})"
            doubles = not self._engine.rows(f"SELECT bool_or({large}) FROM {objects}")[0][0]
        columns = ", ".join(
            f"{literal(name)}: {literal(exact_type(kind, doubles=doubles))}" for name, kind in found
        )
        form = f"{form}, auto_detect = false, columns = {{{columns}}}"
        yield f"SELECT * FROM read_json({path}, {form})"


def _is_known_to_duckdb(rows: Format) -> bool:
    if isinstance(rows, Delimited):
        dialect = rows.dialect
        is_usual = not (dialect.is_whitespace or dialect.comment or rows.comma_ends_row)
        return is_usual and len(dialect.delimiter.encode()) <= _MOST_DELIMITER
    return isinstance(rows, JsonLines)


def _intact_blocks(source: Source, shown: str) -> Iterator[Block]:
    for block in source.blocks(source.body_start, source.body_line):
        if block.fault is not None:
            where = f"{shown_name(shown)}:{block.first_line}"
            raise SourceError(f"{where}: {block.fault.text}. Correct the line first")
        yield block


def _is_no_header(cells: list[str], names: Sequence[str]) -> str:
    """Return a condition that leaves out a header that is met again, as joined files have it."""
    listed = ", ".join(map(literal, names))
    same = f"list_sort([{', '.join(cells)}]) = list_sort([{listed}])"
    in_order = " AND ".join(
        f"{cell} = {literal(name)}" for cell, name in zip(cells, names, strict=True) if name
    )
    why = literal("the header comes again with its columns in another order; split the file there")
    return (
        f"CASE WHEN {cells[0]} IN ({listed}) AND {in_order} THEN false "
        f"WHEN {cells[0]} IN ({listed}) AND {same} THEN error({why}) ELSE true END"
    )


def _sample(source: Source, block: Block | None) -> list[dict[str, str]]:
    slices = source.format.slices(block) if block is not None and block.fault is None else ()
    rows = (row for part in slices for row in part.rows)
    return list(islice(rows, _MOST_SAMPLED))


class _Written:
    """A new file; an error of the disk ends the run with a message."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            free = shutil.disk_usage(Path(self._file.name).parent).free
            raise SourceError(
                f"cannot write a temporary file for the query: {error.strerror} "
                f"({free >> 20:,} MiB are free). Set TMPDIR to a directory with enough space"
            ) from None


def _beginning(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            # Reading from a pipe would consume its rows.
            return file.read(_HEAD) if file.seekable() else b""
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None


def _read(read: Callable[[int], bytes | None], size: int) -> bytes:
    data = b""
    while len(data) < size and (more := read(size - len(data))):
        data += more
    return data


def _refuse_several(name: str, *, alone: bool) -> None:
    if not alone:
        raise ConfigurationError(
            f"{shown_name(name)}: is a database among several files of one pattern or directory; "
            "name it on its own, so that the query can name its tables"
        )


def _refuse_equal(names: list[str], shown: str) -> None:
    """Refuse columns that SQL cannot tell apart, because it ignores upper and lower case."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ConfigurationError(
                f"{shown_name(shown)}: SQL cannot tell the columns {quoted(other)} and "
                f"{quoted(name)} apart, because it ignores case; rename one, or leave it out with "
                "--columns"
            )
