import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.values.display import (
    MOST_PRINTED,
    counted,
    harmless,
    one_line,
    printable,
    quoted,
)
from miso_upload.values.redaction import has_address


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7",
        "visitor_203.0.113.7",
        "a203.0.113.7b",
        "2001:db8::7",
        "x=::1",
        "::ffff:1.2.3.4",
        "client.203.0.113.7.isp.example",
        "id2001:db8::7",
        "2001:db8:0:0:0:0:0:7:443",
        "1203.0.113.7",
        "203-0-113-7",
        "2001%3Adb8%3A%3A7",
        "203%2E0%2E113%2E7",
    ],
)
def test_an_address_is_never_shown(text):
    assert text not in quoted(text) + printable(f"before {text} after")


@pytest.mark.parametrize(
    "text",
    [
        "10:30:00",
        "2024-05-01",
        "123e4567-e89b-12d3-a456-426614174000",
        "2024-01-01T10:30:00Z",
        "a:b",
        "1.2.3",
        "::"[:1],
    ],
)
def test_what_is_no_address_is_shown(text):
    assert text in printable(text)


def test_a_value_is_shown_as_short_json():
    assert quoted({"a": [1, None]}) == '{"a":[1,null]}'
    assert len(quoted("x" * 500)) == 40


def test_control_characters_cannot_act_on_a_terminal():
    shown = printable("red \x1b[31m alert\r\nfake line \u202e reversed")

    assert shown == "red \\u001b[31m alert\\u000d\\u000afake line \\u202e reversed"


@given(st.text())
def test_whatever_is_printed_stays_on_one_line(text):
    shown = printable(text)

    assert len(shown.splitlines()) <= 1
    assert len(text) > MOST_PRINTED or not any(ord(char) < 32 for char in shown)


@given(st.text())
def test_json_made_harmless_is_the_same_json(text):
    said = json.dumps({text: [text]}, ensure_ascii=False)

    assert json.loads(harmless(said)) == json.loads(one_line(said)) == {text: [text]}
    assert one_line(said).isprintable()


@pytest.mark.parametrize("piece", ["a", "1", ":", "1.", "1:", "1-", "a%3", "%3a", "1_1-", "::1."])
def test_masking_takes_no_longer_than_the_text_is_long(piece):
    """A row may be megabytes; what takes the square of that would not come to an end here."""
    has_address(piece * 500_000)


def test_a_noun_goes_with_its_number():
    assert [counted(number, "row") for number in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert counted(1, "row was", "rows were") == "1 row was"
    assert counted(2, "row was", "rows were") == "2 rows were"
