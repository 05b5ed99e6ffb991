"""Reads timestamps in any known format and writes them as RFC 3339.

A value that is RFC 3339 already passes unchanged. Any other unambiguous value is converted to UTC,
in seconds, or in milli- or microseconds if it has a fraction; finer digits are dropped. An
ambiguous value, such as a local time without a zone, is reported as a problem and never guessed.

The number of digits of an epoch number gives its unit:

    integer digits   unit           from
    up to 10         seconds        1970, and back to 1653
    11 to 13         milliseconds   March 1973
    14 to 16         microseconds   April 1970
    17 to 19         nanoseconds    April 1970

Numbers from 20,000 to 80,000 are refused, because they are rather day numbers of a spreadsheet.
Each unit reaches to the year 2286. Text and integers are rounded down to the microsecond. A float
with a fraction is rounded to the nearest microsecond, because its last digits are noise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.errors import ConfigurationError
from miso_upload.values.excel_days import EXCEL, looks_like_day_number, read_day_number
from miso_upload.values.rfc3339 import RFC3339, parse_rfc3339
from miso_upload.values.timestamp_formats import check_format, is_day_format, matches_swapped

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class Reading(NamedTuple):
    """The result of reading a timestamp: a text or a problem, and a note if the text is a guess.

    A problem or note is a predicate whose subject is the value. It never quotes the value.
    """

    text: str | None
    problem: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TimestampReader:
    """Reads timestamps in the zone and formats that the user configured.

    Attributes:
        zone: The IANA name of the time zone for values without an offset.
        formats: strptime formats, tried on text and integers in this order, before anything else;
            `excel` reads day numbers of spreadsheets.

    Raises:
        ConfigurationError: The zone does not exist, or a format cannot describe a date.
    """

    zone: str | None = None
    formats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.zone is not None:
            _check_zone(self.zone)
        for form in self.formats:
            check_format(form)

    def read(self, value: object) -> Reading:
        """Return the timestamp in `value`, or the problem with it; never raises for JSON values."""
        if isinstance(value, str):
            text = value.strip()
            if not self.formats and parse_rfc3339(text) is not None:
                return Reading(text)
            return self._read_text(text)
        if isinstance(value, float):
            if not value.is_integer():
                excel = _read_excel(repr(value), self.zone) if EXCEL in self.formats else None
                return excel or _read_fraction(value)
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self._read_integer(value)
        return _NOT_A_TIME

    def read_all(self, values: list[Any]) -> list[str] | None:
        """Return `values` if each of them is exactly RFC 3339; None if one must be converted."""
        try:
            if self.formats or not all(map(RFC3339.fullmatch, values)):
                return None
            # The pattern does not know how many days a month has.
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


_ISO8601 = re.compile(
    # The date by month, by week or by day of the year,
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
"""Date-times without separators, by length. Read as epoch numbers they would all fall between 1970
and 1986, before there was anything to click on: accepted silently, and wrong."""

_EPOCH = datetime.fromisoformat("1970-01-01")
_TOO_LARGE_AN_EPOCH = 10**19
_EPOCH_UNITS = ((10, 6), (13, 3), (16, 0), (19, -3))
"""Pairs of the most integer digits of a unit, and its power of ten in microseconds."""
_DOWN = Context(prec=40, rounding=ROUND_FLOOR)
_NEAREST = Context(prec=40, rounding=ROUND_HALF_EVEN)

_DAY = timedelta(days=1)
_LONGEST = 100
"""Longer texts are rejected unread, so that junk takes neither cache nor time."""
_MOST_CACHED = 8192

_NOT_A_TIME = Reading(None, "is not a date-time: it is neither text nor a number")
_EMPTY = Reading(None, "is empty")
_UNREADABLE = Reading(
    None, "is not a date-time in a known format; describe the format with --timestamp-format"
)
_NOT_AS_DESCRIBED = Reading(None, "matches neither --timestamp-format nor any known format")
SWAPPED = Reading(
    None, "matches the format only if day and month are swapped; the format may be wrong"
)
"""All rejected timestamps of a run may have this problem; then the format is probably wrong."""
_DAY_NUMBER = Reading(
    None,
    "looks like a day number of Excel; if it is, add --timestamp-format excel, or format = "
    '"excel" to the mapping file',
)
_NOT_FINITE = Reading(None, "is not a finite number")
_TOO_LARGE = Reading(None, "has more digits than an epoch number can have")
_NO_SUCH_TIME = Reading(None, "is not a date-time: there is no such day or time of day")
_NO_SUCH_YEAR = Reading(None, "is outside the years 1 to 9999")
_NO_ZONE = Reading(None, "is a local time without a time zone; name the zone with --timezone")
NO_ZONE_FOR_DAY = Reading(None, "is a date without a time zone; name the zone with --timezone")


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
        if not formats or reading is not _UNREADABLE:
            return reading
        return SWAPPED if matches_swapped(text, formats) else _NOT_AS_DESCRIBED
    whole, fraction = match.groups("")
    if fraction.strip("0"):
        return _read_epoch(Decimal(text), _DOWN)
    return _read_number(whole, text, zone)


def _read_formatted(text: str, formats: tuple[str, ...], zone: str | None) -> Reading | None:
    """Return the reading by the first format that matches; None if none does."""
    if not text.isascii() and any(_is_foreign_digit(character) for character in text):
        return None  # strptime would accept such digits
    for form in formats:
        if form == EXCEL:
            reading = _read_excel(text, zone)
            if reading is not None:
                return reading
            continue
        try:
            parsed = datetime.strptime(text, form)  # noqa: DTZ007 -- the zone is added below
        except (ValueError, OverflowError):
            continue
        offset = parsed.utcoffset()
        if offset is None:
            return _read_local(parsed, zone, is_day=is_day_format(form))
        return _read_at_offset(parsed.replace(tzinfo=None), offset)
    return None


def _read_excel(text: str, zone: str | None) -> Reading | None:
    """Return the reading of a day number of a spreadsheet; None if the text is none."""
    if _NUMBER.fullmatch(text) is None:
        return None
    found = read_day_number(Decimal(text))
    return None if found is None else _read_local(found[0], zone, is_day=found[1])


def _is_foreign_digit(character: str) -> bool:
    return character.isdigit() and not character.isascii()


def _read_fraction(number: float) -> Reading:
    """Read an epoch number with a fraction, as the shortest decimal that gives the same float."""
    decimal = Decimal(repr(number))
    return _read_epoch(decimal, _NEAREST) if decimal.is_finite() else _NOT_FINITE


def _read_number(whole: str, text: str, zone: str | None) -> Reading:
    """Read a whole number, written as `text`: an epoch number, unless it is clearly a date."""
    size = len(whole)
    if whole[:2] in {"19", "20"} and (size == len("yyyymmdd") or size in _COMPACT):
        day = _parse_day(whole[:8])
        if day is not None and size not in _COMPACT:
            return _read_local(day, zone, is_day=True)
        if day is not None and _COMPACT_CLOCK.match(whole, 8) is not None:
            return _COMPACT[size]
    return _read_epoch(Decimal(text), _DOWN)


def _read_epoch(number: Decimal, rounding: Context) -> Reading:
    if looks_like_day_number(number):
        return _DAY_NUMBER
    digits = number.adjusted() + 1
    for most, exponent in _EPOCH_UNITS:
        if digits <= most:
            scaled = rounding.to_integral_value(rounding.scaleb(number, exponent))
            seconds, microseconds = divmod(int(scaled), 1_000_000)
            return Reading(text_of(_EPOCH + timedelta(0, seconds, microseconds)))
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
        reading = Reading(text_of(local))
    return reading if leap is None else _at_leap_second(reading)


def _parse_rare(day_text: str, clock: str) -> datetime | None:
    """Parse what `datetime` does not: a day of the year, 24:00, and a leap second.

    A leap second is returned as the second before it.
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
    """Return midnight of a date by month, week or day of the year; None if it does not exist."""
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
    """Move 23:59:59 to the leap second after it; at any other second there is none."""
    if reading.text is None:
        return reading
    if reading.text[11:19] != "23:59:59":
        return _NO_SUCH_TIME
    return reading._replace(text=f"{reading.text[:17]}60{reading.text[19:]}")


