"""Encodes and decodes JSON; no other module imports a JSON library.

Decoding is strict (RFC 8259, UTF-8): NaN, lone surrogates and invalid UTF-8 are errors. If a key is
repeated, the last value counts. Validated values are therefore encoded again, and raw text is never
sent.

Integers keep all their digits. orjson reads integers of more than 64 bits as floats and does not
write them, so texts and values with such integers take the standard library, after orjson has
checked them.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JSONDecodeError = orjson.JSONDecodeError
JSONEncodeError = orjson.JSONEncodeError

_FENCE = secrets.token_hex(16)
"""A string that no input can forge; it separates the texts of values that are encoded together."""
_MOST_SHOWN = 200
_LARGEST_WHOLE = 2**53
_BETWEEN = f',"{_FENCE}",'.encode()

_DIGITS = bytes(ord("0") if chr(i).isdecimal() else i for i in range(128)) + bytes(range(128, 256))
_MANY_DIGITS = b"0" * 19
"""How many digits an integer of more than 64 bits has at least."""
_STRIDE = 4
_SAMPLED_DIGITS = _MANY_DIGITS[3::_STRIDE]
"""What every fourth byte of this many digits is, wherever they start. No ISO timestamp has it."""
_BIG = re.compile(rb"(?<![0-9.eE+\-])(?:-[0-9]{19}|[0-9]{20})[0-9]*+(?![.eE])")
"""An integer that may have more than 64 bits. Text may look the same, which only costs time."""
_SMALLEST, _LARGEST = -(2**63), 2**64
"""The integers that orjson reads and writes: from the first one to below the second one."""


def may_have_big_integer(text: bytes) -> bool:
    """Return whether a JSON text may contain an integer of more than 64 bits."""
    # A fourth of the bytes takes half of the time, and hardly any text goes on to the others.
    if _SAMPLED_DIGITS not in text[::_STRIDE].translate(_DIGITS):
        return False
    return _MANY_DIGITS in text.translate(_DIGITS) and _BIG.search(text) is not None


def decode(text: bytes | bytearray | memoryview | str) -> Any:  # noqa: ANN401 -- JSON is any value
    """Return the value of a JSON text.

    Raises:
        JSONDecodeError: `text` is not one JSON value, or an integer has thousands of digits.
    """
    value = orjson.loads(text)
    if len(text) < len(_MANY_DIGITS):
        return value
    data = text.encode() if isinstance(text, str) else bytes(text)
    if not may_have_big_integer(data):
        return value
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise JSONDecodeError("an integer has too many digits", "", 0) from None


def encode(value: object) -> bytes:
    """Return `value` as compact JSON.

    Raises:
        JSONEncodeError: `value` contains something that JSON cannot represent.
    """
    try:
        return orjson.dumps(value)
    except JSONEncodeError:
        return orjson.dumps(_with_big_integers(value))


def _with_big_integers(value: Any) -> Any:  # noqa: ANN401 -- JSON is any value
    """Return `value` with the texts of integers that orjson does not write.

    Raises:
        JSONEncodeError: It is too deep, or an integer has thousands of digits.
    """
    try:
        return _with_texts(value)
    except (ValueError, RecursionError) as error:
        raise JSONEncodeError(str(error)) from None


def _with_texts(value: Any) -> Any:  # noqa: ANN401 -- JSON is any value
    if type(value) is int and not _SMALLEST <= value < _LARGEST:
        return orjson.Fragment(str(value))
    if type(value) is dict:
        return {name: _with_texts(inner) for name, inner in value.items()}
    if type(value) is list or type(value) is tuple:
        return [_with_texts(inner) for inner in value]
    return value


def encode_lines(values: Iterable[object]) -> bytes:
    """Return `values` as compact JSON, one on each line.

    Raises:
        JSONEncodeError: One of them contains something that JSON cannot represent.
    """
    return b"".join([orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE) for value in values])


def row_line(row: object) -> bytes:
    """Return a row of a Python program as a line of JSON, with all digits of its integers.

    Dates, UUIDs and the like become text. A row that JSON cannot represent becomes its `repr` as
    text, which is no row, so that it is rejected with its line.
    """
    try:
        return orjson.dumps(row, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    except JSONEncodeError:
        pass
    try:
        text = json.dumps(row, default=_plain, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"
    except (TypeError, ValueError, RecursionError):
        shown = repr(row)[:_MOST_SHOWN].encode(errors="backslashreplace").decode()
        return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return a value that JSON has no type for as one that it has."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() if value.is_finite() else False
        number = float(value) if value.is_finite() else None
        if whole and abs(value) < _LARGEST_WHOLE:
            return int(value)
        return number if number is not None and Decimal(repr(number)) == value else str(value)
    if hasattr(value, "item"):  # a scalar of NumPy
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def encode_pretty(value: object) -> bytes:
    """Return `value` as indented JSON with a final newline, for people and report files."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def readable(value: Any) -> Any:  # noqa: ANN401 -- JSON is any value
    """Return `value` with lone surrogates escaped, because file names need not be UTF-8."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {readable(name): readable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [readable(inner) for inner in value]
    return value


def encode_joined(values: Sequence[object]) -> bytes:
    """Return the JSON texts of `values` joined by commas, without the surrounding brackets.

    Raises:
        JSONEncodeError: One of them contains something that JSON cannot represent.
    """
    return encode(values)[1:-1]


def decode_joined(slices: Sequence[bytes]) -> list[Any]:
    """Return the values that `encode_joined` wrote into `slices`, in order."""
    return cast("list[Any]", decode(b"[" + b",".join(slices) + b"]"))


def encode_sorted(values: Sequence[object]) -> list[bytes] | None:
    """Return each of `values` as compact JSON with sorted keys; None if one cannot be encoded."""
    fenced: list[object] = [_FENCE] * (2 * len(values) - 1)
    fenced[::2] = values
    try:
        text = orjson.dumps(fenced, option=orjson.OPT_SORT_KEYS)
    except JSONEncodeError:
        return None
    return text[1:-1].split(_BETWEEN) if values else []
