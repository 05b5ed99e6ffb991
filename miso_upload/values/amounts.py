"""Takes apart numbers as people write them: digits, sign and currency, as in `-1.477,09 €`."""

from __future__ import annotations

import re
from functools import cache
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


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of an amount, compiled when it is first needed."""
    signs = "|".join(map(re.escape, sorted(_CURRENCIES, key=len, reverse=True)))
    sign = rf"(?:{signs}|kr\.?|[A-Z]{{3}}|[$¥₵₭₮])"
    # No part gives back a blank that it matched, so that no text takes long.
    space = f"[{SPACES}]*+"
    return re.compile(
        rf"(?P<open>\()?(?P<minus>[{_MINUS}+])?{space}(?P<before>{sign})?{space}"
        rf"(?P<inner>[{_MINUS}+])?{space}"
        rf"(?P<digits>[0-9.,](?:[0-9.,{APOSTROPHES}{SPACES}]*[0-9.,])?){space}"
        rf"(?P<trailing>[{_MINUS}])?{space}(?P<after>{sign})?{space}"
        rf"(?P<last>[{_MINUS}])?(?P<close>\))?"
    )


def amount_of(text: str) -> Amount | None:
    """Return the parts of a number that people wrote; None if it has other parts."""
    found = _pattern().fullmatch(text.strip()) if len(text) <= _LONGEST else None
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
