"""Content keys in memory and as bytes."""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIXED = -(2**31)
"""The day of a part whose records have many days."""


IN_DOUBT = (
    "(unknown OR EXISTS (SELECT 1 FROM sent_in_doubt AS doubt WHERE doubt.scan = part.scan "
    "AND doubt.start = part.start AND part.id >= doubt.first_part))"
)
"""Whether the records of a part may be at Miso, but need not."""


class Keyed(NamedTuple):
    """Records by their content keys.

    Attributes:
        keys: 64-bit content keys.
        days: Days since 1970, or a negative pseudo-day. Equal keys must have equal days.
        contents: For natural keys: 64 bits of what the record says. None stands for zeros.
    """

    keys: array[int]
    days: array[int]
    contents: array[int] | None = None

    def pick(self, indices: Iterable[int]) -> Keyed:
        """Return the records at `indices`."""
        indices = list(indices)
        contents = self.contents
        return Keyed(
            array("Q", [self.keys[i] for i in indices]),
            array("i", [self.days[i] for i in indices]),
            None if contents is None else array("Q", [contents[i] for i in indices]),
        )

    def by_day(self) -> Iterator[tuple[int, array[int], array[int] | None]]:
        """Yield each day with its keys and contents."""
        if self.days.count(self.days[0]) == len(self.days):
            yield self.days[0], self.keys, self.contents
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

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the key and the content of each record."""
        return zip(self.keys, self.contents or repeat(0), strict=False)

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Yield the key, the day and the content of each record."""
        return zip(self.keys, self.days, self.contents or repeat(0), strict=False)


def keyed(entries: Iterable[tuple[int, int, int]]) -> Keyed:
    """Return records given as key, day and content."""
    entries = list(entries)
    return Keyed(
        array("Q", [key for key, _, _ in entries]),
        array("i", [day for _, day, _ in entries]),
        array("Q", [content for _, _, content in entries])
        if any(content for _, _, content in entries)
        else None,
    )


class Limits(NamedTuple):
    """When the store changes its ways; all but the first three count records.

    Attributes:
        parts: The most parts of a day that are read one by one.
        sparse: Pages are looked into where fewer than one in this many of a day's records is
            looked up at once; otherwise all of them are loaded.
        page_bits: A page has at most about two to the power of this many records.
        small: As many records of a day are always loaded.
        loaded: A day with more is never loaded; at 690,000 a dict just does not double its size.
        cached: Days with so many records together, or a single day, are kept loaded.
        fold: Parts of mixed days with so many records are folded by who writes them.
        fold_early: The same by who looks into them.
        chunk: So many are sorted at once.
    """

    parts: int = 16
    sparse: int = 24
    page_bits: int = 7
    small: int = 250
    loaded: int = 690_000
    cached: int = 200_000
    fold: int = 1_000_000
    fold_early: int = 8_000
    chunk: int = 1_000_000


def to_bytes(values: array[int]) -> bytes:
    """Return integers as a ledger has them, which may move to another machine."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def from_bytes(code: str, blob: bytes) -> array[int]:
    """Return the integers of `to_bytes`."""
    values = array(code)
    values.frombytes(blob)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def unpack(day: int, keys: bytes, days: bytes | None, contents: bytes | None) -> Keyed:
    """Return the records of a part as it is stored."""
    return Keyed(
        from_bytes("Q", keys),
        array("i", [day]) * (len(keys) // 8) if days is None else from_bytes("i", days),
        None if contents is None else from_bytes("Q", contents),
    )
