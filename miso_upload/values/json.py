"""JSON text in and out; the only module that knows which JSON libraries are in use.

Decoding is strict (RFC 8259, UTF-8): NaN, lone surrogates and invalid UTF-8 are errors. Of repeated
keys the last one counts, which is why what was judged is encoded again and raw text is never sent.
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
"""A string that no input can forge, so that the text of many values can be cut into theirs."""
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
        JSONEncodeError: `value` holds something JSON cannot say.
    """
    return orjson.dumps(value)


def encode_lines(values: Iterable[object]) -> bytes:
    """Return each of `values` as compact JSON on a line of its own.

    Raises:
        JSONEncodeError: One of them holds something JSON cannot say.
    """
    return b"".join([orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE) for value in values])


def encode_pretty(value: object) -> bytes:
    """Return `value` as indented JSON with a final newline, for people and report files."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def readable(value: Any) -> Any:  # noqa: ANN401 -- JSON is any value
    """Return a value that JSON can hold; the name of a file need not be UTF-8, and gets escapes."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {readable(name): readable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [readable(inner) for inner in value]
    return value


def encode_joined(values: Sequence[object]) -> bytes:
    """Return the JSON texts of `values` joined by commas, without brackets around them."""
    return orjson.dumps(values)[1:-1]


def decode_joined(slices: Sequence[bytes]) -> list[Any]:
    """Return the values that `encode_joined` wrote into `slices`, in order."""
    return cast("list[Any]", orjson.loads(b"[" + b",".join(slices) + b"]"))


def encode_sorted(values: Sequence[object]) -> list[bytes] | None:
    """Return each of `values` as compact JSON, the keys of objects sorted.

    Returns:
        None if one of the values cannot be written.
    """
    fenced: list[object] = [_FENCE] * (2 * len(values) - 1)
    fenced[::2] = values
    try:
        text = orjson.dumps(fenced, option=orjson.OPT_SORT_KEYS)
    except JSONEncodeError:
        return None
    return text[1:-1].split(_BETWEEN) if values else []
