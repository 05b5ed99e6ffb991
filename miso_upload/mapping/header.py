"""What to say of a header in which a column is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miso_upload.quoting import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_VALUE = re.compile(
    r"[-+]?\d+(?:[.,]\d+)?|\d{4}-\d\d-\d\d(?:[T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*"
)
_MOST_LISTED = 10
LOOKS_LIKE_DATA = "the first line looks like data; --columns NAMES or --no-header say so"


def looks_like_data(columns: Sequence[str] | None) -> bool:
    """Return whether half of the names of columns or more are numbers or dates, as no names are."""
    values = sum(_VALUE.fullmatch(column) is not None for column in columns or ())
    return bool(columns) and 2 * values >= len(columns or ())


def columns_in_words(columns: Sequence[str]) -> str:
    """Return the names of columns for a message, the first of them if they are many."""
    shown = ", ".join(repr(printable(column)) for column in columns[:_MOST_LISTED])
    more = len(columns) - _MOST_LISTED
    return shown + (f" and {more:,} more" if more > 0 else "")
