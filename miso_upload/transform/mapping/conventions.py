"""Reads numbers in the convention that is declared for a column, such as `1.477,09 €`.

A convention is a decimal mark and a thousands separator. It holds for a whole column and is never
guessed from one value: `1.200` is 1200 in one column and 1.2 in another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from miso_upload.transform.mapping.cells import CellError, Noted, to_number
from miso_upload.values.amounts import APOSTROPHES, SPACES, amount_of

if TYPE_CHECKING:
    from collections.abc import Callable

_USUAL_THOUSANDS = {".": ",", ",": "."}
_GROUPED = "[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]{{1,2}}(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}}"
"""Groups of three digits, or the Indian groups of two and a last one of three."""


class ConventionError(CellError):
    """A number that contradicts the convention of its column."""

    def __init__(self, problem: str, currency: str | None) -> None:
        super().__init__(problem)
        self.notes = (("currency", currency),) if currency else ()


def number_reader(decimal: str | None, thousands: str | None) -> Callable[[Any], Any]:
    """Return the function that reads numbers in a convention.

    It returns a number, or `Noted` with a currency, and raises `CellError` for anything else.

    Args:
        decimal: The decimal mark; None for a point, or a comma if points separate thousands.
        thousands: The thousands separator, empty for none; None for a comma, or a point if a comma
            is the decimal mark.
    """
    mark = decimal or ("," if thousands == "." else ".")
    between = _USUAL_THOUSANDS[mark] if thousands is None else thousands
    pattern = _pattern(mark, between)
    grouping = f' and the thousands separator "{between}"' if between else ""
    problem = f'is not a number with the decimal mark "{mark}"{grouping}'

    def read(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
        if not isinstance(value, str):
            return to_number(value)
        amount = amount_of(value)
        if amount is None:
            raise CellError("is not a number")
        if pattern.fullmatch(amount.digits) is None:
            raise ConventionError(problem, amount.currency)
        digits = "".join(char for char in amount.digits if char.isdigit() or char == mark)
        number = to_number(("-" if amount.is_negative else "") + digits.replace(mark, "."))
        currency = amount.currency
        return number if currency is None else Noted(number, (("currency", currency),))

    return read


def _pattern(mark: str, between: str) -> re.Pattern[str]:
    """Return the pattern of the digits of a number."""
    fraction = rf"(?:{re.escape(mark)}[0-9]*)?"
    grouped = ""
    if between:
        marks = {" ": SPACES, "'": APOSTROPHES}.get(between, between)
        grouped = "|" + _GROUPED.format(mark=f"[{re.escape(marks)}]")
    return re.compile(rf"(?:[0-9]+{grouped}){fraction}|{re.escape(mark)}[0-9]+")
