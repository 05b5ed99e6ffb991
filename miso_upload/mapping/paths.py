"""Reaching into a row: `item.id` through objects, `items[].id` through a list of them.

A column whose own name has dots is preferred to a path. Where a path goes on into text, the text is
read as JSON, since exports like to put objects into cells.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any

from miso_upload.encoding import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable


class Nothing(enum.Enum):
    """Where there is no value; unlike `None`, no value of a row can be it."""

    ABSENT = "absent"


ABSENT: Any = Nothing.ABSENT
"""What a path leads to where there is nothing. An enum, so that it is the same in every process."""

_STEP = re.compile(r"([^.\[\]]+)|(\[\])")


def first_step(path: str) -> str:
    """Return the column that a path starts in."""
    return path.split(".", 1)[0].removesuffix("[]")


def reacher(path: str) -> Callable[[dict[str, Any]], Any]:
    """Return the function that reaches for `path` in a row, and returns `ABSENT` if in vain."""
    if "." not in path and "[" not in path:
        return lambda row: row.get(path, ABSENT)
    steps = tuple(name or None for name, _ in _STEP.findall(path))

    def reach(row: dict[str, Any]) -> Any:  # noqa: ANN401 -- any JSON value
        if path in row:
            return row[path]
        return _walk(row, steps)

    return reach


def _walk(value: Any, steps: tuple[str | None, ...]) -> Any:  # noqa: ANN401
    for place, step in enumerate(steps):
        if isinstance(value, str):
            value = _parsed(value)
        if step is None:
            if not isinstance(value, list):
                return ABSENT
            rest = steps[place + 1 :]
            reached = [_walk(item, rest) for item in value]
            return [item for item in reached if item is not ABSENT] or ABSENT
        if not isinstance(value, dict) or step not in value:
            return ABSENT
        value = value[step]
    return value


def _parsed(text: str) -> Any:  # noqa: ANN401
    try:
        return decode(text)
    except JSONDecodeError:
        return ABSENT
