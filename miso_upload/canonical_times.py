"""The instants of many records at once.

The timestamps of one source are usually written alike. Then they are checked and rewritten
together; otherwise one by one, by `canonical`. The result is the same.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.canonical import EPOCH_ORDINAL, instant_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Record

_SECONDS, _MILLISECONDS = "0000-00-00T00:00:00", "0000-00-00T00:00:00.000"
_FORMS = {
    len(clock + zone): clock for clock in (_SECONDS, _MILLISECONDS) for zone in ("Z", "+00:00")
}
"""How timestamps are usually written, by length: what is before the zone."""
_TO_ZERO = str.maketrans("123456789", "000000000")
_ZONE = re.compile(r"Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]")
_SECOND = slice(len(_SECONDS))
_MINUTE = slice(len("0000-00-00T00:00"))
_DATE = slice(len("2025-03-01"))
_NO_MILLISECONDS = ".000"


class Times(NamedTuple):
    """What the timestamps of records say.

    Attributes:
        days: For each record, days since 1970-01-01 UTC; None where there is no instant.
        changed: The canonical texts of those that are written otherwise, by index.
    """

    days: list[int | None]
    changed: dict[int, str]


def times_of(records: Sequence[Record]) -> Times:
    """Return what the timestamps of records say."""
    texts = [record.get("timestamp") for record in records]
    return _times_alike(texts) or _times(texts)


def _times(texts: list[Any]) -> Times:
    """Return what timestamps of any kind say."""
    days: list[int | None] = []
    changed = {}
    for i, text in enumerate(texts):
        instant = instant_of(text)
        days.append(None if instant is None else instant.day)
        if instant is not None and instant.text != text:
            changed[i] = instant.text
    return Times(days, changed)


def _times_alike(texts: list[Any]) -> Times | None:
    """Return what timestamps say that are all written with the same zone and the same digits.

    Returns:
        None if they are not.
    """
    try:
        joined = "".join(texts)
        clock = _FORMS.get(len(texts[0]))
        if clock is None or not _are_alike(texts, joined, clock):
            return None
        # The days of months.
        parsed = list(map(datetime.fromisoformat, texts))
        return _canonical_times(texts, texts[0][len(clock) :], parsed)
    except (TypeError, ValueError, OverflowError):
        return None


def _are_alike(texts: list[str], joined: str, clock: str) -> bool:
    """Return whether texts have digits and marks where `clock` has them, and equal zones."""
    size, zone = len(texts[0]), texts[0][len(clock) :]
    form = clock + zone.translate(_TO_ZERO)
    # `fromisoformat` takes other forms of the same length, and from Python 3.14 on 24 o'clock.
    return (
        _ZONE.fullmatch(zone) is not None
        and joined.translate(_TO_ZERO) == form * len(texts)
        and set(map(len, texts)) == {size}
        and "T24" not in joined
        and all(
            joined[at::size] == mark * len(texts) for at, mark in enumerate(zone, start=len(clock))
        )
    )


def _canonical_times(texts: list[str], zone: str, parsed: list[datetime]) -> Times:
    """Return what valid timestamps in one zone say."""
    changed = {}
    if zone != "Z":
        shown = _in_utc(texts, zone)
        changed = dict(enumerate(shown))
        return Times(_days(shown, list(map(datetime.fromisoformat, shown))), changed)
    if len(texts[0]) > len(_SECONDS) + len(zone):
        changed = {i: text[_SECOND] + "Z" for i, text in enumerate(texts) if text.endswith(".000Z")}
    return Times(_days(texts, parsed), changed)


def _in_utc(texts: list[str], zone: str) -> list[str]:
    """Return the canonical texts of valid timestamps.

    Raises:
        OverflowError: One is outside of the years that there are.
    """
    # An offset is a number of minutes: what is smaller stays.
    minutes = {minute: _minute_in_utc(minute, zone) for minute in {text[_MINUTE] for text in texts}}
    rest = slice(_MINUTE.stop, -len(zone))
    return [
        f"{minutes[text[_MINUTE]]}{text[rest].removesuffix(_NO_MILLISECONDS)}Z" for text in texts
    ]


def _minute_in_utc(minute: str, zone: str) -> str:
    utc = datetime.fromisoformat(minute + zone).astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="minutes")


def _days(texts: list[str], parsed: list[datetime]) -> list[int | None]:
    if min(texts)[_DATE] == max(texts)[_DATE]:
        return [parsed[0].toordinal() - EPOCH_ORDINAL] * len(texts)
    return [each.toordinal() - EPOCH_ORDINAL for each in parsed]
