"""From the settings to inputs that can be opened, in the order in which they are to be read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import (
    GoneSourceError,
    MisoUploadError,
    SourceError,
    UnreadableSourceError,
)
from miso_upload.records.incomplete_row import SETTLE_BEHIND_NEWER
from miso_upload.sources import Source
from miso_upload.values.input_names import shown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from miso_upload.pipeline.settings import Settings
    from miso_upload.report.listener import Listener
    from miso_upload.sources import ReadingOptions


class Opened(NamedTuple):
    """An input that could be opened, and how to open it again."""

    name: str
    size: int | None
    open: Callable[[], Source]


def open_inputs(
    settings: Settings,
    names: Sequence[str],
    look_at: Callable[[Source], object],
    listener: Listener,
) -> tuple[list[Opened], list[MisoUploadError]]:
    """Open every input once, so that what is wrong with the last is said before the first is sent.

    Standard input and pipes can be opened only once, so they are kept.

    Args:
        settings: How they are read.
        names: Which inputs, as `expand_inputs` returns them.
        look_at: Raises where an input cannot be used.
        listener: Is told what is left out.

    Returns:
        The inputs in rotation order, and why others cannot be read that are gone since they were
        listed, or that a pattern or directory stands for: they hold up no other.

    Raises:
        SourceError: There is no input, or one that was named itself cannot be read.
        ConfigurationError: One cannot be used.
    """
    if not names:
        raise SourceError("nothing to upload; name a file, a pattern, or - for standard input")
    options = settings.reading
    key = settings.delivery.api_key.encode()
    opened: dict[str, _Reopening] = {}
    times: dict[str, datetime | None] = {}
    unread: list[MisoUploadError] = []
    empty: set[str] = set()
    left_alone: set[str] = set()
    for name in names:
        source = _open(name, options, unread, named=name in settings.inputs)
        if source is None:
            continue
        try:
            look_at(source)
        except MisoUploadError:
            source.close()
            raise
        if key and source.beginning.strip() == key:
            listener.noted(f"{shown_name(name)}: left out, it holds the API key")
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
    order, newer_follows = _in_order(times, empty)
    finished = newer_follows & left_alone
    return [
        opened[name].with_options(
            replace(options, growing=options.growing and name not in finished)
        )
        for name in order
    ], unread


def _first_time(source: Source) -> datetime | None:
    # Imported where there are several inputs: one alone has no order.
    from miso_upload.sources.rotation import first_time  # noqa: PLC0415

    return first_time(source.beginning)


def _in_order(times: dict[str, datetime | None], empty: set[str]) -> tuple[list[str], set[str]]:
    """Return the inputs in rotation order, and those that a newer file of their log follows."""
    if len(times) <= 1:
        return list(times), set()
    from miso_upload.sources.rotation import in_rotation_order, superseded  # noqa: PLC0415

    order = in_rotation_order(times)
    return order, superseded(order, empty)


def _remarks(source: Source, options: ReadingOptions) -> Iterator[str]:
    if options.columns and source.body_line > 1:
        yield "its first row is the names of --columns, and taken for a header"
    if source.format.remark:
        yield source.format.remark


def _open(
    name: str, options: ReadingOptions, unread: list[MisoUploadError], *, named: bool
) -> Source | None:
    """Open an input; note why it cannot be read, unless it was named itself and is there."""
    try:
        return Source(name, options)
    except UnreadableSourceError as error:
        if named and not isinstance(error, GoneSourceError):
            raise
        unread.append(error.beside_others())
        return None


class _Reopening(NamedTuple):
    """An input that could be opened, and how to open it again with options."""

    name: str
    size: int | None
    open: Callable[[ReadingOptions], Source]

    def with_options(self, options: ReadingOptions) -> Opened:
        return Opened(self.name, self.size, partial(self.open, options))


def _same(source: Source, _: ReadingOptions) -> Source:
    return source
