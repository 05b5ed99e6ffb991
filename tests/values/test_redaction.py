"""Addresses are hidden wherever they are; times and browsers' versions are not taken for them."""

from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from miso_upload.values.display import printable, quoted
from miso_upload.values.redaction import HIDDEN, has_address, without_addresses

CLOCKS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2099, 12, 31))  # noqa: DTZ001
OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AROUND = ["", " ", "[", "]", '"', "'", "x=", "=", ", ", " - - ", "\n", ";", "(", ")", " GET / "]
TIMES = [
    "29/Oct/2026:10:00:00 +0000",
    "29-OCT-26 10.00.00.000000 AM",
    "10:00:00",
    "2026-10-29T10:00:00.123Z",
]


def oracle(moment, *, year, digits):
    """Return a time as Oracle's NLS_TIMESTAMP_FORMAT has it: DD-MON-RR HH.MI.SSXFF AM."""
    fraction = f"{moment.microsecond:06}000"[:digits]
    day = f"{moment:%d-%b-}{moment:{year}}".upper()
    return f"{day} {moment:%I.%M.%S}{'.' if digits else ''}{fraction} {moment:%p}"


@given(CLOCKS, OFFSETS, st.sampled_from(AROUND), st.sampled_from(AROUND))
def test_times_of_access_logs_are_shown(moment, zone, before, after):
    time = f"{moment.replace(tzinfo=zone):%d/%b/%Y:%H:%M:%S %z}"

    assert time in without_addresses(before + time + after)
    assert time in quoted(time)
    assert not has_address(f"[{time}]")


@given(
    CLOCKS, st.sampled_from(["%y", "%Y"]), st.integers(0, 9), st.sampled_from(AROUND),
    st.sampled_from(["", " +02:00", " EUROPE/BERLIN", "]", '"', ", ", "\n", ";", ")"]),
)  # fmt: skip
@example(datetime(2026, 10, 29, 10, tzinfo=UTC), "%y", 6, "", "")
@example(datetime(2026, 10, 29, 1, 2, 3, tzinfo=UTC), "%Y", 3, '"', '"')
def test_times_of_oracle_are_shown(moment, year, digits, before, after):
    time = oracle(moment, year=year, digits=digits)

    assert time in without_addresses(before + time + after)


@pytest.mark.parametrize(
    "text",
    [
        "29-OCT-26 10.00.00.000000 AM",
        "29-OCT-26 10.00.00.000000000 PM +02:00",
        "29-oct-26 10.00.00.123 A.M.",
        "29-OKT-26 22.15.30.123456",
        "29-OKTOBER-2026 22.15.30.1234",
        "29%2FOct%2F2026%3A10%3A00%3A00%20%2B0000",
        "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.6099.109 Safari/537.36 Edg/4.0.223.11",
        "1.2.3",
        "1.300.2.4",
        "5.4.1024.7",
    ],
)
def test_what_looks_like_an_address_and_is_none_is_shown(text):
    assert without_addresses(text) == text
    assert not has_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4",
        "29-OCT-26 10.20.30.40",
        "29-OCT-26 10.20.30.40 GET /",
        "/Chromes/203.0.113.7",
        "/visitors/203.0.113.7",
        "29/Oct/2026:10:00:00:1",
        "29/Oct/2026:10:00:10.20.30.40",
        "29/Oct/2026:10:00:0f:1::7",
        "99/Oct/2026:10:00:00",
        "29-OCT-26 10.00.00.000000.1.2.3",
        "2001:db8:85a3:8d3",
        "1.3.6.1.4.1",
    ],
)
def test_what_may_be_an_address_is_hidden(text):
    assert HIDDEN in without_addresses(text)
    assert has_address(text)


WORDS = st.sampled_from([*AROUND, *TIMES, *(f"{time} " for time in TIMES), "_", "a", "7", "-", "/"])


@given(WORDS, st.ip_addresses(), WORDS)
def test_no_address_is_shown_whatever_is_around_it(before, address, after):
    text = f"{before}{address}{after}"
    shown = without_addresses(text)

    assert has_address(text)
    assert str(address) not in shown
    assert HIDDEN in shown
    assert HIDDEN in printable(text)


@given(st.ip_addresses(v=4), st.sampled_from(["-", "_", "%2E"]))
def test_addresses_in_names_of_hosts_are_hidden(address, between):
    name = f"host{str(address).replace('.', between)}.example"

    assert without_addresses(name) == f"host{HIDDEN}.example"


@given(st.lists(st.sampled_from([*TIMES, str(IPv4Address("203.0.113.7"))]), max_size=5))
def test_only_addresses_are_taken_out_of_a_line(words):
    expected = [HIDDEN if word == "203.0.113.7" else word for word in words]

    assert without_addresses(" | ".join(words)) == " | ".join(expected)
