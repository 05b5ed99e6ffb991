"""Turning a cell into what the schema asks for, where that loses nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from miso_upload.encoding import JSONDecodeError, decode
from miso_upload.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MOST_DIGITS = 18
"""Integers of so many digits fit into 64 bits; Miso's JSON library is not known to take more."""


class CellError(ValueError):
    """A cell that cannot become what the schema asks for; the message is the end of a sentence."""


def converter(kind: Kind, list_separator: str | None) -> Callable[[Any], Any]:
    """Return the function that turns a cell, or a mapped JSON value, into `kind`.

    The function raises `CellError` where the value cannot become it.
    """

    def to_list(value: Any) -> list[str]:  # noqa: ANN401 -- any JSON value
        return [to_text(item) for item in _items(value, list_separator)]

    def to_numbers(value: Any) -> Any:  # noqa: ANN401
        items = _items(value, list_separator)
        numbers = [to_number(item) for item in items]
        return numbers[0] if len(numbers) == 1 and items == [value] else numbers

    return {
        Kind.TEXT: to_text,
        Kind.TEXTS: to_list,
        Kind.NUMBER: to_number,
        Kind.NUMBERS: to_numbers,
        Kind.OBJECT: to_object,
        Kind.TIMESTAMP: _as_is,
        Kind.ANY: _as_is,
    }[kind]


def to_text(value: Any) -> str:  # noqa: ANN401
    """Return text as it is, and an integer in its digits.

    Raises:
        CellError: The value is anything else; how a fraction should be written is not ours to say.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise CellError("is not text")


def to_number(value: Any) -> int | float:  # noqa: ANN401
    """Return a number as it is, and text that is a plain decimal number as its value.

    Raises:
        CellError: It is not a number, or one that JSON cannot carry.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        raise CellError("is not a number")
    if text.lstrip("+-").isdigit():
        if len(text.lstrip("+-0")) > _MOST_DIGITS:
            raise CellError("has more digits than a number can carry")
        return int(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise CellError("is larger than a number can be")
    return number


def to_object(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an object as it is, and a cell that holds a JSON object as that object.

    Raises:
        CellError: It is not an object.
    """
    if isinstance(value, str):
        try:
            value = decode(value)
        except JSONDecodeError:
            raise CellError("is not a JSON object") from None
    if not isinstance(value, dict):
        raise CellError("is not a JSON object")
    return value


def _items(value: Any, separator: str | None) -> list[Any]:  # noqa: ANN401
    """Return the values in a cell: a list, a JSON array in text, a separated list, or one value."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return [value]
    if value.startswith("[") and value.endswith("]"):
        # No identifier is a whole JSON array; sending its text as one product would be silent junk.
        try:
            decoded = decode(value)
        except JSONDecodeError:
            decoded = None
        if isinstance(decoded, list):
            return decoded
    if separator is None:
        return [value]
    return [part.strip() for part in value.split(separator) if part.strip()]


def _as_is(value: Any) -> Any:  # noqa: ANN401
    return value
