"""Choosing among columns by their names, and showing what is in one."""

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
    """Return the columns that have one of the names, the likeliest first.

    With `endings`, a name may also end in one of those that are two words or more
    (`original_customer_id`); such a column comes after all others.
    """
    found = []
    for column in columns:
        place = rank(column.names, names)
        if place is None and endings and len(column.words) > _LONGEST_SUFFIX:
            place = rank(("".join(column.words[-_LONGEST_SUFFIX:]),), names)
            place = None if place is None else place + len(names)
        if place is not None:
            found.append((place, column.path.count("."), -column.filled, column))
    return [column for *_, column in sorted(found, key=lambda each: each[:3])]


def best_of(columns: Sequence[Column], names: tuple[str, ...]) -> Column | None:
    """Return the likeliest column of those names."""
    return next(iter(ranked(columns, names)), None)


def plain(columns: Iterable[Column]) -> list[Column]:
    """Return the columns that can become a single text: no lists, no fractions, no truth values."""
    return [
        column
        for column in columns
        if column.is_plain and not column.in_list and not column.has_lists and column.values
    ]


def example_of(column: Column) -> str:
    """Return a value of the column for a comment; none of a column that tells about a person."""
    value = next((text for text in column.distinct if text), None)
    if value is None:
        return quoted(column.scalars[0]) if column.scalars else ""
    if "@" in value or (PERSONAL_WORDS & set(column.words) and not THING_WORDS & set(column.words)):
        return PRIVATE
    return quoted(value)


def such_as(column: Column) -> str:
    """Return a comment with an example."""
    return f"such as {example_of(column)}"


def instead(attribute: str, others: Sequence[Column]) -> list[str]:
    """Return a sentence that names the other columns that an attribute could come from."""
    if not others:
        return []
    named = ", ".join(column.path for column in others[:4])
    return [f"{attribute} could also come from {named}."]
