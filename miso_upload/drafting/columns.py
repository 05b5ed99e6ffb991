"""What stands in a sample of rows: every column and path that a mapping could name, with values.

Paths go through nested objects, lists of objects (`items[].sku`) and JSON text in cells, exactly as
far as the mapping engine reaches.
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
"""Last steps of a path that say little without the step before."""


@dataclass(slots=True)
class _Found:
    values: list[tuple[int, Any]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Column:
    """One column or path, and what it holds in the sample.

    Attributes:
        path: How a mapping names it.
        values: For each row that has something there, the row's number and the value.
        rows: How many rows the sample has.
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
        """Return what it can be called, run together: `productDetails.product.id` is `productid`.

        The fuller name comes first.
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
        """Whether it is reached through a list, so that a row has several values."""
        return "[]" in self.path

    @property
    def top(self) -> str:
        """Return the path up to the list of objects that it stands in."""
        return self.path.rpartition("[]")[0]

    @cached_property
    def scalars(self) -> list[Any]:
        """Return its values, those in lists one by one."""
        return [item for _, value in self.values for item in _items(value)]

    @cached_property
    def texts(self) -> list[str]:
        """Return its values as text; what is neither text nor a number is not among them."""
        return [
            value if isinstance(value, str) else str(value)
            for value in self.scalars
            if isinstance(value, str | int | float) and not isinstance(value, bool)
        ]

    @cached_property
    def distinct(self) -> list[str]:
        """Return its different values, in order."""
        return list(dict.fromkeys(self.texts))

    @property
    def has_lists(self) -> bool:
        """Whether some value is a list."""
        return any(isinstance(value, list) for _, value in self.values)

    @property
    def is_plain(self) -> bool:
        """Whether every value is text or a whole number, which text attributes can take."""
        return all(
            isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
            for value in self.scalars
        )

    @property
    def filled(self) -> float:
        """Return the share of rows that have something there."""
        return len(self.values) / self.rows if self.rows else 0.0

    def share(self, holds: Iterable[bool]) -> float:
        """Return the share of true values; 0 where there are none."""
        found = list(holds)
        return sum(found) / len(found) if found else 0.0


def only_items(columns: Iterable[Column]) -> list[Column]:
    """Return the columns that stand in lists of never more than one object, as single values."""
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
    """Return the columns and paths of the rows, in the order in which they are first seen.

    A path at which there is never more than an empty text or a null is among them, without values.
    """
    found: dict[str, _Found] = {}
    for number, row in enumerate(rows):
        if isinstance(row, dict):
            for name, value in row.items():
                if name and _is_text(name):
                    _collect(name, value, number, found, depth=0)
    return [Column(path, each.values, len(rows)) for path, each in found.items()]


def _collect(path: str, value: Any, number: int, found: dict[str, _Found], depth: int) -> None:  # noqa: ANN401 -- any JSON
    value = _opened(value)
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
            # With nulls in their places, though the mapping engine leaves them out: where there are
            # some, a list of quantities no longer goes with its products.
            direct = present.get(inner)
            nested = [value for _, value in each.values]
            found[inner].values.append((number, nested if direct is None else direct))


def _opened(value: Any) -> Any:  # noqa: ANN401
    """Return what JSON text in a cell says, and any other value as it is."""
    if not isinstance(value, str) or len(value) > _LONGEST_JSON:
        return value
    text = value.strip()
    if not (text.startswith("{") and text.endswith("}")) and not (
        text.startswith("[") and text.endswith("]")
    ):
        return value
    try:
        opened = decode(value)
    except JSONDecodeError:
        return value
    return opened if isinstance(opened, dict | list) else value


def _items(value: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(value, list):
        for item in value:
            yield from _items(item)
    else:
        yield value


def _can_be_step(name: str) -> bool:
    return bool(name) and not any(mark in name for mark in ".[]") and _is_text(name)


def _is_text(name: str) -> bool:
    """Whether the name can stand in a file: half a character cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
