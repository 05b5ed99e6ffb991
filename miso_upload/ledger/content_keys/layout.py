"""Defines the layout of the content key store, and decodes its parts."""

from __future__ import annotations

from array import array
from typing import NamedTuple

from miso_upload.records.keyed_records import KeyedRecords, from_bytes

MIXED = -(2**31)
"""The day of a part whose records have many different days."""


IN_DOUBT = (
    "(unknown OR EXISTS (SELECT 1 FROM sent_in_doubt AS doubt WHERE doubt.scan = part.scan "
    "AND doubt.start = part.start AND part.id >= doubt.first_part))"
)
"""An SQL condition: it is unknown whether Miso has the records of a part."""


DELETE_PART = "DELETE FROM sent_parts WHERE id = :part"


class Limits(NamedTuple):
    """Thresholds of the store. All but the first three are numbers of records.

    Attributes:
        parts: A day with more parts than this is merged, if its parts are small.
        sparse: A lookup reads pages if it is for fewer than one in this many records of a day;
            otherwise it loads the whole day.
        page_bits: A page has up to about two to the power of this many records.
        small: A day with at most this many records is always loaded.
        loaded: A day with more records is never loaded; just above 690,000 a dict doubles its size.
        cached: How many records stay loaded; a single larger day may stay loaded too.
        fold: A writer folds parts of mixed days once they have this many records.
        fold_early: A reader folds parts of mixed days once they have this many records.
        chunk: How many records are sorted at a time.
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


def stored_keys(day: int, keys: bytes, days: bytes | None, contents: bytes | None) -> KeyedRecords:
    """Return the records of a stored part."""
    return KeyedRecords(
        from_bytes("Q", keys),
        array("i", [day]) * (len(keys) // 8) if days is None else from_bytes("i", days),
        None if contents is None else from_bytes("Q", contents),
    )
