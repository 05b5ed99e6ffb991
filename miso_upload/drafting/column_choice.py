"""Chooses columns by their names, and shows example values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.drafting.vocabulary import PERSONAL_WORDS, THING_WORDS, rank
from miso_upload.values.display import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.drafting.columns import Column

PRIVATE = "(not shown)"
_LONGEST_SUFFIX = 2


def ranked(
    columns: Sequence[Column], names: tuple[str, ...], *, endings: bool = False
) -> list[Column]:
    """Return the columns with one of the names, the most likely first.

    With `endings`, a column also matches if its last two words are one of the names
    (`original_customer_id`). These columns come last.
    """
    found = []
    for column in columns:
        position = rank(column.names, names)
        if position is None and endings and len(column.words) > _LONGEST_SUFFIX:
            position = rank(("".join(column.words[-_LONGEST_SUFFIX:]),), names)
            position = None if position is None else position + len(names)
        if position is not None:
            found.append((position, column.path.count("."), -column.filled, column))
    return [column for *_, column in sorted(found, key=lambda each: each[:3])]


def best_of(columns: Sequence[Column], names: tuple[str, ...]) -> Column | None:
    """Return the most likely column with one of the names."""
    return next(iter(ranked(columns, names)), None)


def plain(columns: Iterable[Column]) -> list[Column]:
    """Return the columns of single texts or whole numbers: no lists, no booleans."""
    return [
        column
        for column in columns
        if column.may_be_id and not column.in_list and not column.has_lists and column.values
    ]


def example_of(column: Column) -> str:
    """Return a value of the column for a comment; `PRIVATE` if the column is about a person."""
    value = next((text for text in column.distinct if text), None)
    if value is None:
        return quoted(column.scalars[0]) if column.scalars else ""
    if "@" in value or (PERSONAL_WORDS & set(column.words) and not THING_WORDS & set(column.words)):
        return PRIVATE
    return quoted(value)


def for_example(column: Column) -> str:
    """Return a comment with an example."""
    return f"for example {example_of(column)}"


def alternatives(attribute: str, others: Sequence[Column]) -> list[str]:
    """Return a sentence with the other columns that may be the source of an attribute."""
    if not others:
        return []
    named = ", ".join(column.path for column in others[:4])
    return [f"{attribute} could also come from {named}."]
