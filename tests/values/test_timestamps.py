import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError
from miso_upload.values.rfc3339 import parse_rfc3339
from miso_upload.values.timestamps import TimestampReader

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ARABIC = str.maketrans({str(digit): chr(0x660 + digit) for digit in range(10)})

without_zone = TimestampReader()
in_berlin = TimestampReader("Europe/Berlin")
validator = jsonschema_rs.validator_for(
    {"type": "string", "format": "date-time"}, validate_formats=True
)


def reads(value, reader=without_zone):
    """Return the text of a value that is read without a problem or a note."""
    text, problem, note = reader.read(value)
    assert (problem, note) == (None, None)
    return text


def instant(text):
    """Return the time of an RFC 3339 text, parsed independently of the module."""
    form = "%Y-%m-%dT%H:%M:%S.%f%z" if "." in text else "%Y-%m-%dT%H:%M:%S%z"
    return datetime.strptime(text, form)  # noqa: DTZ007 -- it has %z


def between(first, last):
    """Return times in UTC between two days."""
    bounds = map(datetime.fromisoformat, (first, last))
    return st.datetimes(*bounds, timezones=st.just(UTC))


class Case(NamedTuple):
    """A value, and the text that it is read as; None where it is a problem."""

    value: object
    text: str | None = None
    zone: str | None = None
    formats: tuple[str, ...] = ()
    has_note: bool = False


