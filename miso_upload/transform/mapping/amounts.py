"""Reads numbers as people write them, in a declared convention: `1.477,09 €` or `(12.50)`.

A convention is a decimal mark and a thousands separator. It holds for a whole column and is never
guessed from one value: `1.200` is 1200 in one column and 1.2 in another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from miso_upload.transform.mapping.cells import CellError, Noted, to_number

if TYPE_CHECKING:
    from collections.abc import Callable

DECIMAL_MARKS = (".", ",")
_USUAL_THOUSANDS = {".": ",", ",": "."}
_SPACES = " \u00a0\u202f\u2009"
"""A blank, and the blanks that programs put between thousands: no-break, narrow and thin."""
_APOSTROPHES = "'\u2019"
_MINUS = "-\u2212"
_CURRENCIES = {
    "€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₺": "TRY", "₩": "KRW", "₴": "UAH", "₪": "ILS",
    "฿": "THB", "₱": "PHP", "₦": "NGN", "₫": "VND", "₡": "CRC", "₲": "PYG", "₸": "KZT", "₾": "GEL",
    "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "lei": "RON", "лв": "BGN", "лв.": "BGN", "руб.": "RUB",  # noqa: RUF001 -- Cyrillic
    "R$": "BRL", "US$": "USD", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "HK$": "HKD",
    "NZ$": "NZD", "S$": "SGD", "Fr.": "CHF", "SFr.": "CHF", "CHF": "CHF", "Rs.": "INR", "Rs": "INR",
}  # fmt: skip
"""ISO 4217 codes of signs that belong to one currency. Other signs, such as `$`, stay as they are,
because several countries use them."""
_SIGN = (
    "(?:"
    + "|".join(map(re.escape, sorted(_CURRENCIES, key=len, reverse=True)))
    + r"|kr\.?|[A-Z]{3}|[$¥₵₭₮])"
)
_AMOUNT = re.compile(
    rf"(?P<open>\()?(?P<minus>[{_MINUS}+])?[{_SPACES}]*(?P<before>{_SIGN})?[{_SPACES}]*"
    rf"(?P<inner>[{_MINUS}+])?[{_SPACES}]*(?P<digits>[0-9.,](?:[0-9.,{_APOSTROPHES}{_SPACES}]*[0-9.,])?)"
    rf"[{_SPACES}]*(?P<trailing>[{_MINUS}])?[{_SPACES}]*(?P<after>{_SIGN})?"
    rf"[{_SPACES}]*(?P<last>[{_MINUS}])?(?P<close>\))?"
)
_LONGEST = 80
_GROUPED = "{first}(?:{mark}[0-9]{{3}})+|[0-9]{{1,2}}(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}}"
"""Groups of three digits, or the Indian groups of two and a last one of three."""


class AmountError(CellError):
    """An amount that contradicts the convention of its column."""

    def __init__(self, problem: str, currency: str | None) -> None:
        super().__init__(problem)
        self.notes = (("currency", currency),) if currency else ()


def amount_reader(decimal: str | None, thousands: str | None) -> Callable[[Any], Any]:
    """Return the function that reads numbers in a convention.

    It returns a number, or `Noted` with a currency, and raises `CellError` for anything else.

    Args:
        decimal: The decimal mark; None for the other one of the thousands separator.
        thousands: The thousands separator; None for the usual one of the decimal mark.
    """
    mark = decimal or ("," if thousands == "." else ".")
    between = _USUAL_THOUSANDS[mark] if thousands is None else thousands
    pattern = _pattern(mark, between)

    def read(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
        if not isinstance(value, str):
            return to_number(value)
        found = _AMOUNT.fullmatch(value.strip()) if len(value) <= _LONGEST else None
        if found is None or bool(found["open"]) != bool(found["close"]):
            raise CellError("is not a number")
        signs = [found[name] for name in ("minus", "inner", "trailing", "last") if found[name]]
        names = [name for name in (found["before"], found["after"]) if name]
        if len(signs) + bool(found["open"]) > 1 or len(names) > 1:
            raise CellError("is not a number")
        currency = _CURRENCIES.get(names[0], names[0]) if names else None
        if pattern.fullmatch(found["digits"]) is None:
            raise AmountError(f"is not a number with the decimal mark {_named(mark)}"
                              f"{_grouping(between)}", currency)  # fmt: skip
        digits = "".join(
            "." if character == mark else character
            for character in found["digits"]
            if character.isdigit() or character == mark
        )
        is_negative = bool(found["open"]) or (bool(signs) and signs[0] != "+")
        number = to_number(f"-{digits}" if is_negative else digits)
        return number if currency is None else Noted(number, (("currency", currency),))

    return read


def is_formatted_number(text: str) -> bool:
    """Return whether text is a number that only a declared convention can read."""
    found = _AMOUNT.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    return found is not None and any(map(str.isdigit, text))


def _pattern(mark: str, between: str) -> re.Pattern[str]:
    """Return the pattern of the digits of a number."""
    fraction = rf"(?:{re.escape(mark)}[0-9]*)?"
    if not between:
        return re.compile(rf"[0-9]+{fraction}|{re.escape(mark)}[0-9]+")
    marks = {" ": _SPACES, "'": _APOSTROPHES}.get(between, between)
    grouped = _GROUPED.format(first="[0-9]{1,3}", mark=f"[{re.escape(marks)}]")
    return re.compile(rf"(?:[0-9]+|{grouped}){fraction}|{re.escape(mark)}[0-9]+")


def _named(mark: str) -> str:
    return f'"{mark}"'


def _grouping(between: str) -> str:
    return f" and the thousands separator {_named(between)}" if between else ""
