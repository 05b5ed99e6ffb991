r"""Decodes the escapes that servers write for special characters.

nginx writes `\x22` for a quote and `\xC3\xA9` for an é, Apache `\"` and `\xc3\xa9`, and both write
`\\` or `\x5C` for a backslash. Headers are decoded to the text that the visitor sent: as UTF-8 if
the bytes are valid UTF-8, otherwise as Latin-1, the encoding of headers in HTTP. In a URL, the
bytes are percent-encoded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from miso_upload.records import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

URLS = frozenset({"url", "referrer"})
"""The fields that are URLs."""
REST = "@rest"
"""The key of the further fields of a line before they are split."""
_LEFT = frozenset({"request", REST})

_ESCAPE = re.compile(r"((?:\\x[0-9A-Fa-f]{2})+)|\\u([0-9A-Fa-f]{4})|\\([\"'\\/bfnrtv])")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_BAD = re.compile("[\udc80-\udcff]+")
_NOT_UTF8 = Reason("the row", "is not valid UTF-8 (name the file's encoding with --encoding)")
_UNKNOWN = "\udcff"
"""The mark of a byte that could not be decoded (see `sources.codecs.charset`)."""
_CACHED = 4096
_LONGEST_CACHED = 1024


def unescape(row: dict[str, str]) -> None:
    """Decode the escapes in a row's values, except those of an invalid request."""
    for name, value in row.items():
        if "\\" in value and name not in _LEFT:
            row[name] = _ESCAPE.sub(_in_url if name in URLS else _in_text, value)


def _in_text(found: re.Match[str]) -> str:
    if found[1]:
        return as_text(bytes.fromhex(found[1].replace("\\x", "")))
    if found[2]:
        point = int(found[2], 16)
        # A lone surrogate is not a character.
        return found[0] if 0xD800 <= point <= 0xDFFF else chr(point)  # noqa: PLR2004
    return _SHORT.get(found[3], found[3])


def _in_url(found: re.Match[str]) -> str:
    if found[1]:
        return "".join(f"%{byte:02X}" for byte in bytes.fromhex(found[1].replace("\\x", "")))
    char = _in_text(found)
    return char if char in "/'" else quote(char, safe="")


def as_text(data: bytes) -> str:
    """Return bytes of a header as text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def with_valid_text(
    read: Callable[[str], dict[str, str] | Reason | None],
) -> Callable[[str], dict[str, str] | Reason | None]:
    """Return a reader of lines that decodes bytes that are not UTF-8, held as lone surrogates."""

    def read_valid_text(line: str) -> dict[str, str] | Reason | None:
        row = read(line)
        if not isinstance(row, dict) or not _BAD.search(line):
            return row
        if _UNKNOWN in line:
            return _NOT_UTF8
        return {
            name: _BAD.sub(_percent if name in URLS else _latin, value)
            for name, value in row.items()
        }

    return read_valid_text


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _latin(found: re.Match[str]) -> str:
    return _bytes(found[0]).decode("latin-1")


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in _bytes(found[0]))


_PLUSES = re.compile(r"(\+\+(?=\w))|(\+\+)|\+")


def without_pluses(text: str) -> str:
    """Return a value of IIS with its spaces, which IIS writes as `+`.

    One of two pluses in a row is a plus itself: the second one before a letter, as in
    `+http://bot.example`, otherwise the first one, as in `526.9+ (KHTML)`.
    """
    if len(text) > _LONGEST_CACHED:
        return _without_pluses(text)
    return _cached_without_pluses(text)


def _without_pluses(text: str) -> str:
    return _PLUSES.sub(lambda found: " +" if found[1] else "+ " if found[2] else " ", text)


_cached_without_pluses = lru_cache(maxsize=_CACHED)(_without_pluses)


def without_percents(text: str) -> str:
    """Return a header that CloudFront percent-encoded once or, in older logs, twice."""
    if "%" not in text:
        return text
    if len(text) > _LONGEST_CACHED:
        return _without_percents(text)
    return _cached_without_percents(text)


def _without_percents(text: str) -> str:
    once = as_text(unquote_to_bytes(text))
    return as_text(unquote_to_bytes(once)) if "%25" in text else once


_cached_without_percents = lru_cache(maxsize=_CACHED)(_without_percents)


def url_without_percents(text: str) -> str:
    """Return a URL whose percent signs CloudFront percent-encoded."""
    return text.replace("%25", "%") if "%25" in text else text
