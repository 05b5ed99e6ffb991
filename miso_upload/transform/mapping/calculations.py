"""Calculates with columns, in decimals: `{price} * {quantity}`, or a date plus milliseconds.

A calculation consists of numbers, columns in braces, `+ - * /` and parentheses. 19.99 times 3 is
59.97, and not 59.97000000000001 as in binary fractions.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from miso_upload.errors import ConfigurationError
from miso_upload.transform.mapping.cells import CellError, to_number
from miso_upload.values.display import quoted
from miso_upload.values.rfc3339 import parse_rfc3339
from miso_upload.values.timestamps import Reading, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Numbers = Sequence[Decimal]
    Calculation = Callable[[Numbers], Decimal]

UNITS: Final = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
}
"""The microseconds of each unit of time."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|\{(?P<column>[^{}]+)\}|(?P<sign>[-+*/()]))"
)
_MOST_CHARACTERS = 1_000
_DEEPEST = 50
_MOST_DIGITS = 18
"""Integers of this many digits fit into 64 bits."""
_DECIMALS = Context(
    prec=50, Emax=400, Emin=-400, traps=[DivisionByZero, InvalidOperation, Overflow]
)


def columns_of(text: str) -> tuple[str, ...]:
    """Return the columns or paths that a calculation reads, in the order of their first use."""
    return tuple(dict.fromkeys(found["column"] for found in _tokens(text) if found["column"]))


def compile_calculation(text: str) -> Callable[[Sequence[Any]], int | float]:
    """Return the function that calculates with the values of `columns_of(text)`.

    The function raises `CellError` if a value is no number, or if there is no result.

    Raises:
        ConfigurationError: The text is no calculation.
    """
    columns = columns_of(text)
    parser = _Parser(text, columns)
    calculation = parser.parsed()

    def calculate(values: Sequence[Any]) -> int | float:
        numbers = [to_decimal(value, name) for name, value in zip(columns, values, strict=True)]
        try:
            return _as_number(calculation(numbers))
        except DivisionByZero:
            raise CellError("cannot be calculated: a divisor is zero") from None
        except InvalidOperation:
            raise CellError("cannot be calculated: zero is divided by zero") from None
        except Overflow:
            raise CellError("cannot be calculated: the result is too large") from None

    return calculate


def to_decimal(value: object, column: str) -> Decimal:
    """Return the exact decimal number in a value.

    Raises:
        CellError: It is not a number.
    """
    try:
        # What counts as a number is decided in one place; its binary fraction is not used.
        number = to_number(value)
        exact = Decimal(value.strip() if isinstance(value, str) else str(number))
    except CellError as error:
        raise CellError(f"cannot be calculated: {quoted(column)} {error}") from None
    except DecimalException:
        exact = Decimal("NaN")
    if not exact.is_finite():
        raise CellError(f"cannot be calculated: {quoted(column)} is not a number")
    return exact


def compile_addition(
    read: Callable[[Any], Reading], column: str, unit: str
) -> Callable[[Sequence[Any]], Reading]:
    """Return the function that adds a time span to a timestamp.

    Args:
        read: Reads the timestamp, which is the first of the values.
        column: The column of the time span, which is the second.
        unit: The unit of the time span.
    """

    def add(values: Sequence[Any]) -> Reading:
        timestamp, span = values
        reading = read(timestamp)
        if reading.text is None:
            return reading
        try:
            exact = _DECIMALS.multiply(to_decimal(span, column), Decimal(UNITS[unit]))
            start = parse_rfc3339(reading.text)
            if start is None:
                return reading
            utc = start.astimezone(UTC) + timedelta(microseconds=exact.__floor__())
        except (OverflowError, ValueError) as error:
            if isinstance(error, CellError):
                raise
            return Reading(None, f"is out of range with {quoted(column)} added")
        except DecimalException:
            return Reading(None, f"is out of range with {quoted(column)} added")
        return reading._replace(text=text_of(utc.replace(tzinfo=None)))

    return add


def _as_number(result: Decimal) -> int | float:
    """Return a result as JSON has it: an integer if it is one, otherwise the nearest float."""
    if result and result.adjusted() >= _MOST_DIGITS:
        raise CellError("cannot be calculated: the result has too many digits")
    return int(result) if result == result.to_integral_value(context=_DECIMALS) else float(result)


def _tokens(text: str) -> list[re.Match[str]]:
    """Return the tokens of a calculation.

    Raises:
        ConfigurationError: The text has something else, or is too long.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ConfigurationError(f"has a calculation of more than {_MOST_CHARACTERS:,} characters")
    text = text.rstrip()
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConfigurationError(
                f"has the calculation {text!r}, which cannot be read from {text[at:]!r} on. Write "
                "numbers, columns in braces, + - * / and parentheses: {price} * {quantity}"
            )
        tokens.append(found)
        at = found.end()
    return tokens


class _Parser:
    """Parses one calculation by recursive descent."""

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self._text = text
        self._columns = columns
        self._tokens = _tokens(text)
        self._at = self._depth = 0

    def parsed(self) -> Calculation:
        if not self._columns:
            raise self._wrong("names no column")
        whole = self._sum()
        if self._at < len(self._tokens):
            raise self._wrong(f"does not continue with {self._tokens[self._at][0].strip()!r}")
        return whole

    def _wrong(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"has the calculation {self._text!r}, which {why}")

    def _take(self, signs: str) -> str:
        """Return the next token if it is one of these signs, and move on."""
        sign = self._tokens[self._at]["sign"] if self._at < len(self._tokens) else None
        if not sign or sign not in signs:
            return ""
        self._at += 1
        return sign

    def _sum(self) -> Calculation:
        left = self._product()
        while sign := self._take("+-"):
            left = _joined(_DECIMALS.add if sign == "+" else _DECIMALS.subtract, left,
                           self._product())  # fmt: skip
        return left

    def _product(self) -> Calculation:
        left = self._operand()
        while sign := self._take("*/"):
            left = _joined(_DECIMALS.multiply if sign == "*" else _DECIMALS.divide, left,
                           self._operand())  # fmt: skip
        return left

    def _operand(self) -> Calculation:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong("is nested too deeply")
        try:
            if self._take("-"):
                operand = self._operand()
                return lambda numbers: _DECIMALS.minus(operand(numbers))
            if self._take("("):
                inner = self._sum()
                if not self._take(")"):
                    raise self._wrong("has a parenthesis that is not closed")
                return inner
            return self._value()
        finally:
            self._depth -= 1

    def _value(self) -> Calculation:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token["sign"]:
            raise self._wrong("lacks a number or a column")
        self._at += 1
        if token["column"]:
            return itemgetter(self._columns.index(token["column"]))
        constant = Decimal(token["number"])
        return lambda _: constant


def _joined(
    operator: Callable[[Decimal, Decimal], Decimal], left: Calculation, right: Calculation
) -> Calculation:
    return lambda numbers: operator(left(numbers), right(numbers))
