"""Reading a moment from what a row says, and writing it as RFC 3339.

What is RFC 3339 already passes unchanged. Everything else that names one moment becomes UTC, in
seconds, or in milli- or microseconds where there is a fraction; finer digits are dropped. What
could mean several moments, such as a local time without a zone, is a problem and never a guess.

An epoch number tells its unit by its size:

    integer digits   unit           from
    up to 10         seconds        1970, and back to 1653
    11 to 13         milliseconds   March 1973
    14 to 16         microseconds   April 1970
    17 to 19         nanoseconds    April 1970

and each of them reaches to the year 2286. Text and integers are cut to the microsecond at or before
them. A float with a fraction is rounded to the nearest, because its last digits are noise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import ConfigurationError
from miso_upload.values.timestamp_formats import check_format, is_day_format

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class Reading(NamedTuple):
    """What a value says about time: a text or a problem, and a note where the text is doubtful.

    Problems and notes are the second half of a sentence about the value, and never quote it.
    """

    text: str | None
    problem: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TimestampReader:
    """Reads timestamps as the user says they are written.

    Attributes:
        zone: The IANA name of the zone of times that name none themselves.
        formats: strptime formats, tried on text and integers in this order, before all else.

    Raises:
        ConfigurationError: There is no such zone, or no date can be read by a format.
    """

    zone: str | None = None
    formats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.zone is not None:
            _check_zone(self.zone)
        for form in self.formats:
            check_format(form)

    def read(self, value: object) -> Reading:
        """Return what `value` says; no JSON value makes this raise."""
        if isinstance(value, str):
            text = value.strip()
            if not self.formats and parse_rfc3339(text) is not None:
                return Reading(text)
            return self._read_text(text)
        if isinstance(value, float):
            if not value.is_integer():
                return _read_fraction(value)
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self._read_integer(value)
        return _NOT_A_TIME

    def read_all(self, values: list[Any]) -> list[str] | None:
        """Return `values` if each of them is RFC 3339 and no more; None if one has to be read."""
        try:
            if self.formats or not all(map(_RFC3339.fullmatch, values)):
                return None
            # The days of a month, which the pattern does not know.
            list(map(datetime.fromisoformat, values))
        except (TypeError, ValueError):
            return None
        return values

    def _read_text(self, text: str) -> Reading:
        if len(text) > _LONGEST:
            return _UNREADABLE
        return _read_text(text, self.formats, self.zone)

    def _read_integer(self, number: int) -> Reading:
        if abs(number) >= _TOO_LARGE_AN_EPOCH:
            return _TOO_LARGE
        text = str(number)
        return self._read_text(text) if self.formats else _read_number(text, text, self.zone)


def parse_rfc3339(text: str) -> datetime | None:
    """Return the moment that an RFC 3339 date-time names; None if `text` is not one.

    A leap second is the second after it, since `datetime` has none.
    """
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _parse_unusual_rfc3339(text.upper())


_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_ISO8601 = re.compile(
    # The day by month, by week or by its number in the year,
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[1-7]|[0-9]{4}W[0-9]{2}[1-7]"
    r"|[0-9]{4}-?[0-9]{3})"
    # the clock, with a group for a leap second,
    r"(?:(?:[Tt]| +)((?:[01][0-9]|2[0-4])"
    r"(?::?[0-5][0-9](?::?(?:[0-5][0-9]|(60))(?:[.,][0-9]+)?)?)?)"
    # and the offset.
    r"(?: ?([Zz]|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?)?"
)
_NUMBER = re.compile(r"(-?[0-9]+)(?:\.([0-9]+))?")

_COMPACT_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){1,2}(?:[0-9]{3})?\Z")
_COMPACT = {
    len(shape): Reading(None, f"looks like {shape}; if it is, add --timestamp-format {form}")
    for shape, form in (
        ("yyyymmddHHMM", "%Y%m%d%H%M"),
        ("yyyymmddHHMMSS", "%Y%m%d%H%M%S"),
        ("yyyymmddHHMMSSfff", "%Y%m%d%H%M%S%f"),
    )
}
"""Date-times without marks, by their length. As epoch numbers they would all lie between 1970 and
1986, before there was anything to click on: read without complaint, and wrong."""

_EPOCH = datetime.fromisoformat("1970-01-01")
_TOO_LARGE_AN_EPOCH = 10**19
_EPOCH_UNITS = ((10, 6), (13, 3), (16, 0), (19, -3))
"""Up to how many integer digits a number counts which power of ten of microseconds."""
_CUT = Context(prec=40, rounding=ROUND_FLOOR)
_NEAREST = Context(prec=40, rounding=ROUND_HALF_EVEN)

_DAY = timedelta(days=1)
_LONGEST = 100
"""Longer texts are not looked at, so that junk fills neither the cache nor the time."""
_MOST_CACHED = 8192

_NOT_A_TIME = Reading(None, "is not a date-time, but neither text nor a number")
_EMPTY = Reading(None, "is empty")
_UNREADABLE = Reading(
    None, "is not a date-time in a form that is known; describe it with --timestamp-format"
)
_NOT_AS_DESCRIBED = Reading(
    None, "is not in the form of --timestamp-format, nor in another that is known"
)
_NOT_FINITE = Reading(None, "is not a finite number")
_TOO_LARGE = Reading(None, "has more digits than an epoch number")
_NO_SUCH_TIME = Reading(None, "is not a date-time: there is no such day or time of day")
_NO_SUCH_YEAR = Reading(None, "is not within the years 1 to 9999")
_NO_ZONE = Reading(None, "is a local time without a zone; name it with --timezone")
_NO_ZONE_FOR_DAY = Reading(None, "is a date without a zone; name it with --timezone")


def _parse_unusual_rfc3339(text: str) -> datetime | None:
    """Parse what `datetime` does not: a text that had lower-case letters, and leap seconds."""
    is_leap = text[17:19] == "60"
    if is_leap:
        text = f"{text[:17]}59{text[19:]}"
    try:
        moment = datetime.fromisoformat(text)
        if not is_leap:
            return moment
        if moment.astimezone(UTC).strftime("%H:%M") == "23:59":
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
    if match is None:
        reading = _read_iso8601(text, zone)
        return _NOT_AS_DESCRIBED if formats and reading is _UNREADABLE else reading
    whole, fraction = match.groups("")
    if fraction.strip("0"):
        return _read_epoch(Decimal(text), _CUT)
    return _read_number(whole, text, zone)


def _read_formatted(text: str, formats: tuple[str, ...], zone: str | None) -> Reading | None:
    """Return the reading by the first format that fits; None if none does."""
    if not text.isascii() and any(_is_foreign_digit(character) for character in text):
        return None  # strptime would take it
    for form in formats:
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 -- what has no zone gets it here
        except (ValueError, OverflowError):
            continue
        offset = moment.utcoffset()
        if offset is None:
            return _read_local(moment, zone, is_day=is_day_format(form))
        return _read_at_offset(moment.replace(tzinfo=None), offset)
    return None


def _is_foreign_digit(character: str) -> bool:
    return character.isdigit() and not character.isascii()


def _read_fraction(number: float) -> Reading:
    """Read an epoch number that is not whole, as the shortest decimal that is the same float."""
    decimal = Decimal(repr(number))
    return _read_epoch(decimal, _NEAREST) if decimal.is_finite() else _NOT_FINITE


def _read_number(whole: str, text: str, zone: str | None) -> Reading:
    """Read a whole number, written as `text`: an epoch number, unless it is plainly a date."""
    size = len(whole)
    if whole[:2] in {"19", "20"} and (size == len("yyyymmdd") or size in _COMPACT):
        day = _parse_day(whole[:8])
        if day is not None and size not in _COMPACT:
            return _read_local(day, zone, is_day=True)
        if day is not None and _COMPACT_CLOCK.match(whole, 8) is not None:
            return _COMPACT[size]
    return _read_epoch(Decimal(text), _CUT)


def _read_epoch(number: Decimal, rounding: Context) -> Reading:
    digits = number.adjusted() + 1
    for most, exponent in _EPOCH_UNITS:
        if digits <= most:
            scaled = rounding.to_integral_value(rounding.scaleb(number, exponent))
            seconds, microseconds = divmod(int(scaled), 1_000_000)
            return Reading(_text(_EPOCH + timedelta(0, seconds, microseconds)))
    return _TOO_LARGE


def _read_iso8601(text: str, zone: str | None) -> Reading:
    match = _ISO8601.fullmatch(text)
    if match is None:
        return _UNREADABLE
    day, clock, leap, offset = match.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{clock}" if clock else day)
    except ValueError:
        rare = _parse_rare(day, clock or "00")
        if rare is None:
            return _NO_SUCH_TIME
        local = rare
    if offset is None:
        reading = _read_local(local, zone, is_day=clock is None)
    elif offset[0] in "+-":
        reading = _read_at_offset(local, _parse_offset(offset))
    else:
        reading = Reading(_text(local))
    return reading if leap is None else _at_leap_second(reading)


def _parse_rare(day_text: str, clock: str) -> datetime | None:
    """Parse what `datetime` does not: the number of a day, 24:00, and a leap second.

    A leap second is here the second before it.
    """
    day = _parse_day(day_text)
    if day is None:
        return None
    seconds, point, fraction = clock.replace(":", "").replace(",", ".").partition(".")
    try:
        if seconds.startswith("24"):
            return None if (seconds[2:] + fraction).strip("0") else day + _DAY
        if seconds.endswith("60"):
            seconds = f"{seconds[:4]}59"
        return datetime.combine(day, time.fromisoformat(seconds + point + fraction))
    except OverflowError:
        return None


def _parse_day(text: str) -> datetime | None:
    """Return midnight of a day by month, week or number; None if there is no such day."""
    year, rest = text[:4], text[4:].lstrip("-")
    try:
        if len(rest) != len("ddd"):
            return datetime.fromisoformat(text)
        day = datetime.fromisoformat(f"{year}-01-01") + timedelta(days=int(rest) - 1)
    except (ValueError, OverflowError):
        return None
    return day if day.year == int(year) else None


@lru_cache
def _parse_offset(text: str) -> timedelta:
    digits = text[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -size if text[0] == "-" else size


def _at_leap_second(reading: Reading) -> Reading:
    """Move a reading of 23:59:59 to the leap second after it; no other second has one."""
    if reading.text is None:
        return reading
    if reading.text[11:19] != "23:59:59":
        return _NO_SUCH_TIME
    return reading._replace(text=f"{reading.text[:17]}60{reading.text[19:]}")


def _read_at_offset(local: datetime, offset: timedelta) -> Reading:
    try:
        return Reading(_text(local - offset))
    except OverflowError:
        return _NO_SUCH_YEAR


def _read_local(local: datetime, zone: str | None, *, is_day: bool) -> Reading:
    """Read a local time, or the start of a local day, by the clocks of `zone`."""
    if zone is None:
        return _NO_ZONE_FOR_DAY if is_day else _NO_ZONE
    place = _zone(zone)
    offset = place.utcoffset(local)
    try:
        # No clock was ever set by more than a day, so this leaves out nothing that is doubtful.
        if offset == place.utcoffset(local - _DAY) == place.utcoffset(local + _DAY):
            return _read_at_offset(local, offset or timedelta(0))
    except OverflowError:
        pass
    return _read_near_change(local, place, is_day=is_day)


def _read_near_change(local: datetime, place: ZoneInfo, *, is_day: bool) -> Reading:
    """Read a local time around which the clocks of `place` were set, or may have been."""
    try:
        moment = local.replace(tzinfo=place).astimezone(UTC)
        other = local.replace(tzinfo=place, fold=1).astimezone(UTC)
        shown = moment.astimezone(place)
    except OverflowError:
        return _NO_SUCH_YEAR
    text = _text(moment.replace(tzinfo=None))
    if moment == other or (is_day and shown.date() == local.date()):
        return Reading(text)  # a day starts when its midnight is skipped or repeated, too
    if moment < other:
        note = f"is ambiguous: the clock was set back in {place.key}; the earlier reading was taken"
    else:
        note = f"does not exist: the clock was set forward in {place.key}; it was moved as far"
    return Reading(text, note=note)


def _text(moment: datetime) -> str:
    """Return a moment in UTC with as many digits of its fraction as it needs."""
    if not moment.microsecond:
        return moment.isoformat() + "Z"
    return moment.isoformat(timespec="auto" if moment.microsecond % 1000 else "milliseconds") + "Z"


@lru_cache
def _zone(name: str) -> ZoneInfo:
    # Imported where there is a zone: most timestamps say their offset themselves.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    return ZoneInfo(name)


def _check_zone(name: str) -> None:
    # The "right" zones count leap seconds, and "localtime" differs from machine to machine.
    if name.partition("/")[0] not in {"right", "posix", "localtime"}:
        try:
            _zone(name)
        except (KeyError, ValueError, OSError):
            pass
        else:
            return
    import difflib  # noqa: PLC0415 -- only for a wrong name
    from zoneinfo import available_timezones  # noqa: PLC0415

    known = {zone.casefold(): zone for zone in available_timezones()}
    near = [known[zone] for zone in difflib.get_close_matches(name.casefold(), known, n=3)]
    hint = f"did you mean {' or '.join(near)}?" if near else "write it as in Europe/Berlin or UTC"
    raise ConfigurationError(f"--timezone {name}: there is no such time zone; {hint}")