# What is read: the cases of each behaviour. The texts of problems and notes are golden.
CASES = {
    "RFC 3339 is returned byte for byte": [
        Case("2019-10-01T00:00:00Z", "2019-10-01T00:00:00Z"),
        Case("2019-10-01t00:00:00z", "2019-10-01t00:00:00z"),
        Case("2019-10-01T00:00:00.1Z", "2019-10-01T00:00:00.1Z"),
        Case("2019-10-01T00:00:00.123456789012Z", "2019-10-01T00:00:00.123456789012Z"),
        Case("2019-10-01T23:59:59+23:59", "2019-10-01T23:59:59+23:59"),
        Case("2019-10-01T00:00:00-00:00", "2019-10-01T00:00:00-00:00"),
        Case("2020-02-29T12:00:00.000-08:00", "2020-02-29T12:00:00.000-08:00"),
        Case("2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"),
        Case("2016-12-31T15:59:60.5-08:00", "2016-12-31T15:59:60.5-08:00"),
        Case("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        Case("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
    "other ISO 8601 is converted to UTC": [
        Case("2019-10-01 00:00:00Z", "2019-10-01T00:00:00Z"),
        Case("2019-10-01 00:00:00 Z", "2019-10-01T00:00:00Z"),
        Case("2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00Z"),
        Case("2019-10-01 00:00:00.123456 UTC", "2019-10-01T00:00:00.123456Z"),
        Case("2019-10-01  00:00:00 GMT", "2019-10-01T00:00:00Z"),
        Case("2019-10-01 00:00:00+00", "2019-10-01T00:00:00Z"),
        Case("2019-10-01T00:00:00+0000", "2019-10-01T00:00:00Z"),
        Case("2019-10-01T00:00:00 -0230", "2019-10-01T02:30:00Z"),
        Case("2019-10-01 00:00:00 +05:30", "2019-09-30T18:30:00Z"),
        Case("2019-10-01T02+02", "2019-10-01T00:00:00Z"),
        Case("2019-10-01T02:30Z", "2019-10-01T02:30:00Z"),
        Case("20191001T023045Z", "2019-10-01T02:30:45Z"),
        Case("20191001T0230Z", "2019-10-01T02:30:00Z"),
        Case("20191001 02:30:45.5Z", "2019-10-01T02:30:45.500Z"),
        Case("2019-10-01T00:00:00,25Z", "2019-10-01T00:00:00.250Z"),
        Case("2019-10-01 00:00:00.000000Z", "2019-10-01T00:00:00Z"),
        Case("2019-10-01 00:00:00.120Z", "2019-10-01T00:00:00.120Z"),
        Case("2019-10-01 00:00:00.1200001Z", "2019-10-01T00:00:00.120Z"),
        Case("2019-10-01 00:00:00.1234567Z", "2019-10-01T00:00:00.123456Z"),
        Case("2019-W40-2T00:00:00Z", "2019-10-01T00:00:00Z"),
        Case("2019W402T000000Z", "2019-10-01T00:00:00Z"),
        Case("2019-274T00:00:00Z", "2019-10-01T00:00:00Z"),
        Case("2019274T000000Z", "2019-10-01T00:00:00Z"),
        Case("2020-366T12:00Z", "2020-12-31T12:00:00Z"),
        Case("2019-09-30T24:00Z", "2019-10-01T00:00:00Z"),
        Case("2019-09-30T24:00:00.0+02:00", "2019-09-30T22:00:00Z"),
        Case("2016-12-31 23:59:60 UTC", "2016-12-31T23:59:60Z"),
        Case("20161231T235960,5Z", "2016-12-31T23:59:60.500Z"),
        Case("2017-01-01 01:59:60+0200", "2016-12-31T23:59:60Z"),
        Case(" \t2019-10-01T02:00:00+02:00\r\n", "2019-10-01T02:00:00+02:00"),
        Case("2019-10-01 00:00:00+0000", "2019-10-01T00:00:00Z", zone="Europe/Berlin"),
    ],
    "a time that does not exist": [
        Case(""),
        Case("   "),
        Case("2019-02-29"),
        Case("2019-02-29T00:00:00Z"),
        Case("2019-13-01 00:00:00"),
        Case("0000-01-01T00:00:00Z"),
        Case("2019-W53-1T00:00:00Z"),
        Case("2019-366T00:00:00Z"),
        Case("2019-000T00:00:00Z"),
        Case("2019-10-01T24:00:01Z"),
        Case("2019-10-01T24:00:00.1Z"),
        Case("2019-10-01T12:00:60Z"),
        Case("9999-12-31T24:00:00Z"),
        Case("9999-12-31 23:59:59-01:00"),
        Case("0001-01-01 00:00:00+01:00"),
        Case("12345678901234567890"),
    ],
    "an unknown format": [
        Case("yesterday"),
        Case("10/01/2019"),
        Case("2019-10"),
        Case("2019-W40"),
        Case("2019-10-01Z"),
        Case("2019-10-01T25:00:00Z"),
        Case("2019-10-01T00:60:00Z"),
        Case("2019-10-01T00:00:00+24:00"),
        Case("2019-10-01T00:00:00.Z"),
        Case("2019-10-01T00:00:00 CET"),
        Case("10000-01-01T00:00:00Z"),
        Case("-2019-10-01T00:00:00Z"),
        Case("2019-10-01T00:00:00Z".translate(ARABIC)),
        Case("2019-10-01T00:00:0\N{FULLWIDTH DIGIT ZERO}Z"),
        Case("1569888000".translate(ARABIC)),
        Case("1.569888e9"),
        Case("+1569888000"),
        Case("1569888000."),
        Case("1_569_888_000"),
        Case("0x5d929a80"),
        Case("NaN"),
        Case("2019-10-01T00:00:00Z\x00"),
        Case("\ud800"),
        Case("9" * 101),
    ],
    "neither text nor number": [
        Case(None),
        Case(True),
        Case(False),
        Case([]),
        Case(["2019-10-01T00:00:00Z"]),
        Case({}),
        Case({"a": 1}),
    ],
    "a zone is never guessed": [
        Case("2019-10-01 00:00:00"),
        Case("2019-10-01T00:00"),
        Case("2016-12-31 23:59:60"),
        Case("2019-10-01"),
        Case("20191001"),
    ],
    "a local time is converted from its zone": [
        Case("2019-10-01 00:00:00", "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case("2019-12-01T00:00:00.5", "2019-11-30T23:00:00.500Z", zone="Europe/Berlin"),
        Case("2019-10-01", "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case("20191001", "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case(20191001, "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case(20191001.0, "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case("20191001.0", "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case("2019-W40-2", "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case("2019-274", "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case("2019-09-30 24:00", "2019-09-30T22:00:00Z", zone="Europe/Berlin"),
        Case("2017-01-01 00:59:60", "2016-12-31T23:59:60Z", zone="Europe/Berlin"),
        Case("9999-12-31", "9999-12-30T23:00:00Z", zone="Europe/Berlin"),
        Case("0001-01-01", zone="Europe/Berlin"),
    ],
    "just outside a clock change": [
        Case("2024-10-27 01:59:59", "2024-10-26T23:59:59Z", "Europe/Berlin"),
        Case("2024-10-27 03:00:00", "2024-10-27T02:00:00Z", "Europe/Berlin"),
        Case("2024-03-31 01:59:59", "2024-03-31T00:59:59Z", "Europe/Berlin"),
        Case("2024-03-31 03:00:00", "2024-03-31T01:00:00Z", "Europe/Berlin"),
        Case("2024-11-03 00:59:59", "2024-11-03T04:59:59Z", "America/New_York"),
        Case("2024-11-03 02:00:00", "2024-11-03T07:00:00Z", "America/New_York"),
        Case("2024-04-07 01:29:59", "2024-04-06T14:29:59Z", "Australia/Lord_Howe"),
        Case("2024-04-07 02:00:00", "2024-04-06T15:30:00Z", "Australia/Lord_Howe"),
    ],
    "the earlier of two ambiguous times": [
        Case("2024-10-27 02:00:00", "2024-10-27T00:00:00Z", "Europe/Berlin", has_note=True),
        Case("2024-10-27 02:59:59.999", "2024-10-27T00:59:59.999Z", "Europe/Berlin", has_note=True),
        Case("2024-11-03 01:30:00", "2024-11-03T05:30:00Z", "America/New_York", has_note=True),
        Case("2024-04-07 01:30:00", "2024-04-06T14:30:00Z", "Australia/Lord_Howe", has_note=True),
        Case("2024-04-07 01:59:59", "2024-04-06T14:59:59Z", "Australia/Lord_Howe", has_note=True),
    ],
    "a skipped time is moved forward": [
        Case("2024-03-31 02:00:00", "2024-03-31T01:00:00Z", "Europe/Berlin", has_note=True),
        Case("2024-03-31 02:30:00", "2024-03-31T01:30:00Z", "Europe/Berlin", has_note=True),
        Case("2024-03-10 02:30:00", "2024-03-10T07:30:00Z", "America/New_York", has_note=True),
        Case("2024-10-06 02:15:00", "2024-10-05T15:45:00Z", "Australia/Lord_Howe", has_note=True),
        Case("2011-12-30 12:00:00", "2011-12-30T22:00:00Z", "Pacific/Apia", has_note=True),
        Case("2011-12-30", "2011-12-30T10:00:00Z", "Pacific/Apia", has_note=True),
    ],
    "a date although clocks change at midnight": [
        Case("2018-11-04", "2018-11-04T03:00:00Z", "America/Sao_Paulo"),
        Case("2024-11-03", "2024-11-03T04:00:00Z", "America/Havana"),
    ],
    "the digits of an epoch number give its unit": [
        Case(0, "1970-01-01T00:00:00Z"),
        Case(-1, "1969-12-31T23:59:59Z"),
        Case(1569888000, "2019-10-01T00:00:00Z"),
        Case(9999999999, "2286-11-20T17:46:39Z"),
        Case(10000000000, "1970-04-26T17:46:40Z"),
        Case(1569888000123, "2019-10-01T00:00:00.123Z"),
        Case(1569888000123456, "2019-10-01T00:00:00.123456Z"),
        Case(1569888000123456789, "2019-10-01T00:00:00.123456Z"),
        Case(-1569888000123456789, "1920-04-02T23:59:59.876543Z"),
        Case(9999999999999999999, "2286-11-20T17:46:39.999999Z"),
        Case(1569888000.123, "2019-10-01T00:00:00.123Z"),
        Case(0.7999999999999999, "1970-01-01T00:00:00.800Z"),
        Case(1569888000123.5, "2019-10-01T00:00:00.123500Z"),
        Case(1569888000.0, "2019-10-01T00:00:00Z"),
        Case(1.569888e18, "2019-10-01T00:00:00Z"),
        Case(-0.5, "1969-12-31T23:59:59.500Z"),
        Case(5e-324, "1970-01-01T00:00:00Z"),
        Case("1569888000", "2019-10-01T00:00:00Z"),
        Case(" 1569888000.123 ", "2019-10-01T00:00:00.123Z"),
        Case("1569888000.1239999", "2019-10-01T00:00:00.123999Z"),
        Case("-0.0000001", "1969-12-31T23:59:59.999999Z"),
        Case("1569888000123.4567", "2019-10-01T00:00:00.123456Z"),
        Case("0001569888000", "2019-10-01T00:00:00Z"),
        Case("1569888000." + "9" * 80, "2019-10-01T00:00:00.999999Z"),
        Case("20191301", "1970-08-22T16:41:41Z"),
        Case("-20191001", "1969-05-12T07:23:19Z"),
    ],
    "a number outside all units": [
        Case(float("nan")),
        Case(float("inf")),
        Case(float("-inf")),
        Case(10**19),
        Case(-(10**19)),
        Case(1e300),
    ],
    "a format is read as described": [
        Case(
            "01/Oct/2019:02:00:00 +0200",
            "2019-10-01T00:00:00Z",
            zone="Europe/Berlin",
            formats=("%d/%b/%Y:%H:%M:%S %z",),
        ),
        Case(
            "01.10.2019 02:00",
            "2019-10-01T00:00:00Z",
            zone="Europe/Berlin",
            formats=("%d.%m.%Y %H:%M",),
        ),
        Case(
            "10/01/19 02:00 PM",
            "2019-10-01T12:00:00Z",
            zone="Europe/Berlin",
            formats=("%m/%d/%y %I:%M %p",),
        ),
        Case(
            "2019年10月01日",
            "2019-09-30T22:00:00Z",
            zone="Europe/Berlin",
            formats=("%Y年%m月%d日",),
        ),
        Case(20191001, "2019-09-30T22:00:00Z", zone="Europe/Berlin", formats=("%Y%m%d",)),
        # the first one that matches
        Case("10/01/2019", "2019-01-10T00:00:00Z", "UTC", ("%d/%m/%Y", "%m/%d/%Y")),
        Case("10/13/2019", "2019-10-13T00:00:00Z", "UTC", ("%d/%m/%Y", "%m/%d/%Y")),
        # before RFC 3339
        Case("2019-10-01T00:00:00Z", "2019-01-10T00:00:00Z", "UTC", ("%Y-%d-%mT%H:%M:%SZ",)),
        # although clocks change at midnight
        Case("04/11/2018", "2018-11-04T03:00:00Z", "America/Sao_Paulo", ("%d/%m/%Y",)),
        Case("2019-10-01 %Z", "2019-10-01T00:00:00Z", "UTC", ("%Y-%m-%d %%Z",)),
    ],
    "neither the format nor a usual one": [
        Case("10-01-2019", zone="UTC", formats=("%d/%m/%Y",)),
        Case("01/10/2019".translate(ARABIC), zone="UTC", formats=("%d/%m/%Y",)),
        Case("31/02/2019", zone="UTC", formats=("%d/%m/%Y",)),
        Case("01/01/0000", zone="UTC", formats=("%d/%m/%Y",)),
    ],
    "a value that matches no format is read as usual": [
        Case("2019-10-01T00:00:00Z", "2019-10-01T00:00:00Z", formats=("%d/%m/%Y",)),
        Case("2019-10-01 00:00 UTC", "2019-10-01T00:00:00Z", formats=("%d/%m/%Y",)),
        Case(1569888000, "2019-10-01T00:00:00Z", formats=("%d/%m/%Y",)),
    ],
    "a format without a zone needs one": [
        Case("01/10/2019", formats=("%d/%m/%Y", "%d/%m/%Y %H:%M")),
        Case("01/10/2019 00:00", formats=("%d/%m/%Y", "%d/%m/%Y %H:%M")),
    ],
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{behaviour}: {str(case.value)[:40]!a}")
        for behaviour, cases in CASES.items()
        for case in cases
    ],
)
def test_a_value_is_read_or_is_a_problem(case, golden):
    text, problem, note = TimestampReader(case.zone, case.formats).read(case.value)

    assert text == case.text
    assert (problem is None) == (text is not None)
    assert (note is None) != case.has_note
    assert text is None or validator.is_valid(text)
    if problem or note:
        assert (problem or note) == golden


# Properties of RFC 3339


@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?"
        r"([Zz]|[+-][0-2][0-9]:[0-5][0-9])",
        fullmatch=True,
    )
)
@example("2017-01-01T05:29:60+05:30")
@example("2016-12-31T23:59:60-08:00")
@example("9999-12-31T23:59:60Z")
@example("1900-02-29T00:00:00Z")
def test_reader_and_json_schema_agree_on_what_is_rfc3339(text):
    reading = without_zone.read(text)

    assert (reading.text == text) == (validator.is_valid(text) and not text.startswith("0000"))


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-1439, 1439))
def test_rfc3339_at_any_offset_is_parsed(when, minutes):
    try:
        elsewhere = when.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return

    assert parse_rfc3339(elsewhere.isoformat()) == when
    assert parse_rfc3339(elsewhere.isoformat().lower()) == when


def test_a_leap_second_is_parsed_as_the_second_after_it():
    assert parse_rfc3339("2016-12-31T15:59:60-08:00") == datetime(2017, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "2019-10-01", "2019-10-01 00:00:00Z", "2019-06-01T12:00:60Z", "2019-02-29T00:00:00Z"],
)
def test_only_rfc3339_is_parsed(text):
    assert parse_rfc3339(text) is None


# Other ISO 8601 formats


WRITTEN = [
    "%Y-%m-%d %H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S,%f%z",
    "%Y%m%dT%H%M%S.%f%z",
    "%G-W%V-%uT%H:%M:%S.%f %z",
    "%GW%V%uT%H%M%S.%f%z",
    "%Y-%jT%H:%M:%S.%f%z",
    "%Y%j %H:%M:%S.%f%z",
]


@given(
    between("1000-01-03", "9999-12-29"),
    st.integers(-1439, 1439),
    st.sampled_from(WRITTEN),
)
def test_every_iso8601_format_keeps_the_instant(when, minutes, form):
    when = when.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    text = reads(when.strftime(form))

    assert validator.is_valid(text)
    assert instant(text) == when


# Local times


@given(
    between("1980-01-01", "2037-12-31"),
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata"]
    ),
)
@example(datetime(2024, 10, 27, 0, 30, tzinfo=UTC), "Europe/Berlin")
@example(datetime(2024, 10, 27, 1, 30, tzinfo=UTC), "Europe/Berlin")
@example(datetime(2024, 4, 6, 14, 45, tzinfo=UTC), "Australia/Lord_Howe")
def test_local_times_convert_back_to_the_same_instant(when, zone):
    local = when.astimezone(ZoneInfo(zone))

    reading = TimestampReader(zone).read(local.strftime("%Y-%m-%d %H:%M:%S.%f"))

    twin = local.replace(fold=1 - local.fold).astimezone(UTC)
    assert instant(reading.text) == min(when, twin)
    assert (reading.note is not None) == (when != twin)


