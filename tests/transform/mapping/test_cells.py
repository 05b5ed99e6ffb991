import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.transform.mapping.cells import CellError, converter
from miso_upload.transform.schema.schema import Kind


def convert(kind, value, separator=None):
    return converter(kind, separator)(value)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("3", 3), (" 19.99 ", 19.99), ("-2", -2), ("+4", 4), ("1e3", 1000.0), (".5", 0.5), ("007", 7)],
)
def test_plain_decimal_text_becomes_a_number(cell, number):
    assert convert(Kind.NUMBER, cell) == number


@pytest.mark.parametrize(
    "cell", ["abc", "", "1,299.00", "1_000", "NaN", "inf", "0x10", "٣", "1.2.3", "--1", True, None]
)
def test_text_that_is_no_plain_number_is_refused(cell):
    with pytest.raises(CellError):
        convert(Kind.NUMBER, cell)


@pytest.mark.parametrize("cell", ["9" * 30, "1e999", "-1e999"])
def test_a_number_too_large_for_json_is_refused(cell):
    with pytest.raises(CellError):
        convert(Kind.NUMBER, cell)


@given(st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_a_round_trip_through_text(number):
    assert convert(Kind.NUMBER, repr(number)) == number
    assert math.isfinite(convert(Kind.NUMBER, repr(number)))


def test_an_integer_is_converted_to_text():
    assert convert(Kind.TEXT, 2103807459595387724) == "2103807459595387724"


@pytest.mark.parametrize("value", [17850.0, True, ["a"], {"a": 1}])
def test_a_value_with_several_spellings_is_not_converted_to_text(value):
    with pytest.raises(CellError):
        convert(Kind.TEXT, value)


def test_one_value_is_a_list_of_one():
    assert convert(Kind.TEXTS, "WW-1, WW-2") == ["WW-1, WW-2"]


def test_a_list_is_split_at_the_configured_separator():
    assert convert(Kind.TEXTS, "a| b ||c", "|") == ["a", "b", "c"]


def test_a_cell_that_is_a_json_array_is_a_list():
    assert convert(Kind.TEXTS, '["a","b"]') == ["a", "b"]


def test_a_cell_that_only_looks_like_a_json_array_is_one_value():
    assert convert(Kind.TEXTS, "[a]") == ["[a]"]


@pytest.mark.parametrize(
    ("cell", "separator", "expected"),
    [("2", None, 2), ("2", "|", [2]), ("1|2", "|", [1, 2]), ("[1,2]", None, [1, 2]), (3, None, 3)],
)
def test_quantities_are_a_number_or_a_list_of_numbers(cell, separator, expected):
    converted = convert(Kind.NUMBERS, cell, separator)

    assert expected in (converted, [converted])


def test_a_json_object_in_a_cell_is_parsed():
    assert convert(Kind.OBJECT, '{"page": {"url": "u"}}') == {"page": {"url": "u"}}


@pytest.mark.parametrize("cell", ["[1]", "x", "{", "null", 3])
def test_text_that_is_no_json_object_is_refused(cell):
    with pytest.raises(CellError):
        convert(Kind.OBJECT, cell)
