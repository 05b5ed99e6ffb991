"""Conditions under which rows are skipped, each with a name to count the rows under."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import translate
from re import compile as compile_pattern
from typing import TYPE_CHECKING, Any

from miso_upload.transform.mapping.bots import is_bot
from miso_upload.transform.mapping.cells import CellError, to_number
from miso_upload.transform.mapping.paths import ABSENT, getter
from miso_upload.transform.mapping.routes import split_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ALIKE = frozenset({str, type(ABSENT), type(None)})
"""Types whose equal values are the same value. The numbers 1 and 1.0 and true are equal too."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A row is skipped if one of its columns meets every test that is set.

    Attributes:
        name: The name that skipped rows are counted under.
        column: The column or path that is tested.
        one_of: The text is one of these.
        none_of: The text is none of these.
        like: The text matches one of these patterns with the wildcards `*` and `?`.
        below: The value is a number less than this.
        above: The value is a number greater than this.
        empty: The value is empty or absent (True), or neither (False).
        path_ends: The text is a URL or path, and its path ends in one of these. Case is ignored.
        bot: The text is the User-Agent of a known bot (True), or it is not (False).
    """

    name: str
    column: str
    one_of: tuple[str, ...] | None = None
    none_of: tuple[str, ...] | None = None
    like: tuple[str, ...] | None = None
    below: float | None = None
    above: float | None = None
    empty: bool | None = None
    path_ends: tuple[str, ...] | None = None
    bot: bool | None = None


def compile_condition(condition: Condition) -> Callable[[dict[str, Any]], bool]:
    """Return the function that tests whether a row is skipped."""
    get, test = getter(condition.column), _test(condition)
    return lambda row: test(get(row))


def compile_for_all(condition: Condition) -> Callable[[Sequence[dict[str, Any]]], list[bool]]:
    """Return the function that tests which of many rows are skipped.

    Most columns have few different values, and each of those is tested once.
    """
    get, test = getter(condition.column), _test(condition)

    def holds(rows: Sequence[dict[str, Any]]) -> list[bool]:
        values = list(map(get, rows))
        if not _ALIKE.issuperset(map(type, values)):
            return list(map(test, values))
        found = {value: test(value) for value in set(values)}
        return [found[value] for value in values]

    return holds


def _test(condition: Condition) -> Callable[[Any], bool]:
    """Return the function that tests whether a value meets the condition."""
    tests = list(_tests(condition))
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _tests(condition: Condition) -> list[Callable[[Any], bool]]:
    """Return the tests of a condition, the cheapest first."""
    tests: list[Callable[[Any], bool]] = []
    if condition.one_of is not None:
        wanted = frozenset(condition.one_of)
        tests.append(lambda value: (value if type(value) is str else _text(value)) in wanted)
    if condition.none_of is not None:
        unwanted = frozenset(condition.none_of)
        tests.append(lambda value: (value if type(value) is str else _text(value)) not in unwanted)
    if condition.empty is not None:
        empty = condition.empty
        tests.append(lambda value: (_text(value) == "") is empty)
    tests += _tests_of_numbers(condition)
    if condition.path_ends is not None:
        tests.append(_path_ends(condition.path_ends))
    if condition.like is not None:
        fits = compile_pattern("|".join(map(translate, condition.like))).match
        tests.append(lambda value: fits(_text(value)) is not None)
    if condition.bot is not None:
        bot = condition.bot
        tests.append(lambda value: is_bot(_text(value)) is bot)
    return tests


def _tests_of_numbers(condition: Condition) -> list[Callable[[Any], bool]]:
    tests: list[Callable[[Any], bool]] = []
    if condition.below is not None:
        least = condition.below
        tests.append(lambda value: (number := _number(value)) is not None and number < least)
    if condition.above is not None:
        most = condition.above
        tests.append(lambda value: (number := _number(value)) is not None and number > most)
    return tests


def _path_ends(endings: tuple[str, ...]) -> Callable[[Any], bool]:
    lower = {ending.lower() for ending in endings}
    # A set is faster than one ending after the other.
    suffixes = frozenset(each for each in lower if each.startswith(".") and each.count(".") == 1)
    others = tuple(lower - suffixes)

    def ends(value: Any) -> bool:  # noqa: ANN401 -- any JSON value
        url = value if type(value) is str else _text(value)
        if url.startswith("/") and "%" not in url and ";" not in url and "#" not in url:
            path = url.partition("?")[0]
        else:
            parts = split_url(url)
            if parts is None:
                return False
            path = parts[0]
        dot = path.rfind(".")
        return (dot >= 0 and path[dot:].lower() in suffixes) or (
            bool(others) and path.lower().endswith(others)
        )

    return ends


def _text(value: Any) -> str:  # noqa: ANN401 -- any JSON value, or ABSENT
    if isinstance(value, str):
        return value
    if value is ABSENT or value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _number(value: Any) -> float | None:  # noqa: ANN401
    try:
        return to_number(value)
    except CellError:
        return None
