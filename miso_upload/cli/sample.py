"""A sample of an input, for the commands that show some of its rows."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miso_upload.sources import Source

_NARROW, _WIDE = 72, 160


def open_source(file: str, options: dict[str, Any], *, rows: int) -> Source:
    """Open one input for reading blocks of so many rows.

    Raises:
        SourceError: It cannot be opened, or is no history.
    """
    from miso_upload.errors import SourceError
    from miso_upload.sources import ReadingOptions, Source, expand_inputs
    from miso_upload.values.input_names import shown_name

    names, _ = expand_inputs((file,))
    if not names:
        raise SourceError(f"{shown_name(file)}: is a rejects file of ours, and no history")
    return Source(names[0], ReadingOptions.of(**options, chunk_size=rows))


def width() -> int:
    """Return how many columns a table may have."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, _NARROW), _WIDE)
