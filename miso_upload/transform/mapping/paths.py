"""Reaching into a row: `item.id` through objects, `items[].id` through a list of them.

`items[0].id` takes one of a list, counted from 0, and `params[key=page].value` the first whose
`key` is `page`, for exports that write an object as a list of its pairs; `items[*kind=product].id`
goes through all that are such. Items in which `[]` finds nothing or null are left out of the list.

A column whose own name has dots or brackets is preferred to a path. Where a path goes on into text,
the text is read as JSON, since exports like to put objects into cells.
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
    """Where there is no value; unlike `None`, no value of a row can be it. Like it, it is false."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False


ABSENT: Any = Nothing.ABSENT
"""What a path leads to where there is nothing. An enum, so that it is the same in every process."""

_STEP = re.compile(r"([^.\[\]]+)|\[([^\[\]]*)\]")
_MOST_DIGITS = 18
"""Of a place in a list; there is nothing at a place of more digits, nor of so many."""
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
        """Return whether an item is one of those meant."""
        if not isinstance(item, dict):
            return False
        found = item.get(self.key)
        return found == self.value or (type(found) is int and str(found) == self.value)


_EACH = _Each()
_Step = str | int | _Each | _Where


def first_step(path: str) -> str:
    """Return the column that a path starts in."""
    return _STARTS_A_STEP.split(path, 1)[0]


def is_path(path: str) -> bool:
    """Return whether a name may lead into a column, and is not that of one alone."""
    return "." in path or "[" in path


def getter(path: str) -> Callable[[dict[str, Any]], Any]:
    """Return the function that reaches for `path` in a row, and returns `ABSENT` if in vain."""
    if not is_path(path):
        # What `lambda row: row.get(path, ABSENT)` would be, without a frame for each call.
        return methodcaller("get", path, ABSENT)
    steps = tuple(_steps(path))

    def reach(row: dict[str, Any]) -> Any:  # noqa: ANN401 -- any JSON value
        if path in row:
            return row[path]
        return _walk(row, steps)

    return reach


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


def _walk(value: Any, steps: tuple[_Step, ...]) -> Any:  # noqa: ANN401
    for place, step in enumerate(steps):
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return ABSENT
            value = value[step]
        elif not isinstance(value, list):
            return ABSENT
        elif step is _EACH or (isinstance(step, _Where) and step.every):
            rest = steps[place + 1 :]
            items = filter(step.fits, value) if isinstance(step, _Where) else value
            reached = [_walk(item, rest) for item in items]
            return [item for item in reached if item is not ABSENT and item is not None] or ABSENT
        else:
            value = _one_of(value, step)
    return value


def _one_of(items: list[Any], step: _Step) -> Any:  # noqa: ANN401
    """Return the item of a list that `step` stands for, or `ABSENT`."""
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
