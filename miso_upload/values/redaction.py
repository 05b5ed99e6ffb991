"""Hides visitors' addresses in everything that people see.

Everything that looks like an IPv4 or IPv6 address is hidden, also as a part of a longer word: it is
better to hide too much than to show one address. Three things look like addresses and are shown,
because people need them to find out what is wrong with a row:

    29/Oct/2026:10:00:00 +0000      the time of an access log
    29-OCT-26 10.00.00.000000 AM    a time as Oracle writes it
    Chrome/120.0.6099.109           the version of a browser

Any other four numbers between dots are an address if the two in the middle fit into a byte. A
version such as `1.2.3.4` is hidden for that reason. An Oracle time needs its date before it, and AM
or PM behind it or more than three digits of a second: `29-OCT-26 10.20.30.40` may be an address.
"""

from __future__ import annotations

import re

HIDDEN = "(an address)"

_SLASH, _COLON, _DOT = "(?:/|%2f)", "(?::|%3a)", r"(?:\.|%2e)"
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_CLOCK = f"[0-2][0-9]{_COLON}[0-5][0-9]{_COLON}[0-6][0-9]"
_LOG_TIME = (
    f"(?<![0-9])[0-3][0-9]{_SLASH}{_MONTH}{_SLASH}[0-9]{{4}}{_COLON}{_CLOCK}"
    # Nothing behind it that would make its end the beginning of an address.
    rf"(?![0-9a-f]|{_COLON}|{_DOT}[0-9]+{_DOT}[0-9])"
)
# The name of the month is in the language of the session.
_ORACLE_TIME = (
    r"(?<![0-9])[0-3]?[0-9]-[^\W\d_]{3,9}-(?:[0-9]{4}|[0-9]{2})[ ]{1,2}"
    r"[0-2]?[0-9]\.[0-5][0-9]\.[0-5][0-9]"
    r"(?:\.[0-9]{4,9}(?![0-9]|\.[0-9])|(?:\.[0-9]{1,3})?(?=[ ]?[ap]\.?m\b))"
)
_BROWSER = (
    "(?<![a-z])(?:headlesschrome|chrome|chromium|crios|edge|edga|edgios|edg|firefox|fxios|msie|"
    "opera|opr|safari|samsungbrowser|ucbrowser|version|vivaldi|yabrowser)/"
    r"[0-9]{1,5}(?:\.[0-9]{1,5}){1,4}(?![0-9]|\.[0-9])"
)
_SIMILAR = f"{_LOG_TIME}|{_ORACLE_TIME}|{_BROWSER}"

# Whatever may stand next to an address ("visitor_203.0.113.7", a port, a domain) is no protection.
# Names of hosts have its parts joined by "-", and URLs have ":" as "%3A".
_COLONS = rf"(?:[0-9a-f]{{0,4}}{_COLON}){{2,}}(?:\d+(?:\.\d+){{3}}|[0-9a-f]{{0,4}})"
_DOTS = rf"(?<!\d)\d+(?:{_DOT}\d+){{3,}}"
_DASHES = r"(?<!\d)\d{1,3}(?P<dash>[-_])\d{1,3}(?:(?P=dash)\d{1,3}){2}(?!\d)"
_FOUND = re.compile(
    f"(?P<similar>{_SIMILAR})|(?P<dots>{_DOTS})|(?P<colons>{_COLONS})|{_DASHES}", re.IGNORECASE
)
_ANY_DOT = re.compile(_DOT, re.IGNORECASE)
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}:\d{2}")
_MOST_IN_BYTE = 255
_DIGITS_OF_BYTE = 3


def without_addresses(text: str) -> str:
    """Return a text with the addresses in it hidden, and all else as it is."""
    return _FOUND.sub(lambda found: HIDDEN if _is_address(found) else found[0], text)


def has_address(text: str) -> bool:
    """Return whether something in `text` looks like an IPv4 or IPv6 address."""
    return any(map(_is_address, _FOUND.finditer(text)))


def _is_address(found: re.Match[str]) -> bool:
    if found["similar"]:
        return False
    if found["dots"]:
        # The first and the last number may have digits of the text around the address.
        fits = list(map(_fits_byte, _ANY_DOT.split(found["dots"])))
        return any(fits[i] and fits[i + 1] for i in range(1, len(fits) - 2))
    return not (found["colons"] and _TIME_OF_DAY.fullmatch(found["colons"]))


def _fits_byte(digits: str) -> bool:
    return len(digits) <= _DIGITS_OF_BYTE and int(digits) <= _MOST_IN_BYTE
