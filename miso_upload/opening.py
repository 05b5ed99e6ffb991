"""From the settings to inputs that can be opened, in the order in which they are to be read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import GoneSourceError, MisoUploadError, SourceError
from miso_upload.formats import Limits
from miso_upload.sources import (
    ReadingOptions,
    Source,
    expand_inputs,
    first_time,
    in_rotation_order,
    shown_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from miso_upload.listener import Listener
    from miso_upload.settings import Settings


class Opened(NamedTuple):
    """An input that could be opened, and how to open it again."""

    name: str
    size: int | None
    open: Callable[[], Source]


def open_inputs(
    settings: Settings,
    own: Collection[str],
    look_at: Callable[[Source], object],
    listener: Listener,
) -> tuple[list[Opened], list[MisoUploadError]]:
    """Open every input once, so that what is wrong with the last is said before the first is sent.

    Standard input and pipes can be opened only once, so they are kept.

    Args:
        settings: Which inputs, and how they are read.
        own: Files that the run uses for something else.
        look_at: Raises where an input cannot be used.
        listener: Is told what is left out.

    Returns:
        The inputs in rotation order, and of each that is gone since it was listed, that it is: it
        holds up no other.

    Raises:
        SourceError: There is no input, or one cannot be read.
        ConfigurationError: One cannot be used.
    """
    names, left_out = expand_inputs(
        settings.inputs, own=own, allow_insecure_http=settings.allow_insecure_http
    )
    for note in left_out:
        listener.noted(note)
    if not names:
        raise SourceError("nothing to upload; name a file, a pattern, or - for standard input")
    options = _reading(settings)
    key = settings.api_key.encode()
    opened: dict[str, Opened] = {}
    times: dict[str, datetime | None] = {}
    gone: list[MisoUploadError] = []
    for name in names:
        try:
            source = Source(name, options)
        except GoneSourceError as error:
            gone.append(error)
            continue
        try:
            look_at(source)
        except MisoUploadError:
            source.close()
            raise
        if key and source.head.data.strip() == key:
            listener.noted(f"{shown_name(name)}: left out, it holds the API key")
            source.close()
            continue
        if options.columns and source.body_line > 1:
            listener.noted(
                f"{source.name}: its first row is the names of --columns, and taken for a header"
            )
        if source.format.remark:
            listener.noted(f"{source.name}: {source.format.remark}")
        times[name] = first_time(source.head.data)
        if source.can_reopen:
            source.close()
        again = partial(Source, name, options) if source.can_reopen else partial(_same, source)
        opened[name] = Opened(source.name, source.size, again)
    return [opened[name] for name in in_rotation_order(times)], gone


def _reading(settings: Settings) -> ReadingOptions:
    return ReadingOptions(
        format=settings.format,
        log_format=settings.log_format,
        encoding=settings.encoding,
        delimiter=settings.delimiter,
        quote=settings.quote,
        escape=settings.escape,
        columns=settings.columns,
        no_header=settings.no_header,
        growing=settings.growing,
        allow_insecure_http=settings.allow_insecure_http,
        limits=Limits(rows=settings.chunk_size, row_bytes=settings.max_row_bytes),
    )


def _same(source: Source) -> Source:
    return source
