"""Takes apart numbers as people write them: digits, sign and currency, as in `-1.477,09 €`."""

from __future__ import annotations

import re
from typing import NamedTuple

SPACES = " \u00a0\u202f\u2009"
"""A blank, and the blanks that programs put between thousands: no-break, narrow and thin."""
APOSTROPHES = "'\u2019"
_MINUS = "-\u2212"
_CURRENCIES = {
    "€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₺": "TRY", "₩": "KRW", "₴": "UAH", "₪": "ILS",
    "฿": "THB", "₱": "PHP", "₦": "NGN", "₫": "VND", "₡": "CRC", "₲": "PYG", "₸": "KZT", "₾": "GEL",
    "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "lei": "RON", "R$": "BRL", "US$": "USD", "A$": "AUD",
    "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "HK$": "HKD", "NZ$": "NZD", "S$": "SGD", "Fr.": "CHF",
    "SFr.": "CHF", "Rs.": "INR", "Rs": "INR",
}  # fmt: skip
"""ISO 4217 codes of signs that belong to one currency. Other signs, such as `$`, stay as they are,
because several countries use them."""
_SIGN = (
    "(?:"
    + "|".join(map(re.escape, sorted(_CURRENCIES, key=len, reverse=True)))
    + r"|kr\.?|[A-Z]{3}|[$¥₵₭₮])"
)
_SPACE = f"[{SPACES}]*+"
_AMOUNT = re.compile(
    rf"(?P<open>\()?(?P<minus>[{_MINUS}+])?{_SPACE}(?P<before>{_SIGN})?{_SPACE}"
    rf"(?P<inner>[{_MINUS}+])?{_SPACE}"
    rf"(?P<digits>[0-9.,](?:[0-9.,{APOSTROPHES}{SPACES}]*[0-9.,])?){_SPACE}"
    rf"(?P<trailing>[{_MINUS}])?{_SPACE}(?P<after>{_SIGN})?{_SPACE}(?P<last>[{_MINUS}])?(?P<close>\))?"
)
_LONGEST = 80


class Amount(NamedTuple):
    """A number as it is written.

    Attributes:
        digits: Its digits, with the marks and blanks between them.
        is_negative: Whether it has a minus, before or after it, or is in parentheses.
        currency: The ISO 4217 code, or a sign of several currencies; None without one.
    """

    digits: str
    is_negative: bool
    currency: str | None


def amount_of(text: str) -> Amount | None:
    """Return the parts of a number that people wrote; None if it has other parts."""
    found = _AMOUNT.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    signs = [found[name] for name in ("minus", "inner", "trailing", "last") if found[name]]
    names = [name for name in (found["before"], found["after"]) if name]
    digits = found["digits"]
    if len(signs) + bool(found["open"]) > 1 or len(names) > 1 or not any(map(str.isdigit, digits)):
        return None
    is_negative = bool(found["open"]) or (bool(signs) and signs[0] != "+")
    currency = _CURRENCIES.get(names[0], names[0]) if names else None
    return Amount(digits, is_negative, currency)
