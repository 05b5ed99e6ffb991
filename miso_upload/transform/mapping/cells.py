"""Converts cells to what the schema asks for, without losing information."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from miso_upload.transform.schema.schema import Kind
from miso_upload.values.amounts import amount_of
from miso_upload.values.json import JSONDecodeError, decode
from miso_upload.values.null_words import BLANKS

if TYPE_CHECKING:
    from collections.abc import Callable

ConvertAll: TypeAlias = "Callable[[list[Any]], list[Any] | None]"

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile("[0-9]{1,18}")
_PLAIN_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_TEXT_ONLY = {str}
_NOT_A_NUMBER = "is not a number"
_NOT_PLAIN = (
    'is not a plain number; to read 1.234,56 or $ 1,234.56, add decimal = "," or decimal = "." to '
    "its attribute in the mapping file"
)
_MOST_DIGITS = 18
"""Integers of this many digits fit into 64 bits. Miso's JSON library may not read longer ones."""


class CellError(ValueError):
    """A cell that cannot be converted. The message follows the attribute's name in a reason.

    Attributes:
        notes: What has to be counted about the cell; see `Noted`.
    """

    notes: tuple[tuple[str, str], ...] = ()


class Noted(NamedTuple):
    """A converted value, with what has to be counted about it.

    Attributes:
        value: The value, or `ABSENT`.
        notes: Pairs of a kind (`null` or `currency`) and a text: the null words that were left out,
            and the currencies of amounts.
    """

    value: Any
    notes: tuple[tuple[str, str], ...]


def converter(kind: Kind, list_separator: str | None) -> Callable[[Any], Any]:
    """Return the function that converts a cell, or a mapped JSON value, to `kind`.

    The function raises `CellError` if it cannot convert a value.
    """

    def to_list(value: Any) -> list[str]:  # noqa: ANN401 -- any JSON value
        return [to_text(item) for item in items_of(value, list_separator)]

    def to_numbers(value: Any) -> Any:  # noqa: ANN401
        items = items_of(value, list_separator)
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


def column_converter(kind: Kind, list_separator: str | None) -> ConvertAll | None:
    """Return the function that converts a whole column of cells to `kind`, if there is one.

    It returns what the function of `converter` returns for each cell, or None if only that function
    can convert them.
    """
    if kind is Kind.TEXT:
        return _texts
    if kind is Kind.TEXTS and list_separator is None:
        return _lists_of_one
    return _numbers if kind in (Kind.NUMBER, Kind.NUMBERS) and list_separator is None else None


def to_text(value: Any) -> str:  # noqa: ANN401
    """Return text as it is, and an integer in its digits.

    Raises:
        CellError: The value is anything else. Fractions have no obvious text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise CellError("is not text")


def to_number(value: Any) -> int | float:  # noqa: ANN401
    """Return a number as it is, and the value of text that is a plain decimal number.

    Raises:
        CellError: It is not a number, or one that JSON cannot carry.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        raise CellError(_NOT_A_NUMBER if amount_of(text) is None else _NOT_PLAIN)
    if text.lstrip("+-").isdigit():
        digits = text.lstrip("+-0")
        if len(digits) > _MOST_DIGITS:
            raise CellError("has too many digits for a number")
        # Python refuses to parse some thousand digits, even if they are leading zeros.
        return -int(digits or 0) if text.startswith("-") else int(digits or 0)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise CellError("is too large for a number")
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


def _texts(cells: list[Any]) -> list[str] | None:
    return cells if set(map(type, cells)) == _TEXT_ONLY else None


def _lists_of_one(cells: list[Any]) -> list[list[str]] | None:
    if set(map(type, cells)) != _TEXT_ONLY or "[" in {cell[:1] for cell in cells}:
        return None
    return [[cell] for cell in cells]


def _numbers(cells: list[Any]) -> list[int | float] | None:
    if set(map(type, cells)) != _TEXT_ONLY:
        return None
    if all(map(_WHOLE.fullmatch, cells)):
        return list(map(int, cells))
    if all(map(_PLAIN_NUMBER.fullmatch, cells)):
        return [float(cell) if "." in cell else int(cell) for cell in cells]
    return None


def items_of(value: Any, separator: str | None) -> list[Any]:  # noqa: ANN401
    """Return the values in a cell: a list, a JSON array in text, a separated list, or one value."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return [value]
    if value.startswith("[") and value.endswith("]"):
        # No identifier is a JSON array. Its text must not be sent as one product.
        try:
            decoded = decode(value)
        except JSONDecodeError:
            decoded = None
        if isinstance(decoded, list):
            return decoded
    if separator is None:
        return [value]
    return [part.strip(BLANKS) for part in value.split(separator) if part.strip(BLANKS)]


def _as_is(value: Any) -> Any:  # noqa: ANN401
    return value
