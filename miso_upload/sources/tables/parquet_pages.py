"""Reads the sizes of Parquet pages from their headers, before the pages are decompressed.

A page is decompressed at once, and a few kilobytes may expand to gigabytes. The headers, and the
footer that says where they are, are structs in Thrift's compact protocol, described in
parquet.thrift. Only their sizes are needed. pyarrow has those of the footer too, but ends the
process when it is asked for the columns of some damaged footers.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNCOMPRESSED, _COMPRESSED, _V1, _DICTIONARY, _V2 = 2, 3, 5, 7, 8
_VALUES = 1
_GROUPS, _COLUMNS, _ABOUT = 4, 1, 3
_CHUNK_VALUES, _CHUNK_SIZE, _CHUNK_COMPRESSED, _DATA_START, _DICTIONARY_START = 5, 6, 7, 9, 11
_END = 8
"""The size of what follows the footer: its own size in four bytes, and `PAR1`."""
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


class Chunk(NamedTuple):
    """A column of a row group.

    Attributes:
        values: The number of values.
        size: The decompressed size in bytes.
        compressed: The size in the file.
        start: The offset of the first page.
    """

    values: int
    size: int
    compressed: int
    start: int


def column_chunks(file: IO[bytes]) -> list[list[Chunk]]:
    """Return the columns of each row group of a Parquet file, from its footer.

    Raises:
        ValueError: The footer is damaged.
    """
    end = file.seek(-_END, 2)
    size = int.from_bytes(file.read(4), "little")
    file.seek(max(end - size, 0))
    try:
        footer, _ = _struct(file.read(size), 0, 0)
        return [
            [_chunk(column[_ABOUT]) for column in group.get(_COLUMNS, ())]
            for group in footer.get(_GROUPS, ())
        ]
    except (IndexError, KeyError, TypeError, AttributeError):
        raise ValueError("the footer does not describe the columns of the file") from None


def _chunk(about: dict[int, Any]) -> Chunk:
    start = about[_DATA_START]
    # Some writers have 0 for no dictionary.
    start = min(start, about.get(_DICTIONARY_START) or start)
    return Chunk(about[_CHUNK_VALUES], about[_CHUNK_SIZE], about[_CHUNK_COMPRESSED], start)


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
        raise ValueError("a header is nested too deeply")
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
        return _list(data, at, depth)
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    raise ValueError("a header has a field of an unknown kind")


def _list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    """Return the structs of a list, and the offset of its end; other elements are left out."""
    found = []
    kind, count = data[at] & 15, data[at] >> 4
    at += 1
    if count == 15:  # noqa: PLR2004 -- then the count follows
        count, at = _unsigned(data, at)
    for _ in range(min(count, len(data))):
        if kind in (_TRUE, _FALSE):
            at += 1
            continue
        value, at = _value(data, at, kind, depth)
        if kind == _STRUCT:
            found.append(value)
    return found, at


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
