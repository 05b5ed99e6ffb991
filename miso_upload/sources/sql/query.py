"""Opens the result of a query as an input, whose rows are those of the result."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from miso_upload.errors import SourceError
from miso_upload.sources.input_location import Unversioned
from miso_upload.sources.inputs import expand_inputs
from miso_upload.sources.source import Source
from miso_upload.sources.sql.engine import Engine
from miso_upload.sources.sql.failures import Failures
from miso_upload.sources.sql.private_folder import PrivateFolder
from miso_upload.sources.sql.views import Views
from miso_upload.values.input_names import STDIN, is_remote, local_name, shown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from miso_upload.sources.options import ReadingOptions

_DIGITS = 8
_UNORDERED = (
    "the query has no ORDER BY at its end, so the number of a row is its position in this run's "
    "result; the next run may number the rows in another way"
)


class OpenedQuery(NamedTuple):
    """The result of a query, and notes for the user."""

    source: Source
    notes: list[str]


def open_query(
    inputs: Sequence[str], options: ReadingOptions, *, own: Collection[str] = ()
) -> OpenedQuery:
    """Run the query of `options` over the inputs, which it sees as `input`, `input2` and so on.

    Args:
        inputs: The arguments of the command; each becomes one view.
        options: The options for reading, with the query.
        own: Files that the run itself reads or writes; patterns and directories exclude them.

    Raises:
        SourceError: An input cannot be read, or the query fails.
        ConfigurationError: The query is invalid, or DuckDB is not installed.
    """
    if not inputs:
        raise SourceError("no input: name the files that the query reads")
    text = options.query_text()
    name = _name(text, inputs, options)
    folder = PrivateFolder()
    try:
        failures = Failures(name)
        engine = Engine(folder.path, options.sql_memory, failures)
        try:
            query, is_ordered = engine.query(text)
            views = Views(engine, options, folder, query, failures)
            for i, each in enumerate(inputs, 1):
                names, notes = expand_inputs(
                    (each,), own=own, allow_insecure_http=options.allow_insecure_http
                )
                views.notes += notes
                views.add("input" if i == 1 else f"input{i}", names)
            engine.lock(views.paths)
            location = _Result(name, engine.lines(query), engine, folder)
            source = Source(name, _of_result(options), location)
        except BaseException:
            engine.close()
            raise
    except BaseException:
        folder.close()
        raise
    return OpenedQuery(source, [*views.notes, *([] if is_ordered else [f"{name}: {_UNORDERED}"])])


def _of_result(options: ReadingOptions) -> ReadingOptions:
    """Return the options for reading the result; those for the format are for the inputs."""
    return replace(
        options, format="jsonl", log_format=None, encoding=None, delimiter=None, quote=None,
        escape=None, columns=(), no_header=False, skip_lines=0, comment=None,
        items=None, growing=False, sql=None, sql_file=None,
    )  # fmt: skip


def _name(text: str, inputs: Sequence[str], options: ReadingOptions) -> str:
    """Return the name of a query in messages and in the ledger.

    It contains a digest of the query and its inputs, so that another query is another source.
    """
    keys = [each if each == STDIN or is_remote(each) else str(Path(each).absolute())
            for each in map(shown_name, inputs)]  # fmt: skip
    digest = hashlib.sha256("\0".join((text, *keys)).encode(errors="surrogateescape")).hexdigest()
    file = PurePath(options.sql_file).name if options.sql_file else "query"
    first = PurePath(local_name(inputs[0])).name if inputs[0] != STDIN else "stdin"
    return f"{file}-{digest[:_DIGITS]}-{first or 'input'}"


class _Result(Unversioned, io.RawIOBase):
    """The result of a query as JSON Lines. See `InputLocation`."""

    ours = True
    can_reopen = False

    def __init__(
        self, name: str, lines: Callable[[], bytes], engine: Engine, folder: PrivateFolder
    ) -> None:
        self.shown = name
        self._lines, self._engine, self._folder = lines, engine, folder
        self._left = memoryview(b"")

    def open(self) -> IO[bytes]:
        """See `InputLocation.open`."""
        return cast("IO[bytes]", self)

    def readable(self) -> bool:
        """See `io.IOBase.readable`."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """See `io.RawIOBase.readinto`."""
        if not self._left:
            self._left = memoryview(self._lines())
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Stop the query, and delete its temporary files."""
        if not self.closed:
            self._engine.close()
            self._folder.close()
        super().close()
