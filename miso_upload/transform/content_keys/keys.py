"""Content keys: 64 keyed bits of each record, by which a ledger knows what Miso accepted.

`docs/content-keys.md` says how a key is made, so that another program can make the same.
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
from miso_upload.transform.mapping.paths import ABSENT, reacher
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
        secret: Without it, nobody can tell from a key what a record is.
        series: Records of different series have different keys.
        natural: Columns of the row, or paths into it, that identify a record of its type.
        shipped_schema: Whether all records are valid by the shipped schema, which spares work.
    """

    secret: bytes = field(repr=False)
    series: str = ""
    natural: tuple[str, ...] = ()
    shipped_schema: bool = False

    def __reduce__(self) -> tuple[type[ContentKeys], tuple[Any, ...]]:
        return ContentKeys, (self.secret, self.series, self.natural, self.shipped_schema)

    def encode(self, records: Sequence[Record]) -> SortedLines | None:
        """Return records encoded as `of` wants them; None if that takes a closer look.

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
            rows: The row that each of them was made of; needed for natural keys only.
            encoded: What `encode` returned for these records, if it is known already.
            timestamps: Those of the records, if they are known already.
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
        """Return keys made of type and columns, or of the content where a column has no value."""
        values = [[reach(row) for reach in self._reach] for row in rows]
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
    def _reach(self) -> list[Callable[[dict[str, Any]], Any]]:
        return list(map(reacher, self.natural))


def _days(keys: array[int], days: Sequence[int | None]) -> array[int]:
    """Return the day of each record; where it has none, one of 1,024 that its key names."""
    try:
        return array("i", days)  # type: ignore[arg-type]
    except TypeError:
        named = zip(keys, days, strict=True)
        return array("i", [-1 - (key >> _BELOW_DAY) if day is None else day for key, day in named])


def _is_blank(value: object) -> bool:
    """Return whether a column has no value that could identify a record."""
    return value is ABSENT or value is None or (isinstance(value, str) and not value.strip())