def _read_at_offset(local: datetime, offset: timedelta) -> Reading:
    try:
        return Reading(text_of(local - offset))
    except OverflowError:
        return _NO_SUCH_YEAR


def _read_local(local: datetime, zone: str | None, *, is_day: bool) -> Reading:
    """Convert a local time in `zone`, or the start of a local day, to UTC."""
    if zone is None:
        return NO_ZONE_FOR_DAY if is_day else _NO_ZONE
    clocks = _zone(zone)
    offset = clocks.utcoffset(local)
    try:
        # No clock was ever changed by more than a day, so an equal offset a day before and after
        # rules out an ambiguous time.
        if offset == clocks.utcoffset(local - _DAY) == clocks.utcoffset(local + _DAY):
            return _read_at_offset(local, offset or timedelta(0))
    except OverflowError:
        pass
    return _read_near_change(local, clocks, is_day=is_day)


def _read_near_change(local: datetime, zone: ZoneInfo, *, is_day: bool) -> Reading:
    """Convert a local time within a day of a clock change in `zone`, or of a possible one."""
    try:
        earlier = local.replace(tzinfo=zone).astimezone(UTC)
        later = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
        shown = earlier.astimezone(zone)
    except OverflowError:
        return _NO_SUCH_YEAR
    text = text_of(earlier.replace(tzinfo=None))
    if earlier == later or (is_day and shown.date() == local.date()):
        return Reading(text)  # a day has a start even if its midnight is skipped or repeated
    if earlier < later:
        note = (
            f"is ambiguous, because clocks were set back in {zone.key}; "
            "miso-upload used the earlier of the two times"
        )
    else:
        note = (
            f"does not exist, because clocks were set forward in {zone.key}; "
            "miso-upload moved it forward by the same amount"
        )
    return Reading(text, note=note)


def text_of(time_in_utc: datetime) -> str:
    """Return a time in UTC, with milli- or microseconds only if it needs them."""
    if not time_in_utc.microsecond:
        return time_in_utc.isoformat() + "Z"
    precision = "auto" if time_in_utc.microsecond % 1000 else "milliseconds"
    return time_in_utc.isoformat(timespec=precision) + "Z"


@lru_cache
def _zone(name: str) -> ZoneInfo:
    # Imported only for local times, because most timestamps have an offset.
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
    if near:
        raise ConfigurationError(
            f"--timezone {name}: there is no such time zone; did you mean {' or '.join(near)}?"
        )
    raise ConfigurationError(
        f"--timezone {name}: there is no such time zone; "
        "use an IANA name such as Europe/Berlin or UTC"
    )
