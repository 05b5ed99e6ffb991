"""Reading a moment from what a row says, and writing it as RFC 3339.

What is RFC 3339 already passes unchanged. Everything else that names one moment becomes UTC, in
seconds, or in milli- or microseconds where there is a fraction; finer digits are dropped. What
could mean several moments, such as a local time without a zone, is a problem and never a guess.

An epoch number says its unit by its magnitude:

    integer digits   unit           reaches
    up to 10         seconds        1970 to 2286
    11 to 13         milliseconds   from March 1973 on
    14 to 16         microseconds   from April 1970 on
    17 to 19         nanoseconds    from April 1970 on

Text and integers are cut to the microsecond at or before them. A float with a fraction is rounded
to the nearest, because its last digits are noise.
"""

from __future__ import annotations

import difflib
import re
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from miso_upload.errors import ConfigurationError


class Reading(NamedTuple):
    """What a value says about time: either a text or a problem, and a note if the text is odd.

    Problems and notes are the second half of a sentence about the value, and never quote it.
    """

    text: str | None
    problem: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TimestampReader:
    """Reads timestamps as the user said they are written.

    Attributes:
        zone: The IANA name of the zone of times that name none themselves.
        formats: strptime formats, tried in this order before everything else, on text and integers.

    Raises:
        ConfigurationError: There is no such zone, or a format could not give a date and a time.
    """

    zone: str | None = None
    formats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.zone is not None:
            _check_zone(self.zone)
        for form in self.formats:
            _check_format(form)

    def read(self, value: object) -> Reading:
        """Return what `value` says; no JSON value makes this raise."""
        if isinstance(value, str):
            text = value.strip()
            if not self.formats and parse_rfc3339(text) is not None:
                return Reading(text)
        elif isinstance(value, float) and not value.is_integer():
            return _read_fraction(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if abs(value) >= _EPOCH_LIMIT:
                return _TOO_LARGE
            text = str(int(value))
        else:
            return _NOT_A_TIME
        if len(text) > _LONGEST:
            return _UNREADABLE
        return _read_text(text, self.formats, self.zone)


def parse_rfc3339(text: str) -> datetime | None:
    """Return the moment that an RFC 3339 date-time names; None if `text` is not one.

    A leap second is the second after it, since `datetime` has none.
    """
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _parse_unusual(text.upper())


_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_ISO8601 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[1-7]|[0-9]{4}W[0-9]{2}[1-7]"
    r"|[0-9]{4}-?[0-9]{3})"
    r"(?:(?:[Tt]| +)([01][0-9]|2[0-4])(?::?([0-5][0-9])(?::?([0-5][0-9]|60)(?:[.,]([0-9]+))?)?)?"
    r"(?: ?([Zz]|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?)?"
)
_NUMBER = re.compile(r"(-?[0-9]+)(?:\.([0-9]+))?")
_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){1,2}(?:[0-9]{3})?\Z")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_LIMIT = 10**19
_EPOCH_UNITS = ((10, 6), (13, 3), (16, 0), (19, -3))
"""Up to how many integer digits a number counts units of which power of ten, in microseconds."""
_CUT = Context(prec=40, rounding=ROUND_FLOOR)
_NEAREST = Context(prec=40, rounding=ROUND_HALF_EVEN)

_LONGEST = 100
"""Longer texts are not looked at, so that junk fills neither the cache nor the time."""
_MOST_CACHED = 8192

_COMPACT = {
    len(shape): Reading(None, f"looks like {shape}; say so with --timestamp-format {form}")
    for shape, form in (
        ("yyyymmdd", "%Y%m%d"),
        ("yyyymmddHHMM", "%Y%m%d%H%M"),
        ("yyyymmddHHMMSS", "%Y%m%d%H%M%S"),
        ("yyyymmddHHMMSSfff", "%Y%m%d%H%M%S%f"),
    )
}
"""Dates without marks, by their lengths. As epoch numbers they would all be in the seventies or
eighties, before there was anything to click on: read without complaint, and wrong."""

_SAMPLE = datetime(2019, 10, 23, 14, 5, 9, 123456, tzinfo=timezone(timedelta(hours=2)))

