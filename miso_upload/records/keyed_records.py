"""Holds records by their content keys, in memory and as the bytes that a ledger stores."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import defaultdict
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class KeyedRecords(NamedTuple):
    """The content keys of some records, in order.

    Attributes:
        keys: 64-bit content keys.
        days: Days since 1970-01-01, or negative pseudo-days. Equal keys have equal days.
        contents: For natural keys, a 64-bit hash of the whole record. None means all zeros.
    """

    keys: array[int]
    days: array[int]
    contents: array[int] | None = None

    @classmethod
    def none(cls) -> Self:
        """Return an empty set of records."""
        return cls(array("Q"), array("i"))

    @classmethod
    def of(cls, entries: Iterable[tuple[int, int, int]]) -> Self:
        """Return the records of tuples of key, day and content."""
        entries = list(entries)
        contents = array("Q", [content for _, _, content in entries])
        return cls(
            array("Q", [key for key, _, _ in entries]),
            array("i", [day for _, day, _ in entries]),
            contents if any(contents) else None,
        )

    @classmethod
    def joined(cls, parts: Iterable[KeyedRecords]) -> Self:
        """Return the records of all parts, concatenated."""
        parts = list(parts)
        keys, days, contents = array("Q"), array("i"), array("Q")
        for part in parts:
            keys.extend(part.keys)
            days.extend(part.days)
            contents.extend(part.contents or array("Q", bytes(8 * len(part.keys))))
        natural = any(part.contents is not None for part in parts)
        return cls(keys, days, contents if natural else None)

    @classmethod
    def from_bytes(cls, keys: bytes, days: bytes, contents: bytes | None) -> Self:
        """Return the records that `to_bytes` wrote."""
        return cls(
            from_bytes("Q", keys),
            from_bytes("i", days),
            None if contents is None else from_bytes("Q", contents),
        )

    def to_bytes(self) -> tuple[bytes, bytes, bytes | None]:
        """Return keys, days and contents as bytes, in the same byte order on every machine."""
        contents = None if self.contents is None else to_bytes(self.contents)
        return to_bytes(self.keys), to_bytes(self.days), contents

    def pick(self, indices: Iterable[int]) -> KeyedRecords:
        """Return the records at `indices`."""
        indices = list(indices)
        contents = self.contents
        return KeyedRecords(
            array("Q", [self.keys[index] for index in indices]),
            array("i", [self.days[index] for index in indices]),
            None if contents is None else array("Q", [contents[index] for index in indices]),
        )

    def by_day(self) -> Iterator[tuple[int, array[int], array[int] | None]]:
        """Yield each day with its keys and contents."""
        runs = self._runs_of_days()
        if runs is not None:
            for day, run in runs:
                yield day, self.keys[run], self.contents and self.contents[run]
            return
        keys: defaultdict[int, array[int]] = defaultdict(lambda: array("Q"))
        for key, day in zip(self.keys, self.days, strict=True):
            keys[day].append(key)
        contents: defaultdict[int, array[int]] = defaultdict(lambda: array("Q"))
        if self.contents is not None:
            for content, day in zip(self.contents, self.days, strict=True):
                contents[day].append(content)
        for day, found in keys.items():
            yield day, found, contents[day] if self.contents is not None else None

    def _runs_of_days(self) -> list[tuple[int, slice]] | None:
        """Return each day with the slice of its records; None if they are not sorted by day."""
        days, start = self.days, 0
        runs: list[tuple[int, slice]] = []
        while start < len(days):
            day = days[start]
            end = bisect_right(days, day, start)
            if days[start:end] != array("i", [day]) * (end - start):
                return None
            if runs and day <= runs[-1][0]:
                return None
            runs.append((day, slice(start, end)))
            start = end
        return runs

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the key and the content of each record."""
        return zip(self.keys, self.contents or repeat(0), strict=False)

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Yield the key, the day and the content of each record."""
        return zip(self.keys, self.days, self.contents or repeat(0), strict=False)


def to_bytes(values: array[int]) -> bytes:
    """Return integers as little-endian bytes, because a ledger may move to another machine."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def from_bytes(code: str, blob: bytes) -> array[int]:
    """Return the integers that `to_bytes` encoded."""
    values = array(code)
    values.frombytes(blob)
    if sys.byteorder == "big":
        values.byteswap()
    return values
