"""Encodes and decodes JSON; no other module imports a JSON library.

Decoding is strict (RFC 8259, UTF-8): NaN, lone surrogates and invalid UTF-8 are errors. If a key is
repeated, the last value counts. Validated values are therefore encoded again, and raw text is never
sent.
"""

from __future__ import annotations

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


def decode(text: bytes | bytearray | memoryview | str) -> Any:  # noqa: ANN401 -- JSON is any value
    """Return the value of a JSON text.

    Raises:
        JSONDecodeError: `text` is not one JSON value.
    """
    return orjson.loads(text)


def encode(value: object) -> bytes:
    """Return `value` as compact JSON.

    Raises:
        JSONEncodeError: `value` contains something that JSON cannot represent.
    """
    return orjson.dumps(value)


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
    import json  # noqa: PLC0415 -- few rows need it

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
    """Return the JSON texts of `values` joined by commas, without the surrounding brackets."""
    return orjson.dumps(values)[1:-1]


def decode_joined(slices: Sequence[bytes]) -> list[Any]:
    """Return the values that `encode_joined` wrote into `slices`, in order."""
    return cast("list[Any]", orjson.loads(b"[" + b",".join(slices) + b"]"))


def encode_sorted(values: Sequence[object]) -> list[bytes] | None:
    """Return each of `values` as compact JSON with sorted keys; None if one cannot be encoded."""
    fenced: list[object] = [_FENCE] * (2 * len(values) - 1)
    fenced[::2] = values
    try:
        text = orjson.dumps(fenced, option=orjson.OPT_SORT_KEYS)
    except JSONEncodeError:
        return None
    return text[1:-1].split(_BETWEEN) if values else []
