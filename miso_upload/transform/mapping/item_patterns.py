"""Divides an item of a list by a pattern, such as `{product_ids} x {quantities}`.

A pattern consists of placeholders with text between them. `{*}` stands for text that nobody needs.
A number is searched from its own end of the item: `{product_ids} x {quantities}` divides
`box x large x 2` at the last ` x `, and `{quantities} x {product_ids}` divides `2 x box x large` at
the first. The time is linear in the length of the item.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.cells import CellError
from miso_upload.transform.mapping.templates import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

ANYTHING = "*"
"""The placeholder for text that is not needed."""
_NUMBERS = frozenset({"quantities"})
"""The placeholders that are numbers: they do not contain the text between placeholders."""
_PROBLEM = "has an item that does not fit the pattern of item"


def attributes_of(pattern: str) -> tuple[str, ...]:
    """Return the attributes that a pattern names, in order.

    Raises:
        ConfigurationError: The pattern has no attribute, one of them twice, or two placeholders
            with nothing between them.
    """
    parts = _merged(pattern)
    names = [name for _, name in parts if name is not None]
    wanted = [name for name in names if name != ANYTHING]
    if not wanted or len(set(wanted)) < len(wanted):
        raise ConfigurationError(
            f"has the item pattern {pattern!r}, which must name each attribute once, as in "
            "'{product_ids} x {quantities}'"
        )
    for (_, before), (_, after) in pairwise(parts):
        if before is not None and after is not None:
            raise ConfigurationError(
                f"has the item pattern {pattern!r} with no text between {{{before}}} and "
                f"{{{after}}}"
            )
    return tuple(wanted)


def compile_item(pattern: str) -> Callable[[str], dict[str, str]]:
    """Return the function that divides an item into the values of a pattern's attributes.

    The function raises `CellError` if the item does not fit the pattern.
    """
    parts = _merged(pattern)

    def divide(item: str) -> dict[str, str]:
        values = _divided(item, parts)
        if values is None or "" in values.values():
            raise CellError(_PROBLEM)
        return values

    return divide


def _divided(item: str, parts: list[tuple[str, str | None]]) -> dict[str, str] | None:
    """Return the values of an item, taken off its two ends; None if it does not fit."""
    values: dict[str, str] = {}
    first, last = 0, len(parts) - 1
    while first < last:
        at_front = parts[first][1] is None
        if at_front or parts[last][1] is None:
            literal = parts[first if at_front else last][0]
            if not (item.startswith(literal) if at_front else item.endswith(literal)):
                return None
            item = item[len(literal) :] if at_front else item[: len(item) - len(literal)]
            first, last = first + at_front, last - (not at_front)
            continue
        from_front = parts[first][1] in _NUMBERS
        if from_front:
            value, found, item = item.partition(parts[first + 1][0])
            name, first = parts[first][1], first + 2
        else:
            item, found, value = item.rpartition(parts[last - 1][0])
            name, last = parts[last][1], last - 2
        if not found:
            return None
        if name != ANYTHING:
            values[name or ""] = value.strip()
    literal, name = parts[first]
    if name is None:
        return values if item == literal else None
    if name != ANYTHING:
        values[name] = item.strip()
    return values


def _merged(pattern: str) -> list[tuple[str, str | None]]:
    """Return the parts of a pattern, neighbouring texts as one."""
    merged: list[tuple[str, str | None]] = []
    for literal, name in parts_of(pattern):
        if name is None and merged and merged[-1][1] is None:
            merged[-1] = (merged[-1][0] + literal, None)
        else:
            merged.append((literal, name))
    return merged