_NOT_A_TIME = Reading(None, "is neither text nor a number")
_UNREADABLE = Reading(
    None, "is not a date-time in any form that is known; describe its form with --timestamp-format"
)
_NOT_AS_DESCRIBED = Reading(
    None, "is not in the form of --timestamp-format, nor in any other that is known"
)
_EMPTY = Reading(None, "is empty")
_NOT_FINITE = Reading(None, "is not a finite number")
_TOO_LARGE = Reading(None, "has more digits than a time since 1970 can have")
_NO_SUCH_TIME = Reading(None, "names a day or a time of day that does not exist")
_NO_SUCH_YEAR = Reading(None, "is not within the years 1 to 9999")
_NO_ZONE = Reading(None, "is a local time without a zone; name it with --timezone")
_NO_ZONE_FOR_DAY = Reading(None, "is a date without a zone; name it with --timezone")


def _parse_unusual(text: str) -> datetime | None:
    """Parse what `datetime` does not: lower-case letters, which are upper-case here, and :60."""
    is_leap = text[17:19] == "60"
    if is_leap:
        text = f"{text[:17]}59{text[19:]}"
    try:
        moment = datetime.fromisoformat(text)
        if not is_leap:
            return moment
        last = moment.astimezone(UTC)
        if (last.hour, last.minute) == (23, 59):
            return moment + timedelta(seconds=1)
    except (ValueError, OverflowError):
        pass
    return None


@lru_cache(maxsize=_MOST_CACHED)
def _read_text(text: str, formats: tuple[str, ...], zone: str | None) -> Reading:
    if formats:
        reading = _read_formatted(text, formats, zone)
        if reading is not None:
            return reading
        if parse_rfc3339(text) is not None:
            return Reading(text)
    if not text:
        return _EMPTY
    match = _NUMBER.fullmatch(text)
    if match is not None:
        return _read_number(text, match[1], match[2] or "", zone)
    reading = _read_iso8601(text, zone)
    return _NOT_AS_DESCRIBED if reading is _UNREADABLE and formats else reading


def _read_formatted(text: str, formats: tuple[str, ...], zone: str | None) -> Reading | None:
    """Return the reading by the first format that fits; None if none does."""
    if not text.isascii() and any(map(str.isdigit, filter(_is_not_ascii, text))):
        return None  # strptime would take the digits of any script
    for form in formats:
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 -- what has no zone gets one here
        except (ValueError, OverflowError):
            continue
        if moment.tzinfo is None:
            return _read_local(moment, zone, is_day=_is_day_format(form))
        return _in_utc(moment)
    return None


def _is_not_ascii(character: str) -> bool:
    return not character.isascii()


def _read_fraction(number: float) -> Reading:
    """Read an epoch number that is not whole, by the shortest decimal that is this float."""
    decimal = Decimal(repr(number))
    if not decimal.is_finite():
        return _NOT_FINITE
    return _read_epoch(decimal, _NEAREST)


def _read_number(text: str, whole: str, fraction: str, zone: str | None) -> Reading:
    if whole[:2] in {"19", "20"} and not fraction.strip("0"):
        day = _day(whole[:8]) if len(whole) in _COMPACT else None
        if day is not None and len(whole) == len("yyyymmdd"):
            return _read_local(day, zone, is_day=True)
        if day is not None and _TIME_OF_DAY.match(whole, 8) is not None:
            return _COMPACT[len(whole)]
    return _read_epoch(Decimal(text), _CUT)


def _read_epoch(number: Decimal, rounding: Context) -> Reading:
    digits = number.adjusted() + 1
    for most, exponent in _EPOCH_UNITS:
        if digits <= most:
            microseconds = rounding.to_integral_value(rounding.scaleb(number, exponent))
            return Reading(_text(_EPOCH + timedelta(microseconds=int(microseconds))))
    return _TOO_LARGE


def _read_iso8601(text: str, zone: str | None) -> Reading:
    match = _ISO8601.fullmatch(text)
    if match is None:
        return _UNREADABLE
    day, hour, minute, second, fraction, offset = match.groups()
    local = _day(day)
    if local is not None and hour is not None:
        local = _at(local, hour, minute or "0", second or "0", fraction or "")
    if local is None:
        return _NO_SUCH_TIME
    if offset is None:
        reading = _read_local(local, zone, is_day=hour is None)
    else:
        reading = _in_utc(local.replace(tzinfo=_offset(offset)))
    return reading if second != "60" else _at_leap_second(reading)


