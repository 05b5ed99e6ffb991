"""Makes the content keys of records, by which a ledger knows which ones Miso accepted.

`docs/content-keys.md` defines them, so that another program can make the same keys.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from miso_upload.records.keyed_records import KeyedRecords
from miso_upload.transform.content_keys.canonical import canonical
from miso_upload.transform.content_keys.canonical_lines import (
    SortedLines,
    canonical_lines,
    canonical_values,
    sorted_lines,
)
from miso_upload.transform.content_keys.canonical_times import Times, times_of
from miso_upload.transform.content_keys.regular_values import SHIPPED, UNKNOWN, Shape
from miso_upload.transform.mapping.paths import ABSENT, getter
from miso_upload.values.hashing import hashes, keyed_digest
from miso_upload.values.regular_times import timestamps_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miso_upload.records import Record
    from miso_upload.values.regular_times import Timestamps

_PURPOSE = b"content keys"
_DAY_BITS = 10
_BELOW_DAY = 64 - _DAY_BITS


@dataclass(frozen=True)
class ContentKeys:
    """Makes the content keys of records.

    Attributes:
        secret: The secret key of the hash. Without it, a content key tells nothing about a record.
        series: The name of the series. Equal records of different series have different keys.
        natural: Columns of the row, or paths into it, that identify a record among its type.
        shipped_schema: Whether all records are valid against the shipped schema, which saves work.
    """

    secret: bytes = field(repr=False)
    series: str = ""
    natural: tuple[str, ...] = ()
    shipped_schema: bool = False

    def __reduce__(self) -> tuple[type[ContentKeys], tuple[Any, ...]]:
        return ContentKeys, (self.secret, self.series, self.natural, self.shipped_schema)

    def encode(self, records: Sequence[Record]) -> SortedLines | None:
        """Return records encoded for `of`; None if the encoder may write one of them differently.

        Args:
            records: At least one record.
        """
        return sorted_lines(records, self._shape)

    def of(
        self,
        records: Sequence[Record],
        rows: Sequence[Any] | None = None,
        encoded: SortedLines | None = None,
        timestamps: Timestamps | None = None,
    ) -> KeyedRecords:
        """Return the keys of records.

        Args:
            records: The records as they are sent.
            rows: The row of each record; needed only for natural keys.
            encoded: What `encode` returned for these records, if it is already known.
            timestamps: The timestamps of the records, if they are already known.
        """
        if not records:
            return KeyedRecords(array("Q"), array("i"), array("Q") if self.natural else None)
        times = times_of(timestamps or timestamps_of(records))
        contents = hashes(self._forms(records, encoded or self.encode(records), times), self._seed)
        if self.natural and rows is not None:
            return self._by_columns(records, rows, contents, times)
        return KeyedRecords(contents, _days(contents, times.days), None)

    def _forms(
        self, records: Sequence[Record], encoded: SortedLines | None, times: Times
    ) -> Sequence[bytes]:
        if encoded is None:
            return list(map(canonical, records))
        return canonical_lines(records, encoded, times)

    def _by_columns(
        self, records: Sequence[Record], rows: Sequence[Any], contents: array[int], times: Times
    ) -> KeyedRecords:
        """Return keys of the type and the columns, or of the content if a column has no value."""
        values = [[get(row) for get in self._getters] for row in rows]
        named = [i for i, each in enumerate(values) if not any(map(_is_blank, each))]
        keys, days = array("Q", contents), list(times.days)
        forms = canonical_values([[records[i].get("type"), *values[i]] for i in named])
        for i, key in zip(named, hashes(forms, self._seed), strict=True):
            keys[i], days[i] = key, None
        return KeyedRecords(keys, _days(keys, days), contents)

    @cached_property
    def _seed(self) -> int:
        digest = keyed_digest(self.secret, _PURPOSE, self.series.encode(errors="surrogatepass"), 8)
        return int.from_bytes(digest, "big")

    @cached_property
    def _shape(self) -> Shape:
        return SHIPPED if self.shipped_schema else UNKNOWN

    @cached_property
    def _getters(self) -> list[Callable[[dict[str, Any]], Any]]:
        return list(map(getter, self.natural))


def _days(keys: array[int], days: Sequence[int | None]) -> array[int]:
    """Return the day of each record; without an instant, a negative number made of its key."""
    try:
        return array("i", days)  # type: ignore[arg-type]
    except TypeError:
        named = zip(keys, days, strict=True)
        return array("i", [-1 - (key >> _BELOW_DAY) if day is None else day for key, day in named])


def _is_blank(value: object) -> bool:
    """Return whether a value is absent or blank, so that it cannot identify a record."""
    return value is ABSENT or value is None or (isinstance(value, str) and not value.strip())
