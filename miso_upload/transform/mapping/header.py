"""Checks columns that the mapping names against the header and the first rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miso_upload.errors import NoColumnError
from miso_upload.transform.mapping.paths import ABSENT, first_step, getter
from miso_upload.values.display import column_name, did_you_mean, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.transform.mapping.spec import MappingFile

_VALUE = re.compile(
    r"[-+]?\d+(?:[.,]\d+)?|\d{4}-\d\d-\d\d(?:[T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*"
)
_MOST_LISTED = 10
LOOKS_LIKE_DATA = (
    "the first line looks like data and not like a header. "
    "Possible fix: --no-header, or --columns NAMES"
)


def looks_like_data(columns: Sequence[str] | None) -> bool:
    """Return whether half of the column names or more are numbers or dates."""
    values = sum(_VALUE.fullmatch(column) is not None for column in columns or ())
    return bool(columns) and 2 * values >= len(columns or ())


def columns_in_words(columns: Sequence[str]) -> str:
    """Return the names of columns for a message, and a count if there are too many."""
    shown = ", ".join(repr(printable(column)) for column in columns[:_MOST_LISTED])
    more = len(columns) - _MOST_LISTED
    return shown + (f" and {more:,} more" if more > 0 else "")


def columns_without(columns: Iterable[str], rows: Sequence[object]) -> set[str]:
    """Return the `columns` or paths that no row has."""
    objects = [row for row in rows if isinstance(row, dict)]
    getters = {column: getter(column) for column in columns}
    return {column for column, get in getters.items() if all(get(row) is ABSENT for row in objects)}


def check_key(
    mapping: MappingFile, columns: Sequence[str] | None, read: Sequence[str] | None
) -> None:
    """Check that a header has the columns that identify a row, and those of `group_by`.

    Args:
        mapping: The mapping.
        columns: The columns that are mapped; None if rows may differ.
        read: The header; None if rows may differ.

    Raises:
        NoColumnError: A column is missing.
    """
    _check_columns(mapping, "key", mapping.key, columns)
    if mapping.grouping is not None:
        _check_columns(mapping, "group_by", mapping.grouping.columns, read)


def _check_columns(
    mapping: MappingFile, name: str, wanted: Sequence[str], columns: Sequence[str] | None
) -> None:
    for column in wanted if columns is not None else ():
        if column not in (columns or ()) and first_step(column) not in (columns or ()):
            raise NoColumnError(
                f"{mapping.name}: [rows] {name}: the input has no column {column!r}"
                f"{did_you_mean(column, columns or (), column_name)}"
            )