# Epoch numbers


@given(
    st.sampled_from([(0, 10**10, 1), (10**10, 10**13, 1000), (10**13, 10**16, 10**6),
                     (10**16, 10**19, 10**9)]).flatmap(
        lambda unit: st.tuples(st.integers(unit[0], unit[1] - 1), st.just(unit[2]))
    ),
    st.sampled_from([1, -1]),
)  # fmt: skip
def test_every_epoch_unit_keeps_the_instant(counted, sign):
    number, per_second = counted[0] * sign, counted[1]
    reading = in_berlin.read(number)

    if reading.problem is None and len(str(number)) != 8:
        microseconds = (instant(reading.text) - EPOCH) // MICROSECOND
        assert microseconds == number * 1_000_000 // per_second
        assert in_berlin.read(str(number)) == reading


@given(between("1970-01-02", "2242-03-16"))
def test_a_float_of_seconds_keeps_its_microseconds(when):
    # Smaller numbers look like days of Excel, and after 2242 floats of seconds become coarser.
    text = reads(float(Fraction((when - EPOCH) // MICROSECOND, 1_000_000)))

    assert instant(text) == when


@given(st.decimals(-(10**10) + 1, 10**10 - 1, places=9))
def test_a_fraction_is_rounded_down_to_the_microsecond(number):
    reading = without_zone.read(f"{number:f}")

    if reading.problem is None:
        cut = Decimal((instant(reading.text) - EPOCH) // MICROSECOND) / 1_000_000
        assert 0 <= number - cut < Decimal("0.000001")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("201910010230", "%Y%m%d%H%M"),
        ("20191001023045", "%Y%m%d%H%M%S"),
        ("20191001023045123", "%Y%m%d%H%M%S%f"),
    ],
)
def test_a_date_time_without_separators_is_not_an_epoch_number(text, form):
    """The way out that the problem names is one."""
    for value in (text, int(text)):
        assert f"--timestamp-format {form}" in without_zone.read(value).problem
        assert reads(value, TimestampReader("UTC", (form,))).startswith("2019-10-01T02:30:")


@pytest.mark.parametrize("text", ["20191001250000", "20191301000000", "15698880000000"])
def test_fourteen_digits_that_are_not_a_date_are_an_epoch_number(text):
    assert reads(text).startswith("1970-")


# Options

# A zone or formats that are refused, and what the message names. The messages are golden.
REFUSED = [
    ("Europe/Berln", (), "Europe/Berlin"),
    ("europe/berlin", (), "Europe/Berlin"),
    ("Berlin", (), "Europe/Berlin"),
    ("Europe", (), ""),
    ("", (), "Europe/Berlin"),
    ("/etc/localtime", (), ""),
    ("../Berlin", (), ""),
    ("localtime", (), ""),
    ("right/UTC", (), ""),
    ("+02:00", (), ""),
    ("x" * 300, (), ""),
    ("a\x00b", (), ""),
    ("UTC", ("%d/%m",), ""),
    ("UTC", ("%H:%M:%S",), ""),
    ("UTC", ("",), ""),
    ("UTC", ("%Y-%m-%d %I:%M",), ""),
    ("UTC", ("%Y-%m-%d %M:%S",), ""),
    ("UTC", ("%Y-%m-%d %H:%M %Z",), ""),
]


@pytest.mark.parametrize(("zone", "formats", "named"), REFUSED)
def test_an_option_that_cannot_be_used_is_refused(zone, formats, named, golden):
    with pytest.raises(ConfigurationError) as caught:
        TimestampReader(zone, formats)

    assert formats or str(caught.value).startswith(f"--timezone {zone}: ")
    assert named in str(caught.value)
    assert str(caught.value) == golden


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("%Q", "bad directive"),
        ("%s", "bad directive"),
        ("%Y-%m-%d %", "stray %"),
        ("%Y %Y", "redefinition"),
        ("\ud800", "surrogates"),
    ],
)
def test_a_format_that_python_does_not_take_is_refused_with_its_reason(form, reason):
    with pytest.raises(ConfigurationError, match=reason):
        TimestampReader("UTC", (form,))


