"""Formats data for people: short, safe for a terminal, and without addresses.

All text from rows, from Miso and from servers passes through here before it is part of a message,
so control characters cannot control a terminal or forge a log line. File names may contain control
characters too, so output to a terminal is escaped once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.values.json import JSONEncodeError, encode
from miso_upload.values.redaction import HIDDEN, has_address, without_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_SHOWN = 40
MOST_PRINTED = 300
_LOOKED_AT = 4_000
"""Bytes of a value's text that are searched for an address; those that are shown are among them."""


def quoted(value: object) -> str:
    """Return a value as short JSON text for a message; nothing where it holds an address."""
    try:
        text = encode(value)[:_LOOKED_AT].decode(errors="ignore")
    except (JSONEncodeError, RecursionError):
        text = repr(value) if isinstance(value, int | float) else type(value).__name__
    if has_address(text):
        return HIDDEN
    return _escaped(text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…")


def printable(text: str, most: int = MOST_PRINTED) -> str:
    """Return somebody's text on one line, cut to `most` characters, with addresses masked."""
    masked = without_addresses(text)
    return _escaped(masked if len(masked) <= most else masked[: most - 1] + "…")


def column_name(name: str) -> str:
    """Return what a header says, which need not be a name at all, in quotation marks."""
    return repr(without_addresses(name))


def one_line(text: str) -> str:
    """Return the whole of a text that is no visitor's, such as a path, on one harmless line."""
    return _escaped(text)


def harmless(text: str) -> str:
    """Return lines of text that cannot act on a terminal; JSON text stays what it was."""
    return "\n".join(map(_escaped, text.split("\n")))


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with the noun that it counts, as in `1 row` and `2,000 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def as_text(value: object) -> str:
    """Return a value that could be read but not be written again as text: better seen than lost."""
    try:
        return ascii(value)
    except (RecursionError, ValueError):  # too deep, or an integer of too many digits
        return "(cannot be shown)"


def did_you_mean(name: str, known: Iterable[str], write: Callable[[str], str] = str) -> str:
    """Return the known name that was probably meant, as an addition to a message; or nothing."""
    # Imported where a name is wrong, which most runs never see.
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {write(near[0])}?)" if near else ""


class _Escapes(dict[int, str]):
    """What `str.translate` puts for each character, worked out when it is first met."""

    def __missing__(self, point: int) -> str:
        char = chr(point)
        self[point] = char if char.isprintable() else _escape(char)
        return self[point]


_ESCAPES = _Escapes()


def _escaped(text: str) -> str:
    """Write characters that cannot be seen, or that act on a terminal, as escapes of JSON's."""
    return text if text.isprintable() else text.translate(_ESCAPES)


def _escape(char: str) -> str:
    # Beyond the first plane as two halves, which is all that JSON has.
    halves = char.encode("utf-16-be", errors="surrogatepass").hex()
    return "".join(f"\\u{halves[at : at + 4]}" for at in range(0, len(halves), 4))


def decoded_row(text: bytes) -> str:
    """Return bytes as text for the rejects file; what is not UTF-8 becomes U+FFFD."""
    return text.decode("utf-8", errors="replace").rstrip("\r\n")
