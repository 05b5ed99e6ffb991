"""Returns the instants of many records at once.

Timestamps of the same format are converted together, and others one by one by `canonical`. The
result is the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.content_keys.canonical import instant_of
from miso_upload.values.regular_times import DATE, EPOCH_ORDINAL

if TYPE_CHECKING:
    from miso_upload.values.regular_times import Timestamps, Uniform

_SECOND = slice(len("0000-00-00T00:00:00"))
_MINUTE = slice(len("0000-00-00T00:00"))
_MILLISECONDS = len("000")
_POINT = 1


class Times(NamedTuple):
    """The instants of records.

    Attributes:
        days: For each record, the days since 1970-01-01 UTC; None if it has no instant.
        changed: The canonical texts of the timestamps that are written differently, by index.
    """

    days: list[int | None]
    changed: dict[int, str]


def times_of(timestamps: Timestamps) -> Times:
    """Return the instants of records, given their timestamps."""
    texts, uniform = timestamps
    if uniform is not None:
        try:
            return _in_utc(texts, uniform) if uniform.zone == "Z" else _at_offset(texts, uniform)
        except OverflowError:
            pass  # one of them is outside of the years 1 to 9999
    return _times(texts)


def _times(texts: list[Any]) -> Times:
    """Return the instants of timestamps of any format."""
    days: list[int | None] = []
    changed = {}
    for i, text in enumerate(texts):
        instant = instant_of(text)
        days.append(None if instant is None else instant.day)
        if instant is not None and instant.text != text:
            changed[i] = instant.text
    return Times(days, changed)


def _in_utc(texts: list[str], uniform: Uniform) -> Times:
    """Return the instants of timestamps in UTC, most of which are canonical."""
    digits = uniform.clock - _SECOND.stop - _POINT
    changed = {}
    if digits == _MILLISECONDS:
        whole = ".000Z"
        if whole in "".join(texts):
            changed = {i: text[_SECOND] + "Z" for i, text in enumerate(texts) if whole in text}
    elif digits > 0:
        fraction = slice(_SECOND.stop + _POINT, uniform.clock)
        changed = {
            i: f"{text[_SECOND]}{_milliseconds(text[fraction])}Z" for i, text in enumerate(texts)
        }
    return Times(_days(texts, uniform.days), changed)


def _at_offset(texts: list[str], uniform: Uniform) -> Times:
    """Return the instants of timestamps with the same offset from UTC.

    Raises:
        OverflowError: One is outside of the years 1 to 9999.
    """
    # An offset is a whole number of minutes, so the seconds stay the same.
    minutes = {
        minute: _minute_in_utc(minute, uniform.zone) for minute in {text[_MINUTE] for text in texts}
    }
    days = {minute: utc.toordinal() - EPOCH_ORDINAL for minute, utc in minutes.items()}
    shown = {minute: utc.isoformat(timespec="minutes") for minute, utc in minutes.items()}
    rest = slice(_MINUTE.stop, uniform.clock)
    ends = _in_milliseconds([text[rest] for text in texts])
    changed = {
        i: f"{shown[text[_MINUTE]]}{end}Z"
        for i, (text, end) in enumerate(zip(texts, ends, strict=True))
    }
    return Times(_days(texts, days, _MINUTE), changed)


def _in_milliseconds(seconds: list[str]) -> list[str]:
    """Return `:SS` or `:SS.ffffff`, all with the same digits, with a canonical fraction."""
    clock = len(":00")
    digits = len(seconds[0]) - clock - _POINT
    if digits < 0:
        return seconds
    if digits == _MILLISECONDS:
        return [each.removesuffix(".000") for each in seconds]
    return [each[:clock] + _milliseconds(each[clock + _POINT :]) for each in seconds]


def _milliseconds(digits: str) -> str:
    """Return the canonical fraction of a second: three digits, or empty text for zero."""
    digits = digits[:_MILLISECONDS].ljust(_MILLISECONDS, "0")
    return "" if digits == "000" else f".{digits}"


def _minute_in_utc(minute: str, zone: str) -> datetime:
    return datetime.fromisoformat(minute + zone).astimezone(UTC).replace(tzinfo=None)


def _days(texts: list[str], days: dict[str, int], part: slice = DATE) -> list[int | None]:
    distinct = set(days.values())
    if len(distinct) == 1:
        return [*distinct] * len(texts)
    return [days[text[part]] for text in texts]
