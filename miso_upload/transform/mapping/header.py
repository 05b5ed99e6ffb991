"""Checks columns that the mapping names against the header and the first rows."""

from __future__ import annotations

import re
from shlex import quote
from typing import TYPE_CHECKING

from miso_upload.errors import MappingError, NoColumnError
from miso_upload.transform.mapping.paths import ABSENT, first_step, getter
from miso_upload.values.display import column_name, did_you_mean, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Sequence

    from miso_upload.transform.mapping.spec import MappingFile, MappingSpec

_VALUE = re.compile(
    r"[-+]?\d+(?:[.,]\d+)?|\d{4}-\d\d-\d\d(?:[T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*"
)
_NO_NAME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*|https?://.+|[^@\s]+@[^@\s]+\.[a-z]+|"
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.IGNORECASE,
)
"""A time, an address or a UUID, of which one is enough to tell a row from a header."""
_SPELLING = re.compile(r"[\s_-]+")
_MOST_LISTED = 10
LOOKS_LIKE_DATA = (
    "the first line looks like data and not like a header. "
    "Possible fix: --no-header, or --columns NAMES"
)


def looks_like_data(columns: Sequence[str] | None, rows: Iterable[object] = ()) -> bool:
    """Return whether the names of columns are values.

    One of them is a time, an address or a UUID, or half of them or more are numbers, dates or
    values that their own columns have in the first rows.

    Args:
        columns: The names, if the source has a header.
        rows: The first rows.
    """
    names = list(filter(None, columns or ()))
    if not names:
        return False
    if any(map(_NO_NAME.fullmatch, names)):
        return True
    some = [row for row in rows if isinstance(row, dict)]
    values = sum(
        _VALUE.fullmatch(name) is not None or any(row.get(name) == name for row in some)
        for name in names
    )
    return 2 * values >= len(names)


def check_repeated(
    repeated: Collection[str],
    plan: MappingSpec,
    key: Collection[str],
    attributes: Container[str],
) -> None:
    """Check that nothing uses a column whose name the header repeats.

    Args:
        repeated: The names that several columns have.
        plan: The rules, skips and routes.
        key: The columns that identify a row.
        attributes: The attributes to which columns are mapped by their names.

    Raises:
        MappingError: A rule, a skip, a route, the key or the schema uses one of these columns.
    """
    if not repeated:
        return
    used = {step for rule in plan.rules for read in rule.rule.reads for step in _names(read)}
    used.update(step for skip in plan.skips for step in _names(skip.column))
    used.update(step for column in key for step in _names(column))
    if plan.routing is not None:
        used.update(filter(None, (plan.routing.url, plan.routing.method)))
    for name in repeated:
        if name in used or name in attributes:
            raise MappingError(
                f"the header contains the column {quoted(name)} more than once; rename one of them"
            )


def _names(column: str) -> tuple[str, str]:
    return column, first_step(column)


def misspelt_columns(unmapped: Iterable[str], attributes: Iterable[str]) -> list[str]:
    """Return a suggestion for each unmapped column that is an attribute in other spelling.

    Letter case, blanks, hyphens and underscores are spelling.
    """
    spelt = {_plain(name): name for name in attributes}
    likely = [(column, spelt.get(_plain(column))) for column in unmapped]
    return [
        f"The column {column_name(column)} is ignored, because its name is not spelt like an "
        f"attribute (did you mean {name}?). Possible fix: --map "
        f"{printable(quote(f'{name}={column}'))}"
        for column, name in likely
        if name is not None and name != column
    ]


def _plain(name: str) -> str:
    return _SPELLING.sub("", name).casefold()


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


def check_key(mapping: MappingFile, columns: Sequence[str] | None) -> None:
    """Check that a header has the columns that identify a row.

    Args:
        mapping: The mapping.
        columns: The header; None if rows may differ.

    Raises:
        NoColumnError: A column is missing.
    """
    paths = [column for column in mapping.key if column not in (columns or ())]
    _check(mapping, "key", dict(zip(paths, map(first_step, paths), strict=True)), columns)


def check_carry_down(mapping: MappingFile, columns: Sequence[str] | None) -> None:
    """Check that a header has the columns whose values are carried down.

    Args:
        mapping: The mapping.
        columns: The header; None if rows may differ.

    Raises:
        NoColumnError: A column is missing.
    """
    _check(mapping, "carry_down", {column: column for column in mapping.carry_down}, columns)


def _check(
    mapping: MappingFile, key: str, wanted: dict[str, str], columns: Sequence[str] | None
) -> None:
    if columns is None:
        return
    for shown, column in wanted.items():
        if column not in columns:
            raise NoColumnError(
                f"{mapping.name}: [rows] {key}: the input has no column {shown!r}"
                f"{did_you_mean(shown, columns, column_name)}"
            )