def test_a_reader_can_be_pickled():
    reader = TimestampReader("Europe/Berlin", ("%d/%m/%Y",))

    assert pickle.loads(pickle.dumps(reader)) == reader


# Arbitrary values

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
near_timestamps = st.builds(
    "".join,
    st.tuples(
        st.from_regex(
            r"[0-9]{4}(-?[0-3][0-9]){2}|[0-9]{4}-?W[0-9]{2}-?[0-9]|[0-9]{7}", fullmatch=True
        ),
        st.from_regex(r"([T ][0-2][0-9](:?[0-6][0-9]){0,2}([.,][0-9]{1,9})?)?", fullmatch=True),
        st.from_regex(r"( ?(Z|z|UTC|[+-][0-2][0-9]:?[0-6][0-9]))?", fullmatch=True),
    ),
)
readers = st.sampled_from(
    [without_zone, in_berlin, TimestampReader("Pacific/Apia", ("%d/%m/%Y", "%Y-%m-%dT%H:%M:%S%z"))]
)


@given(
    st.one_of(
        json_values,
        near_timestamps,
        st.text("0123456789-:.,+TZWUCGMtz ", max_size=30),
        st.integers(-(10**20), 10**20),
    ),
    readers,
)
@example("9999-12-31T23:59:60Z", without_zone)
@example(10**5000, without_zone)
def test_every_text_that_is_read_is_valid_json_schema(value, reader):
    text, problem, note = reader.read(value)

    assert (text is None) != (problem is None)
    assert note is None or text is not None
    assert text is None or validator.is_valid(text)
