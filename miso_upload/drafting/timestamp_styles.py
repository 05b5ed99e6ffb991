"""Detects how a column's timestamps are written: unit, format, order of day and month, zone."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

from miso_upload.values.excel_days import EXCEL, looks_like_day_number
from miso_upload.values.timestamp_formats import swapped
from miso_upload.values.timestamps import NO_ZONE_FOR_DAY, TimestampReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_TRIED = 400
_ENOUGH = 0.9
_MONTHS = 12
_EXAMPLES = 5
_EPOCH = re.compile(r"-?(\d{9,19})(?:\.\d+)?")
_EARLIEST, _LATEST = 788_918_400, 2_208_988_800
"""The years 1995 and 2040 in seconds; numbers outside of them are not times of clicks."""
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_NUMBER = re.compile(r"[+-]?\d*[.,]?\d*(?:[eE][+-]?\d+)?")
_LIKE_A_DATE = re.compile(r"(?=.*\d.*\d)[\w:/.,+ -]{6,40}")
_HAS_DATE = re.compile(r"\d[/.-]\w+[/.-]\d|[A-Za-z]{3}|\d{12}|\d{8} \d{6}")
_COMPACT_DAY = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DAY_NUMBER = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?: ?[AaPp][Mm])?")
_DAY_MONTH = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)")

_DATES = (
    "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y",
    "%d-%m-%y", "%m-%d-%y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y",
    "%B %d, %Y", "%d %B %Y", "%m %d, %Y", "%b %d %Y", "%Y-%m-%d",
)  # fmt: skip
_DIRECTIVES = {
    "d": r"(?:3[01]|[12]\d|0[1-9]|[1-9]| [1-9])",
    "m": r"(?:1[0-2]|0[1-9]|[1-9])",
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "b": f"(?:{'|'.join(map(re.escape, calendar.month_abbr[1:]))})",
    "B": f"(?:{'|'.join(sorted(map(re.escape, calendar.month_name[1:]), key=len, reverse=True))})",
}
"""Patterns of the directives of strptime for dates."""
_CLOCKS = ("", "%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H:%M:%S.%f")
_WHOLE = (
    "%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z", "%a %b %d %H:%M:%S %Y",
    "%a %b %d %Y %H:%M:%S", "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d %H%M%S",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TimestampStyle:
    """How the timestamps of a column are written.

    Attributes:
        format: The strptime format; None if they are read without one.
        description: A description for a comment.
        unzoned: The share of values without a zone.
        other_format: The alternative, if no value in the sample decides.
        unread: The share of values that cannot be read.
        whole_days: Whether they are dates without a time of day.
        is_number: Whether they are epoch numbers.
    """

    format: str | None
    description: str
    unzoned: float = 0.0
    other_format: str | None = None
    unread: float = 0.0
    whole_days: bool = False
    is_number: bool = False


def timestamp_style(values: Sequence[str], *, is_named: bool = False) -> TimestampStyle | None:
    """Return the style of a column's distinct values; None if they are not timestamps.

    Args:
        values: The values.
        is_named: Whether the name of the column says that they are times. Without it, whole numbers
            of five digits are rather postal codes than days.
    """
    some = [value.strip() for value in _spread(values, _MOST_TRIED)]
    if not some:
        return None
    epoch = [value for value in some if _EPOCH.fullmatch(value)]
    if len(epoch) >= _ENOUGH * len(some):
        found = _epoch(epoch, len(some))
        if found is not None:
            return found
    days = [value for value in some if _DAY_NUMBER.fullmatch(value)
            and looks_like_day_number(Decimal(value))]  # fmt: skip
    is_sure = is_named or any("." in value for value in days)
    if is_sure and len(days) >= _ENOUGH * len(some):
        unread = 1 - len(days) / len(some)
        return TimestampStyle(
            EXCEL, "day numbers of Excel", 1 - unread, unread=unread, is_number=True
        )
    numbers = [value for value in some if _NUMBER.fullmatch(value)]
    digits = len(numbers) > len(some) / 2
    if digits and not all(_COMPACT_DAY.match(value) for value in some):
        return None
    if not any(_LIKE_A_DATE.fullmatch(value) for value in some[:_EXAMPLES]):
        return None
    if _readable(some, ()) >= _ENOUGH:
        return _described(some, None, "ISO 8601", is_number=digits)
    matching = [
        form for form in _candidates(some[:_EXAMPLES]) if _readable(some, (form,)) >= _ENOUGH
    ]
    if not matching:
        return None
    best = max(_readable(some, (form,)) for form in matching)
    matching = [form for form in matching if _readable(some, (form,)) == best]
    form = matching[0]
    other = next((each for each in matching[1:] if swapped(form) == each), None)
    if other is not None:
        form, other = _decided_by_all(values, form, other)
    digits = sum(map(str.isdigit, some)) > len(some) / 2
    in_words = "dates in numbers" if other is not None else _in_words(form, values)
    return _described(some, form, in_words, other, is_number=digits)


def _decided_by_all(values: Sequence[str], form: str, other: str) -> tuple[str, str | None]:
    """Return the format and its alternative; None for the latter if one of all values decides."""
    texts = [value.strip() for value in values]
    fitting = {each: sum(_fits(each, text) for text in texts) for each in (form, other)}
    if fitting[form] == fitting[other]:
        return form, other
    return max(fitting, key=lambda each: fitting[each]), None


def clock_format(values: Sequence[str]) -> str | None:
    """Return the format of a column of times of day; None if it is not one."""
    some = [value.strip() for value in _spread(values, _MOST_TRIED)]
    if not some or not all(_CLOCK.fullmatch(value) for value in some):
        return None
    for form in _CLOCKS[1:]:
        dated = [f"2020-01-01 {value}" for value in some]
        if all(_fits(f"%Y-%m-%d {form}", value) for value in dated):
            return form
    return None


def _epoch(values: list[str], sampled: int) -> TimestampStyle | None:
    for unit, scale in _UNITS.items():
        inside = [_EARLIEST * scale <= float(value) <= _LATEST * scale for value in values]
        if sum(inside) >= _ENOUGH * len(values):
            unread = 1 - len(values) / sampled
            return TimestampStyle(None, f"epoch {unit}", unread=unread, is_number=True)
    return None


def _described(
    some: Sequence[str],
    form: str | None,
    description: str,
    other: str | None = None,
    *,
    is_number: bool = False,
) -> TimestampStyle:
    formats = (form,) if form else ()
    zoned = _readable(some, formats, zone=None)
    readable = _readable(some, formats)
    reader = TimestampReader(None, formats)
    days = sum(reader.read(value) == NO_ZONE_FOR_DAY for value in some)
    return TimestampStyle(
        form,
        description,
        unzoned=readable - zoned,
        other_format=other,
        unread=1 - readable,
        whole_days=days > len(some) / 2,
        is_number=is_number,
    )


def _candidates(examples: Sequence[str]) -> Iterator[str]:
    """Yield the formats in which at least one of the examples can be read."""
    if not any(_HAS_DATE.search(example) for example in examples):
        return
    dates = [form for form in _DATES if any(_begins(form, example) for example in examples)]
    for date, joint, clock, offset in product(dates, (" ", ", ", "T"), _CLOCKS, ("", " %z", "%z")):
        if not clock and (joint != " " or offset):
            continue
        form = f"{date}{joint}{clock}{offset}" if clock else date
        if any(_fits(form, example) for example in examples):
            yield form
    if dates and any(_fits(form, example) for form in dates[:1] for example in examples):
        return
    yield from (form for form in _WHOLE if any(_fits(form, example) for example in examples))


def _begins(form: str, text: str) -> bool:
    """Return whether a format matches the beginning of a text, which rules out most formats.

    Python caches only a few compiled formats, so trying many of them on every value is slow.
    """
    found = _date_pattern(form).match(text)
    return found is not None and (found.end() < len(text) or _fits(form, text))


@cache
def _date_pattern(form: str) -> re.Pattern[str]:
    """Return a pattern for a date in a strptime format at the beginning of a text."""
    parts = (
        _DIRECTIVES[part[1]] if part.startswith("%") else re.escape(part).replace(r"\ ", r"\s+")
        for part in re.findall(r"%.|[^%]+", form)
    )
    return re.compile("".join(parts), re.IGNORECASE)


def _fits(form: str, text: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 -- only the match matters
    except (ValueError, OverflowError):
        return False
    return True


def _readable(values: Sequence[str], formats: tuple[str, ...], zone: str | None = "UTC") -> float:
    """Return the share of values that an upload would read with these formats."""
    reader = TimestampReader(zone, formats)
    return sum(reader.read(value).text is not None for value in values) / len(values)


def _spread(values: Sequence[str], most: int) -> Sequence[str]:
    return values[:: max(1, len(values) // most)]


def _in_words(form: str, values: Sequence[str]) -> str:
    """Return the order of day and month with the value that proves it, or else the format."""
    at = {form.find("%d"): "day", form.find("%m"): "month"}
    if -1 in at or swapped(form) == form or form.startswith("%Y"):
        return form
    first = at[min(at)]
    beyond = [
        value
        for value in values
        if (found := _DAY_MONTH.match(value)) and max(int(found[1]), int(found[3])) > _MONTHS
    ]
    proof = f", as {beyond[0]} shows" if beyond else ""
    return f"{first} first{proof}"
