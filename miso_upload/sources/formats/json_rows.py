"""Parses many JSON texts safely in one call.

Texts that are joined for one parse need a separator that no input can forge. A comma is not enough:
`{"a":[{"x":1}` and `{"y":2}]}` are both invalid, but joined they are one valid record, and a third
line `{},{}` would make the count right again. So the separator is a string that is random for this
process, and every second value of the result must be this string.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from miso_upload.records import Reason, Rejection, Slice
from miso_upload.sources.formats.base import SLICE_BYTES, SLICE_ROWS
from miso_upload.sources.formats.lines import row_too_long
from miso_upload.values.display import decoded_row
from miso_upload.values.json import JSONDecodeError, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SPACE = b" \t\r\n"
"""The whitespace of JSON."""

_NOT_A_NUMBER = re.compile(r"(?:NaN|Infinity)\b")

_ESCAPES = re.compile(rb"((?:\\x[0-9A-Fa-f]{2})+)|\\.", re.DOTALL)
"""Escapes of nginx, or one escape of JSON."""

_FENCE = secrets.token_hex(16)
_BETWEEN = f',"{_FENCE}",'.encode()


def parse_rows(texts: Sequence[bytes], lines: Sequence[int], row_bytes: int) -> Iterator[Slice]:
    """Parse the `texts` of `lines` in slices; blank texts are neither rows nor errors.

    A comma after a value is ignored.
    """
    start = 0
    while start < len(texts):
        some = texts[start : start + SLICE_ROWS]
        while sum(map(len, some)) > SLICE_BYTES and len(some) > 1:
            some = some[: len(some) // 2]
        numbers = lines[start : start + len(some)]
        start += len(some)
        plain = list(map(without_comma, some)) if _has_comma(some[0]) else some
        rows = parse_together(plain) if max(map(len, some)) <= row_bytes else None
        yield parse_each(some, numbers, row_bytes) if rows is None else Slice(rows, numbers)


def parse_together(texts: Sequence[bytes]) -> list[Any] | None:
    """Return the values of `texts`, or None if any of them is not exactly one JSON value."""
    try:
        values = decode(b"[" + _BETWEEN.join(texts) + b"]")
    except JSONDecodeError:
        return None
    fences = len(texts) - 1
    if len(values) != len(texts) + fences or values[1::2] != [_FENCE] * fences:
        return None
    rows: list[Any] = values[::2]
    return rows


def parse_each(texts: Sequence[bytes], lines: Sequence[int], row_bytes: int) -> Slice:
    """Parse `texts` one by one, and reject those that are not JSON."""
    rows, good, rejections = [], [], []
    for text, line in zip(texts, lines, strict=True):
        if len(text) > row_bytes:
            rejections.append(Rejection(line, (row_too_long(row_bytes),), decoded_row(text[:200])))
        elif text.strip(SPACE):
            try:
                rows.append(decode_row(text))
                good.append(line)
            except JSONDecodeError as error:
                rejections.append(Rejection(line, (not_json(error),), decoded_row(text)))
    return Slice(rows, good, rejections)


def decode_row(text: bytes) -> Any:  # noqa: ANN401 -- JSON is any value
    r"""Return the value of a row, in which nginx may have written `\x22` for a quote.

    Raises:
        JSONDecodeError: The text is not one JSON value.
    """
    text = without_comma(text)
    try:
        return decode(text)
    except JSONDecodeError:
        plain = _without_hex_escapes(text)
        if plain is None:
            raise
        try:
            return decode(plain)
        except JSONDecodeError:
            pass
        raise


def as_json(text: bytes) -> bytes:
    """Return the text of a row that `decode_row` reads as JSON that any parser reads."""
    text = without_comma(text)
    if b"\\x" in text:
        try:
            decode(text)
        except JSONDecodeError:
            return _without_hex_escapes(text) or text
    return text


def _without_hex_escapes(text: bytes) -> bytes | None:
    r"""Return a text with JSON in place of nginx's `\xC3\xA9`; None if it has none of these.

    The bytes of consecutive escapes are text in UTF-8 or, if they are not, in Latin-1.
    """
    if b"\\x" not in text:
        return None
    return _ESCAPES.sub(lambda found: found[0] if found[1] is None else _escaped(found[1]), text)


def _escaped(escapes: bytes) -> bytes:
    data = bytes.fromhex(escapes.replace(b"\\x", b"").decode())
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return encode(text)[1:-1]


def _has_comma(text: bytes) -> bool:
    return text.endswith((b",", b",\r"))


def without_comma(text: bytes) -> bytes:
    """Return a text without a comma that follows its value."""
    if _has_comma(text):
        return text.rstrip(SPACE)[:-1].strip(SPACE) or text
    return text


def not_json(error: JSONDecodeError) -> Reason:
    """Return the reason for an error of the JSON parser, without any text of the row."""
    special = _NOT_A_NUMBER.match(error.doc, error.pos)
    if special is not None:
        sign = "-" if error.doc[: error.pos].endswith("-") else ""
        name = sign + special[0]
        return Reason("not JSON", "", shown=f"({name} is not a JSON number, column {error.colno})")
    return Reason("not JSON", "", shown=f"({error.msg}, column {error.colno})")
