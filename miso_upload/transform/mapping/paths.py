"""Paths into a row, such as `item.id` into an object or `items[].id` into a list of objects.

| step | takes |
|---|---|
| `items[]` | every item of a list; items without a value, or with null, are left out |
| `items[0]` | one item, counted from 0 |
| `params[key=page]` | the first item whose `key` is `page`, for objects written as lists of pairs |
| `items[*kind=product]` | every item whose `kind` is `product` |

If a column's own name has dots or brackets, the column wins over the path. If a path continues into
text, the text is parsed as JSON, because exports often put objects into cells.
"""

from __future__ import annotations

import enum
import re
from operator import methodcaller
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Nothing(enum.Enum):
    """The class of the sentinel `ABSENT`, which is false."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False


ABSENT: Any = Nothing.ABSENT
"""Sentinel for a missing value, distinct from a JSON null. An enum is the same in every process."""

_STEP = re.compile(r"([^.\[\]]+)|\[([^\[\]]*)\]")
_MOST_DIGITS = 18
"""The most digits of an index that are read. No list is that long."""
_STARTS_A_STEP = re.compile(r"[.\[]")


class _Each:
    """The step `[]`: every item of a list."""


class _Where(NamedTuple):
    """The step `[key=value]`: the first item of a list that has this value under this key.

    With `every`, it is the step `[*key=value]`: all such items.
    """

    key: str
    value: str
    every: bool = False

    def fits(self, item: Any) -> bool:  # noqa: ANN401 -- any JSON value
        """Return whether an item has the value under the key."""
        if not isinstance(item, dict):
            return False
        found = item.get(self.key)
        return found == self.value or (type(found) is int and str(found) == self.value)


_EACH = _Each()
_Step = str | int | _Each | _Where


def first_step(path: str) -> str:
    """Return the column in which a path starts."""
    return _STARTS_A_STEP.split(path, 1)[0]


def is_path(path: str) -> bool:
    """Return whether a name may be a path into a column, and not only the name of a column."""
    return "." in path or "[" in path


def getter(path: str) -> Callable[[dict[str, Any]], Any]:
    """Return the function that returns the value at `path` in a row, or `ABSENT`."""
    if not is_path(path):
        # The same as `lambda row: row.get(path, ABSENT)`, without a frame for each call.
        return methodcaller("get", path, ABSENT)
    steps = tuple(_steps(path))

    def get(row: dict[str, Any]) -> Any:  # noqa: ANN401 -- any JSON value
        if path in row:
            return row[path]
        return _walk(row, steps)

    return get


def getter_with_gaps(path: str) -> Callable[[dict[str, Any]], Any]:
    """Return the same as `getter`, but with None for items of a list without a value."""
    if not is_path(path):
        return getter(path)
    steps = tuple(_steps(path))

    def get(row: dict[str, Any]) -> Any:  # noqa: ANN401 -- any JSON value
        if path in row:
            return row[path]
        return _walk(row, steps, gaps=True)

    return get


def _steps(path: str) -> Iterator[_Step]:
    for found in _STEP.finditer(path):
        name, inside = found.groups()
        if name is not None:
            yield name
        elif not inside:
            yield _EACH
        elif inside.isdecimal():
            yield int(inside.lstrip("0")[:_MOST_DIGITS] or 0)
        else:
            key, _, value = inside.removeprefix("*").partition("=")
            yield _Where(key, value, inside.startswith("*"))


def _walk(value: Any, steps: tuple[_Step, ...], *, gaps: bool = False) -> Any:  # noqa: ANN401
    for i, step in enumerate(steps):
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return ABSENT
            value = value[step]
        elif not isinstance(value, list):
            return ABSENT
        elif step is _EACH or (isinstance(step, _Where) and step.every):
            rest = steps[i + 1 :]
            items = filter(step.fits, value) if isinstance(step, _Where) else value
            found = [_walk(item, rest, gaps=gaps) for item in items]
            if gaps:
                return [None if item is ABSENT else item for item in found]
            return [item for item in found if item is not ABSENT and item is not None] or ABSENT
        else:
            value = _one_of(value, step)
    return value


def _one_of(items: list[Any], step: _Step) -> Any:  # noqa: ANN401
    """Return the item of a list that `step` selects, or `ABSENT`."""
    if isinstance(step, int):
        return items[step] if step < len(items) else ABSENT
    if isinstance(step, _Where):
        return next(filter(step.fits, items), ABSENT)
    return ABSENT


def _parsed(text: str) -> Any:  # noqa: ANN401
    try:
        return decode(text)
    except JSONDecodeError:
        return ABSENT
