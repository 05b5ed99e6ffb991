"""Opens every input of a run once, and puts them in reading order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import (
    GoneSourceError,
    MisoUploadError,
    OtherExportError,
    SourceError,
    UnreadableSourceError,
)
from miso_upload.pipeline.file_conflicts import own_files_of
from miso_upload.records.incomplete_row import SETTLE_BEHIND_NEWER
from miso_upload.sources import Source
from miso_upload.sources.first_rows import first_rows
from miso_upload.transform.mapping import LOOKS_LIKE_DATA, looks_like_data
from miso_upload.values.input_names import shown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from miso_upload.pipeline.settings import Settings
    from miso_upload.report.listener import Listener
    from miso_upload.sources import ReadingOptions


class OpenedInput(NamedTuple):
    """An input that could be opened, and a function that opens it again."""

    name: str
    size: int | None
    open: Callable[[], Source]


def open_inputs(
    settings: Settings,
    names: Sequence[str],
    check: Callable[[Source], object],
    listener: Listener,
) -> tuple[list[OpenedInput], list[MisoUploadError]]:
    """Open every input once, so that errors of the last are reported before the first is sent.

    Standard input and pipes can be opened only once, so they stay open.

    Args:
        settings: The settings of the run.
        names: The inputs, as `expand_inputs` returns them.
        check: Raises an error if an input cannot be used.
        listener: Receives a note for each input that is skipped.

    Returns:
        The inputs in rotation order, and the errors of inputs that are not read but do not stop
        the run: they are gone since they were listed, a pattern or directory matched them, or they
        are not the export that the preset is for.

    Raises:
        SourceError: There is no input, or an input that the user named cannot be read.
        ConfigurationError: An input cannot be used.
    """
    if not names:
        raise SourceError(
            "no input: name a file, a directory, a URL, a pattern, or - for standard input"
        )
    options = settings.reading
    if options.has_query:
        return [_result_of_query(settings, check, listener)], []
    key = settings.delivery.api_key.encode()
    opened: dict[str, _Reopening] = {}
    times: dict[str, datetime | None] = {}
    unread: list[MisoUploadError] = []
    others: list[OtherExportError] = []
    empty: set[str] = set()
    left_alone: set[str] = set()
    for name in names:
        source = _open(name, options, unread, named=name in settings.inputs)
        if source is None:
            continue
        if (other := _checked(source, check)) is not None:
            others.append(other)
            continue
        if key and source.beginning.strip() == key:
            listener.noted(f"{shown_name(name)}: skipped, because it contains the API key")
            source.close()
            continue
        for remark in _remarks(source, options):
            listener.noted(f"{source.name}: {remark}")
        times[name] = _first_time(source) if len(names) > 1 else None
        empty.update([] if source.beginning else [name])
        left_alone.update([name] if source.is_settled(SETTLE_BEHIND_NEWER) else [])
        if source.can_reopen:
            source.close()
        again = partial(Source, name) if source.can_reopen else partial(_same, source)
        opened[name] = _Reopening(source.name, source.size, again)
    if others and not opened:
        raise OtherExportError("\n".join(map(str, others)))
    order, newer_follows = _in_order(times, empty)
    finished = newer_follows & left_alone
    return [
        opened[name].with_options(
            replace(options, growing=options.growing and name not in finished)
        )
        for name in order
    ], [*unread, *(each.beside_others() for each in others)]


def _result_of_query(
    settings: Settings, check: Callable[[Source], object], listener: Listener
) -> OpenedInput:
    """Return the result of the query over all inputs, which is one input."""
    from miso_upload.sources.sql.query import open_query  # noqa: PLC0415 -- an extra, and slow

    own = [use.path for use in own_files_of(settings)]
    source, notes = open_query(settings.inputs, settings.reading, own=own)
    if (other := _checked(source, check)) is not None:
        raise other
    for note in notes:
        listener.noted(note)
    return OpenedInput(source.name, None, lambda: source)


def _checked(source: Source, check: Callable[[Source], object]) -> OtherExportError | None:
    """Check a source, closing it if it is unusable; return the error if it is another export."""
    try:
        check(source)
    except OtherExportError as error:
        source.close()
        return OtherExportError(f"{source.name}: {error}")
    except MisoUploadError:
        source.close()
        raise
    return None


def _first_time(source: Source) -> datetime | None:
    # Imported late, because a single input needs no order.
    from miso_upload.sources.rotation import first_time  # noqa: PLC0415

    return first_time(source.beginning)


def _in_order(times: dict[str, datetime | None], empty: set[str]) -> tuple[list[str], set[str]]:
    """Return the inputs in rotation order, and the files that a newer file of their log follows."""
    if len(times) <= 1:
        return list(times), set()
    from miso_upload.sources.rotation import in_rotation_order, superseded  # noqa: PLC0415

    order = in_rotation_order(times)
    return order, superseded(order, empty)


def _remarks(source: Source, options: ReadingOptions) -> Iterator[str]:
    if options.columns and source.body_line > 1:
        yield "the first row contains the names given with --columns, so it is used as the header"
    if (
        options.names is None
        and source.format.columns
        and looks_like_data(source.format.columns, first_rows(source))
    ):
        yield LOOKS_LIKE_DATA
    if source.format.remark:
        yield source.format.remark


def _open(
    name: str, options: ReadingOptions, unread: list[MisoUploadError], *, named: bool
) -> Source | None:
    """Open an input; add its error to `unread` if it is gone or the user did not name it."""
    try:
        return Source(name, options)
    except UnreadableSourceError as error:
        if named and not isinstance(error, GoneSourceError):
            raise
        unread.append(error.beside_others())
        return None


class _Reopening(NamedTuple):
    """An input that could be opened, and a function that opens it again with some options."""

    name: str
    size: int | None
    open: Callable[[ReadingOptions], Source]

    def with_options(self, options: ReadingOptions) -> OpenedInput:
        return OpenedInput(self.name, self.size, partial(self.open, options))


def _same(source: Source, _: ReadingOptions) -> Source:
    return source
