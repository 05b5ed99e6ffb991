"""How the store of content keys is laid out, and parts of it as they are stored."""

from __future__ import annotations

from array import array
from typing import NamedTuple

from miso_upload.records.keyed import Keyed, from_bytes

MIXED = -(2**31)
"""The day of a part whose records have many days."""


IN_DOUBT = (
    "(unknown OR EXISTS (SELECT 1 FROM sent_in_doubt AS doubt WHERE doubt.scan = part.scan "
    "AND doubt.start = part.start AND part.id >= doubt.first_part))"
)
"""Whether the records of a part may be at Miso, but need not."""


DELETE_PART = "DELETE FROM sent_parts WHERE id = :part"


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


def stored_keys(day: int, keys: bytes, days: bytes | None, contents: bytes | None) -> Keyed:
    """Return the records of a part as it is stored."""
    return Keyed(
        from_bytes("Q", keys),
        array("i", [day]) * (len(keys) // 8) if days is None else from_bytes("i", days),
        None if contents is None else from_bytes("Q", contents),
    )
