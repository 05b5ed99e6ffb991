"""Finds the values that the encoder may not write in their canonical form.

Texts are always regular. Most attributes of a validated record hold only text. `SHIPPED` lists
them, so that only the others have to be examined.
"""

from __future__ import annotations

import math
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shape(NamedTuple):
    """What is known about the values of an object.

    Attributes:
        texts: The names whose values are only text or lists of text, never null.
        inner: The shapes of inner objects, by name.
    """

    texts: frozenset[str] = frozenset()
    inner: dict[str, Shape] = {}  # noqa: RUF012 -- never written to


UNKNOWN = Shape()
"""Nothing is known."""
SHIPPED = Shape(
    frozenset({
        "type", "user_id", "anonymous_id", "timestamp", "product_ids", "product_group_ids",
        "category", "custom_action_name", "question_id", "result_type", "value",
    }),
    {
        "search": Shape(frozenset({"keywords"})),
        "context": Shape(
            frozenset({"truncated_ip", "locale", "region", "user_agent"}),
            {
                "page": Shape(frozenset({"url", "referrer", "title"})),
                "campaign": Shape(frozenset({"name", "source", "medium", "term", "content"})),
            },
        ),
    },
)  # fmt: skip
"""The shape of records that are valid against the shipped schema."""

_LEAST, _MOST = -(2**63), 2**64 - 1
"""The integers that `encode` can write."""
_DEEPEST = 100
"""Values nested deeper than this are not examined; `encode` decides whether it can write them."""
_MOST_WHOLE = 2.0**53
_TEXTS = frozenset({str, bool})
_ABSENT = object()
_SMALLEST = 1e-5
"""The encoder writes smaller numbers differently from the canonical form."""


class Examiner:
    """Examines values, and notes those that the encoder may write differently."""

    def __init__(self) -> None:
        self.irregular: set[int] = set()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.has_null = False

    def examine_records(self, records: Sequence[dict[str, Any]], shape: Shape) -> None:
        """Examine records of one shape.

        Raises:
            DoubtfulError: Encoders may differ in how they write one of them.
            TypeError: A value is not an object, although the shape says so.
        """
        self._examine_objects(records, shape, records, ())

    def _examine_objects(
        self,
        objects: Sequence[dict[str, Any]],
        shape: Shape,
        records: Sequence[dict[str, Any]],
        path: tuple[str, ...],
    ) -> None:
        """Examine the objects at a path in records."""
        names = set().union(*objects)
        if not path:
            self.attributes = names
        names = names - shape.texts
        self.names |= names
        for name in names:
            values = _values(name, objects)
            inner = shape.inner.get(name)
            if inner is not None:
                self._examine_objects(values, inner, records, (*path, name))
            elif not _are_plain(values) or name == "miso_id":
                self._examine_each(records, (*path, name))

    def _examine_each(self, records: Sequence[dict[str, Any]], path: tuple[str, ...]) -> None:
        """Examine each value at a path in records."""
        is_id = path[-1] == "miso_id"
        for i, record in enumerate(records):
            value: Any = record
            for name in path:
                value = value.get(name, _ABSENT)
                if value is _ABSENT:
                    break
            else:
                is_upper = is_id and isinstance(value, str) and value != value.lower()
                if not self.is_regular(value) or is_upper:
                    self.irregular.add(i)

    def is_regular(self, value: Any, depth: int = 0) -> bool:  # noqa: ANN401 -- any JSON value
        """Return whether the encoder writes a value in its canonical form.

        Raises:
            DoubtfulError: It is not a JSON value, or not every encoder can write it.
        """
        kind = type(value)
        if kind is str or kind is bool:
            return True
        if kind is int and _LEAST <= value <= _MOST:
            return True
        if kind is float and math.isfinite(value):
            return not value.is_integer() and abs(value) >= _SMALLEST
        if value is None:
            self.has_null = True
            return True
        if depth > _DEEPEST or kind not in (list, dict):
            raise DoubtfulError
        if kind is dict:
            self.names.update(value)
            value = value.values()
        # Examine all of them, even if the first is irregular, to note their names and nulls.
        return False not in [self.is_regular(each, depth + 1) for each in value]


def _are_plain(values: list[Any]) -> bool:
    """Return whether values are obviously regular: texts, or numbers of one kind, or lists of them.

    This is a shortcut for `Examiner.is_regular`.
    """
    kinds = set(map(type, values))
    if kinds == {list}:
        values = list(chain.from_iterable(values))
        kinds = set(map(type, values))
    if kinds <= _TEXTS:
        return True
    if kinds == {int}:
        return bool(min(values) >= _LEAST and max(values) <= _MOST)
    if kinds == {float}:
        return (
            all(map(math.isfinite, values))
            and not any(map(float.is_integer, values))
            and min(map(abs, values)) >= _SMALLEST
        )
    return False


class DoubtfulError(Exception):
    """Encoders may differ in how they write a value."""


def _values(name: str, objects: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the values that objects have under a name."""
    try:
        return list(map(itemgetter(name), objects))
    except KeyError:
        return [each[name] for each in objects if name in each]


def regular(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return an equal value that the encoder writes in its canonical form.

    Raises:
        DoubtfulError: There is no such value.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float and math.isfinite(value) and abs(value) <= _MOST_WHOLE:
        if value.is_integer():
            return int(value)
        if abs(value) >= _SMALLEST:
            return value
    if kind is list:
        return list(map(regular, value))
    if kind is dict:
        return {name: regular(inner) for name, inner in value.items()}
    raise DoubtfulError
