"""Encodes and decodes JSON; no other module imports a JSON library.

Decoding is strict (RFC 8259, UTF-8): NaN, lone surrogates and invalid UTF-8 are errors. If a key is
repeated, the last value counts. Validated values are therefore encoded again, and raw text is never
sent.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JSONDecodeError = orjson.JSONDecodeError
JSONEncodeError = orjson.JSONEncodeError

_FENCE = secrets.token_hex(16)
"""A string that no input can forge; it separates the texts of values that are encoded together."""
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
