"""Opens a sample of an input for commands that show some rows."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miso_upload.sources import Source

_NARROW, _WIDE = 72, 160


def open_source(file: str, options: dict[str, Any], *, rows: int) -> Source:
    """Open one input to read it in blocks of `rows` rows.

    Raises:
        SourceError: The input cannot be opened or is a rejects file.
    """
    from miso_upload.errors import SourceError
    from miso_upload.sources import ReadingOptions, Source, expand_inputs
    from miso_upload.values.input_names import shown_name

    reading = ReadingOptions.of(**options, chunk_size=rows)
    if reading.has_query:
        from miso_upload.sources.sql.query import open_query

        return open_query((file,), reading).source
    names, _ = expand_inputs((file,))
    if not names:
        raise SourceError(f"{shown_name(file)}: is a rejects file of miso-upload, not an input")
    return Source(names[0], reading)


def width() -> int:
    """Return the width of the output in columns."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, _NARROW), _WIDE)
