"""Finds the convention in which the numbers of a column are written, from many values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from miso_upload.transform.mapping.cells import CellError, Noted, to_number
from miso_upload.transform.mapping.conventions import number_reader
from miso_upload.values.null_words import DEFAULT_NULL_WORDS, NullWords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_ENOUGH = 0.9
_CONVENTIONS: tuple[dict[str, str], ...] = (
    {"decimal": "."},
    {"decimal": ","},
    {"decimal": ",", "thousands": " "},
    {"decimal": ".", "thousands": " "},
    {"decimal": ".", "thousands": "'"},
    {"decimal": ",", "thousands": "'"},
)
NULLS = NullWords(DEFAULT_NULL_WORDS)


class Convention(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        rule: The keys of the rule; empty for plain numbers.
        numbers: The numbers, read in the convention.
        other: The keys of another convention that reads as many values; None if there is none.
    """

    rule: dict[str, str]
    numbers: list[float]
    other: dict[str, str] | None = None


def convention_of(texts: Sequence[str]) -> Convention | None:
    """Return the convention of a column's texts; None if they are no numbers."""
    given = [text for text in texts if NULLS.item(text) is None]
    if not given:
        return None
    plain = _read(given, to_number)
    if len(plain) == len(given):
        return Convention({}, plain)
    found = [
        (_read(given, number_reader(each["decimal"], each.get("thousands"))), each)
        for each in _CONVENTIONS
    ]
    numbers, rule = max(found, key=lambda pair: len(pair[0]))  # the first of equals
    if len(plain) >= max(len(numbers), _ENOUGH * len(given)):
        return Convention({}, plain)
    if len(numbers) < _ENOUGH * len(given):
        return None
    other = next(
        (
            each for read, each in found
            if len(read) == len(numbers) and each["decimal"] != rule["decimal"]
        ),
        None,
    )  # fmt: skip
    return Convention(rule, numbers, other)


def _read(texts: Sequence[str], read: Callable[[Any], Any]) -> list[float]:
    numbers = []
    for text in texts:
        try:
            value = read(text)
        except CellError:
            continue
        numbers.append(float(value.value if type(value) is Noted else value))
    return numbers
