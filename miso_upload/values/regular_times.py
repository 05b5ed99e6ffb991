"""Timestamps of many records that are written alike: the same digits, and the same zone.

The timestamps of one source usually are. They are checked together by operations on their joined
text, so that a record costs a small part of what `parse_rfc3339` takes.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
DATE = slice(len("2025-03-01"))
_FORM = re.compile(rb"(0000-00-00T00:00:00(?:\.0+)?)(?:Z|[+-]00:00)\n")
"""How timestamps are usually written, with zeros for all digits."""
_ZONE = re.compile(r"Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]")
_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_HOUR = slice(11, 13)
_LAST_HOUR = "23"
_TIMESTAMP = itemgetter("timestamp")
_TENS = (14, 17)
"""Where the first digits of minutes and seconds are; a leap second is not like the others."""
_TO_FIVE = b"012345"


class Alike(NamedTuple):
    """What is known about valid timestamps that are written alike.

    Attributes:
        clock: How many characters are before the zone.
        zone: The zone that all of them have.
        first: The earliest of them.
        last: The latest of them.
        days: Days from 1970-01-01 to each date as it is written.
    """

    clock: int
    zone: str
    first: str
    last: str
    days: dict[str, int]


class Timestamps(NamedTuple):
    """The timestamps of some records.

    Attributes:
        texts: The timestamp of each; None where it has none.
        alike: What is known if all of them are written alike.
    """

    texts: list[Any]
    alike: Alike | None


def timestamps_of(records: Sequence[dict[str, Any]]) -> Timestamps:
    """Return the timestamps of records, none of which is a str of another class."""
    try:
        texts = list(map(_TIMESTAMP, records))
    except KeyError:
        texts = [record.get("timestamp") for record in records]
    try:
        return Timestamps(texts, _alike(texts))
    except (TypeError, ValueError):
        return Timestamps(texts, None)


def _alike(texts: list[Any]) -> Alike | None:
    """Return what is known about timestamps; None if they are not alike.

    Raises:
        TypeError: One is not text.
        ValueError: One is not ASCII, or there is no such day.
    """
    # Each newline is where the form has one, so none is in a timestamp.
    joined = "\n".join([*texts, ""]).encode("ascii")
    size = joined.find(b"\n") + 1
    form = joined[:size].translate(_TO_ZERO)
    found = _FORM.fullmatch(form)
    if found is None or joined.translate(_TO_ZERO) != form * len(texts):
        return None
    clock = found.end(1)
    zone = texts[0][clock:]
    if _ZONE.fullmatch(zone) is None or any(joined[at::size].strip(_TO_FIVE) for at in _TENS):
        return None
    if zone != "Z" and joined.count(f"{zone}\n".encode()) != len(texts):
        return None
    first, last = min(texts), max(texts)
    if first[DATE] == last[DATE]:
        hour, dates = last[_HOUR], {first[DATE]}
    else:
        hour = max([text[_HOUR] for text in texts])
        dates = {text[DATE] for text in texts}
    if hour > _LAST_HOUR:
        return None
    return Alike(clock, zone, first, last, {each: _day_of(each) for each in dates})


@lru_cache(maxsize=4096)
def _day_of(text: str) -> int:
    return date.fromisoformat(text).toordinal() - EPOCH_ORDINAL
