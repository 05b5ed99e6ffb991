"""Collects the columns and paths in a sample of rows that a mapping can name, with their values.

Paths lead through nested objects, lists of objects (`items[].sku`) and JSON text in cells, as far
as the mapping engine can follow them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_COLUMNS = 2_000
_MOST_DEPTH = 6
_LONGEST_JSON = 65_536
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]")
_GENERIC = frozenset({"id", "ids", "sku", "code", "key", "name", "url", "title", "type"})
"""Last steps of a path that mean little without the step before."""


@dataclass(slots=True)
class _Found:
    values: list[tuple[int, Any]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Column:
    """A column or path with its values in the sample.

    Attributes:
        path: The path in a mapping.
        values: The index and the value of each row that has a value.
        rows: The number of rows in the sample.
    """

    path: str
    values: Sequence[tuple[int, Any]] = field(repr=False)
    rows: int

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Return the words of its name in lower case: `CustomerID` is `customer id`."""
        return words_of(self.path.removesuffix("[]").rpartition(".")[2])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return its names without separators: `productDetails.product.id` is `productid`.

        The longer name comes first.
        """
        own = "".join(self.words)
        parent = words_of(self.path.removesuffix("[]").rpartition(".")[0])
        if parent and own in _GENERIC:
            above = parent[-1]
            singular = above[:-1] if above.endswith("s") and above[-2:] != "ss" else above
            return (singular + own, own)
        return (own,)

    @property
    def in_list(self) -> bool:
        """Whether its path leads through a list, so that a row has several values."""
        return "[]" in self.path

    @property
    def top(self) -> str:
        """Return the path of the list of objects that contains it."""
        return self.path.rpartition("[]")[0]

    @cached_property
    def scalars(self) -> list[Any]:
        """Return its values, with lists flattened."""
        return [item for _, value in self.values for item in _items(value)]

    @cached_property
    def texts(self) -> list[str]:
        """Return its texts and numbers as text, without other values."""
        return [
            value if isinstance(value, str) else str(value)
            for value in self.scalars
            if isinstance(value, str | int | float) and not isinstance(value, bool)
        ]

    @cached_property
    def distinct(self) -> list[str]:
        """Return its distinct values, in order."""
        return list(dict.fromkeys(self.texts))

    @property
    def has_lists(self) -> bool:
        """Whether some value is a list."""
        return any(isinstance(value, list) for _, value in self.values)

    @property
    def is_plain(self) -> bool:
        """Whether every value is text or an integer, as text attributes accept."""
        return all(
            isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
            for value in self.scalars
        )

    @property
    def may_be_id(self) -> bool:
        """Whether every value is text or a whole number, even one with a fraction of zero."""
        return all(
            isinstance(value, str | int | float)
            and not isinstance(value, bool)
            and (not isinstance(value, float) or value.is_integer())
            for value in self.scalars
        )

    @property
    def filled(self) -> float:
        """Return the share of rows that have a value."""
        return len(self.values) / self.rows if self.rows else 0.0

    def share(self, holds: Iterable[bool]) -> float:
        """Return the share of true values; 0 if there are no values."""
        found = list(holds)
        return sum(found) / len(found) if found else 0.0


def only_items(columns: Iterable[Column]) -> list[Column]:
    """Return the columns in lists that never have more than one object, as single values."""
    return [
        Column(
            column.path.replace("[]", "[0]"), [(row, items[0]) for row, items in column.values
                                               if items[0] is not None], column.rows
        )
        for column in columns
        if column.path.count("[]") == 1
        and all(isinstance(items, list) and len(items) == 1 for _, items in column.values)
    ]  # fmt: skip


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, without digits."""
    return tuple(word.casefold() for word in _WORD.findall(name))


def columns_of(rows: Sequence[object]) -> list[Column]:
    """Return the columns and paths of the rows, in the order of their first occurrence.

    A path whose values are all empty texts or nulls is included without values.
    """
    found: dict[str, _Found] = {}
    for number, row in enumerate(rows):
        if isinstance(row, dict):
            for name, value in row.items():
                if name and _is_text(name):
                    _collect(name, value, number, found, depth=0)
    return [Column(path, each.values, len(rows)) for path, each in found.items()]


def _collect(path: str, value: Any, number: int, found: dict[str, _Found], depth: int) -> None:  # noqa: ANN401 -- any JSON
    value = _parsed(value)
    if isinstance(value, dict) and value and depth < _MOST_DEPTH:
        if depth == 0 and not _can_be_step(path):
            return
        for name, inner in value.items():
            if _can_be_step(name):
                _collect(f"{path}.{name}", inner, number, found, depth + 1)
        return
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        if depth < _MOST_DEPTH and (depth > 0 or _can_be_step(path)):
            _collect_list(path, value, number, found, depth)
        return
    if path not in found:
        if len(found) >= MOST_COLUMNS:
            return
        found[path] = _Found()
    if not (value is None or value in ("", [], {}) or isinstance(value, dict)):
        found[path].values.append((number, value))


def _collect_list(
    path: str, items: list[Any], number: int, found: dict[str, _Found], depth: int
) -> None:
    inside: dict[str, _Found] = {}
    for item in items:
        if isinstance(item, dict):
            for name, value in item.items():
                if _can_be_step(name):
                    _collect(f"{path}[].{name}", value, number, inside, depth + 1)
    present = {
        f"{path}[].{name}": [item.get(name) for item in items if isinstance(item, dict)]
        for name in {name: None for item in items if isinstance(item, dict) for name in item}
    }
    for inner, each in inside.items():
        if inner not in found and len(found) < MOST_COLUMNS:
            found[inner] = _Found()
        if inner in found and each.values:
            # Nulls are kept here, although the mapping engine drops them: they show that a list of
            # quantities would not align with its products.
            direct = present.get(inner)
            nested = [value for _, value in each.values]
            found[inner].values.append((number, nested if direct is None else direct))


def _parsed(value: Any) -> Any:  # noqa: ANN401
    """Return the value of JSON text in a cell, and any other value unchanged."""
    if not isinstance(value, str) or len(value) > _LONGEST_JSON:
        return value
    text = value.strip()
    if not (text.startswith("{") and text.endswith("}")) and not (
        text.startswith("[") and text.endswith("]")
    ):
        return value
    try:
        parsed = decode(value)
    except JSONDecodeError:
        return value
    return parsed if isinstance(parsed, dict | list) else value


def _items(value: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(value, list):
        for item in value:
            yield from _items(item)
    else:
        yield value


def _can_be_step(name: str) -> bool:
    return bool(name) and not any(mark in name for mark in ".[]") and _is_text(name)


def _is_text(name: str) -> bool:
    """Return whether the name can be written to a file, which lone surrogates cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
