"""Reads the sizes of Parquet pages from their headers, before the pages are decompressed.

A page is decompressed at once, and a few kilobytes may expand to gigabytes. Headers are structs in
Thrift's compact protocol, described in parquet.thrift. Only their sizes are needed.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNCOMPRESSED, _COMPRESSED, _V1, _DICTIONARY, _V2 = 2, 3, 5, 7, 8
_VALUES = 1
_HEADER_BYTES = 2**14
_TRUE, _FALSE, _BYTE, _LAST_INT, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = (
    1,
    2,
    3,
    6,
    7,
    8,
    9,
    10,
    12,
)
_MOST_DEPTH = 8


class Page(NamedTuple):
    """The size of a page.

    Attributes:
        size: The decompressed size in bytes.
        values: The number of values; None for a dictionary, which every value needs whole.
    """

    size: int
    values: int | None


def pages(file: IO[bytes], start: int, size: int) -> Iterator[Page]:
    """Yield the pages of the column chunk of `size` bytes at `start`.

    Raises:
        ValueError: There is no valid page header.
    """
    end = start + size
    while start < end:
        file.seek(start)
        data = file.read(_HEADER_BYTES)
        try:
            header, length = _struct(data, 0, 0)
            numbers = header.get(_V1) or header.get(_V2)
            compressed = header[_COMPRESSED]
            found = Page(header[_UNCOMPRESSED], numbers[_VALUES] if numbers else None)
            is_possible = compressed >= 0 and found.size >= 0
        except (IndexError, KeyError, TypeError):
            raise ValueError("a page has no header") from None
        if not is_possible:
            raise ValueError("a page has a negative size")
        yield found
        start += length + compressed


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """Return the fields of a struct by their numbers, and the offset of its end."""
    if depth > _MOST_DEPTH:
        raise ValueError("a page's header is nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while data[at]:
        kind, step = data[at] & 15, data[at] >> 4
        at += 1
        if step:
            number += step
        else:
            number, at = _integer(data, at)
        fields[number], at = _value(data, at, kind, depth)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind == _BYTE:
        return data[at], at + 1
    if kind <= _LAST_INT:
        return _integer(data, at)
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        size, at = _unsigned(data, at)
        return None, at + size
    if kind in (_LIST, _SET):
        return None, _end_of_list(data, at, depth)
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    raise ValueError("a page's header has a field of an unknown kind")


def _end_of_list(data: bytes, at: int, depth: int) -> int:
    kind, count = data[at] & 15, data[at] >> 4
    at += 1
    if count == 15:  # noqa: PLR2004 -- then the count follows
        count, at = _unsigned(data, at)
    for _ in range(min(count, len(data))):
        at = at + 1 if kind in (_TRUE, _FALSE) else _value(data, at, kind, depth)[1]
    return at


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 -- the last one
            return number, at
        shift += 7


def _integer(data: bytes, at: int) -> tuple[int, int]:
    number, at = _unsigned(data, at)
    return (number >> 1) ^ -(number & 1), at
