"""Showing data to people: short, harmless to a terminal, and without anyone's address in it.

Everything that comes from a row, from Miso or from a server passes through here on its way into a
message, so that control characters cannot act on a terminal or forge a line of a log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miso_upload.encoding import JSONEncodeError, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_SHOWN = 40
MOST_PRINTED = 300

# Letters may stand next to an address ("visitor_203.0.113.7"): better hide too much than show one.
_ADDRESS = re.compile(
    r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d)"
    r"|(?<![0-9a-f:])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![0-9a-f:])",
    re.IGNORECASE,
)
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}:\d{2}")
_HIDDEN = "(an address)"


def quoted(value: object) -> str:
    """Return a value as short JSON text for a message; nothing where it holds an address."""
    try:
        text = encode(value).decode()
    except (JSONEncodeError, RecursionError):
        text = repr(value) if isinstance(value, int | float) else type(value).__name__
    if has_address(text):
        return _HIDDEN
    return _escaped(text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…")


def printable(text: str, most: int = MOST_PRINTED) -> str:
    """Return somebody's text on one line, cut to `most` characters, with addresses masked."""
    masked = _ADDRESS.sub(lambda found: found[0] if _is_time(found[0]) else _HIDDEN, text)
    return _escaped(masked if len(masked) <= most else masked[: most - 1] + "…")


def did_you_mean(name: str, known: Iterable[str], write: Callable[[str], str] = str) -> str:
    """Return the known name that was probably meant, as an addition to a message; or nothing."""
    # Imported where a name is wrong, which most runs never see.
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {write(near[0])}?)" if near else ""


def has_address(text: str) -> bool:
    """Return whether something in `text` looks like an IPv4 or IPv6 address."""
    return any(not _is_time(found[0]) for found in _ADDRESS.finditer(text))


def _is_time(text: str) -> bool:
    return _TIME_OF_DAY.fullmatch(text) is not None


def _escaped(text: str) -> str:
    """Write characters that cannot be seen, or that act on a terminal, as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"  # noqa: PLR2004 -- the BMP