def _day(text: str) -> datetime | None:
    """Return midnight of a calendar, week or ordinal date; None if there is no such day."""
    year, rest = text[:4], text[4:].lstrip("-")
    try:
        if len(rest) != len("ddd"):
            return datetime.fromisoformat(text)
        day = datetime.fromisoformat(f"{year}-01-01") + timedelta(days=int(rest) - 1)
    except (ValueError, OverflowError):
        return None
    return day if day.year == int(year) else None


def _at(day: datetime, hour: str, minute: str, second: str, fraction: str) -> datetime | None:
    """Return the time on that day; None if there is none.

    24:00 is the end of the day, and a leap second is here the second before it.
    """
    time_of_day = time(int(hour) % 24, int(minute), min(int(second), 59), int(f"{fraction:0<6.6}"))
    if hour == "24":
        if time_of_day != time():
            return None
        try:
            day += timedelta(days=1)
        except OverflowError:
            return None
    return datetime.combine(day, time_of_day)


def _offset(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _at_leap_second(reading: Reading) -> Reading:
    """Move the reading of 23:59:59 to the leap second after it; no other second has one."""
    text = reading.text
    if text is None:
        return reading
    if text[11:19] != "23:59:59":
        return _NO_SUCH_TIME
    return reading._replace(text=f"{text[:17]}60{text[19:]}")


def _in_utc(moment: datetime) -> Reading:
    try:
        return Reading(_text(moment.astimezone(UTC)))
    except OverflowError:
        return _NO_SUCH_YEAR


def _read_local(local: datetime, zone: str | None, *, is_day: bool) -> Reading:
    """Read a local time, or the start of a local day, by the clocks of `zone`."""
    if zone is None:
        return _NO_ZONE_FOR_DAY if is_day else _NO_ZONE
    place = ZoneInfo(zone)
    try:
        moment = local.replace(tzinfo=place).astimezone(UTC)
        other = local.replace(tzinfo=place, fold=1).astimezone(UTC)
    except OverflowError:
        return _NO_SUCH_YEAR
    if moment == other:
        return Reading(_text(moment))
    if is_day and moment.astimezone(place).date() == local.date():
        return Reading(_text(moment))  # the clock was set at midnight; the day starts all the same
    if moment < other:
        note = f"is ambiguous: the clock was set back in {zone}; the earlier reading was taken"
    else:
        note = (
            f"does not exist: the clock was set forward in {zone}; it was moved forward by as much"
        )
    return Reading(_text(moment), note=note)


def _text(moment: datetime) -> str:
    """Return a moment in UTC with as many digits of its fraction as say something."""
    if not moment.microsecond:
        return moment.isoformat()[:-6] + "Z"
    timespec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=timespec)[:-6] + "Z"


def _check_zone(name: str) -> None:
    # The "right" zones count leap seconds, and "localtime" is another zone on another machine.
    if name.partition("/")[0] not in {"right", "posix", "localtime"}:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass
        else:
            return
    known = {zone.casefold(): zone for zone in available_timezones()}
    near = difflib.get_close_matches(name.casefold(), known, n=3)
    hint = (
        f"did you mean {' or '.join(known[zone] for zone in near)}?"
        if near
        else "name one as in Europe/Berlin or UTC"
    )
    raise ConfigurationError(f"--timezone {name}: there is no such time zone; {hint}")


def _check_format(form: str) -> None:
    """Raise unless a moment that is written by `form` can be read back."""
    option = f"--timestamp-format {form}"
    if "%Z" in form.replace("%%", ""):
        raise ConfigurationError(
            f"{option}: %Z knows only the zone names of this machine; use %z for an offset, or "
            "write the name as it stands in the data and give it with --timezone"
        )
    try:
        moment = _written_and_read(form)
    except (ValueError, LookupError, re.error) as error:
        raise ConfigurationError(f"{option}: {error}") from None
    if moment.date() != _SAMPLE.date():
        raise ConfigurationError(f"{option}: year, month and day are not all in it")
    if moment.hour != _SAMPLE.hour and moment.time() != time():
        raise ConfigurationError(f"{option}: the hour is not in it; use %H, or %I with %p")


def _written_and_read(form: str) -> datetime:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a format without a year, which is refused anyway
        return datetime.strptime(_SAMPLE.strftime(form), form)  # noqa: DTZ007


@lru_cache
def _is_day_format(form: str) -> bool:
    return _written_and_read(form).time() == time()
