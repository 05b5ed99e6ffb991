"""Takes rows apart into the elements of a list that they have, for rows that are several records.

The mapping then sees the fields of one element beside the row's own. If both have a field, the
element's wins. An element that is no object is seen under a name, `item` unless the user chose
another; with a name of its own, an element that is an object is seen under that name only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import ConfigurationError
from miso_upload.records import Reason
from miso_upload.records.element import MAX_ELEMENTS
from miso_upload.transform.mapping.paths import ABSENT, first_step, getter
from miso_upload.values.display import quoted
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]

ITEM = "item"
"""The name of an element that is no object, unless the user chose another."""
_EACH_ITEM = "[]"
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_NEVER: Any = object()


@dataclass(frozen=True, slots=True)
class Each:
    """The list of a row whose elements become records.

    Attributes:
        path: The column of the list, or a path to it, which may end in `[]`.
        split: What separates the elements of a cell of text; None if a cell is a JSON list.
        pattern: How an element that is text is taken apart into fields, such as `{sku} x {qty}`.
        name: The name under which an element is seen; empty to see an object's own fields.
        index: The name of a field with the element's number, counted from 1; empty for none.
    """

    path: str
    split: str | None = None
    pattern: str | None = None
    name: str = ""
    index: str = ""

    @property
    def column(self) -> str:
        """Return the column that has the list."""
        return first_step(self.path)

    def fields(self, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return the names that the mapping sees for rows with `columns`; None if they may differ.

        Args:
            columns: The columns of every row; None if rows may differ.
        """
        if columns is None or not (self.split or self.name):
            return None
        own = fields_of(self.pattern) if self.pattern is not None and not self.name else ()
        named = (*columns, *own, self.name or ITEM, self.index)
        return tuple(dict.fromkeys(filter(None, named)))


class Elements(NamedTuple):
    """The elements of one row.

    Attributes:
        views: What the mapping sees of each element, or the reason why it cannot be used. None for
            an element without a value.
        reason: Why the row has no elements although it should; None if the list could be read.
    """

    views: list[Row | Reason | None]
    reason: Reason | None = None


def compile_each(each: Each) -> Callable[[Row], Elements]:
    """Return the function that takes a row apart.

    Raises:
        ConfigurationError: The pattern cannot be used.
    """
    whole = each.path.removesuffix(_EACH_ITEM)
    get = getter(whole)
    depth = len(re.findall(r"\[(?:\*[^\]]*)?\]", whole))
    view = _viewer(each)

    def elements(row: Row) -> Elements:
        found = _listed(get(row), each, depth)
        if isinstance(found, Reason):
            return Elements([], found)
        if len(found) > MAX_ELEMENTS:
            most = f"has more than {MAX_ELEMENTS:,} elements"
            return Elements([], Reason(quoted(each.path), most))
        return Elements([view(row, item, number) for number, item in enumerate(found, 1)])

    return elements


def _listed(value: Any, each: Each, depth: int) -> list[Any] | Reason:  # noqa: ANN401
    """Return the list at the path of a row, or why there is none."""
    if value is ABSENT or value is None or (isinstance(value, str) and not value.strip()):
        return []
    if isinstance(value, str):
        text = value.strip()
        try:
            decoded = decode(text) if text[:1] == "[" or each.split is None else _NEVER
        except JSONDecodeError:
            decoded = _NEVER
        if isinstance(decoded, list):
            value = decoded
        elif each.split is not None:
            return [part.strip() for part in text.split(each.split) if part.strip()]
    for _ in range(depth):
        if isinstance(value, list):
            value = [
                item for inner in value for item in (inner if type(inner) is list else [inner])
            ]
    if not isinstance(value, list):
        hint = "" if each.split else ". Possible fix: split"
        problem = f"is not a list{hint if isinstance(value, str) else ''}"
        return Reason(quoted(each.path), problem, f"({quoted(value)})")
    return value


def _viewer(each: Each) -> Callable[[Row, Any, int], Row | Reason | None]:
    """Return the function that puts an element beside the fields of its row."""
    take_apart = None if each.pattern is None else compile_pattern(each.pattern)
    name, index = each.name, each.index

    def view(row: Row, item: Any, number: int) -> Row | Reason | None:  # noqa: ANN401
        if item is None or item == "":
            return None
        seen = dict(row)
        if isinstance(item, str) and take_apart is not None:
            fields = take_apart(item)
            if fields is None:
                return Reason(name or ITEM, f"does not match {quoted(each.pattern)}", quoted(item))
            seen[name or ITEM] = fields if name else item
            if not name:
                seen.update(fields)
        elif isinstance(item, dict) and not name:
            seen.update(item)
        else:
            seen[name or ITEM] = item
        if index:
            seen[index] = number
        return seen

    return view


def fields_of(pattern: str) -> tuple[str, ...]:
    """Return the names of the fields in a pattern."""
    return tuple(_PLACEHOLDER.findall(pattern))


def compile_pattern(pattern: str) -> Callable[[str], dict[str, str] | None]:
    """Return the function that takes a text apart into fields; it returns None for other texts.

    The text between two fields is searched from the end, so that `{id}-{clicked}` finds the last
    hyphen. This takes time in proportion to the text, unlike a regular expression.

    Raises:
        ConfigurationError: The pattern has no field, the same field twice, or two fields without
            text between them.
    """
    pieces = _PLACEHOLDER.split(pattern)
    literals, names = pieces[::2], pieces[1::2]
    if not names or len(set(names)) < len(names) or "" in literals[1:-1]:
        raise ConfigurationError(
            f"has the pattern {pattern!r}. Write fields in braces with text between them, such as "
            "'{product}-{clicked}'"
        )
    start, *between, end = literals

    def take_apart(text: str) -> dict[str, str] | None:
        if not (text.startswith(start) and text.endswith(end)):
            return None
        if len(text) < len(start) + len(end):
            return None
        rest = text[len(start) : len(text) - len(end)]
        values: list[str] = []
        for literal in reversed(between):
            rest, found, value = rest.rpartition(literal)
            if not found:
                return None
            values.append(value.strip())
        values.append(rest.strip())
        return dict(zip(names, reversed(values), strict=True))

    return take_apart
