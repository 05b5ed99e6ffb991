"""Numbers are read in the convention that is declared for their column, and in no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.transform.mapping.cells import CellError, Noted
from miso_upload.transform.mapping.conventions import number_reader
from tests.transform.mapping.test_file import attribute

COMMA, POINT = (",", None), (".", None)


def read(text, convention):
    value = number_reader(*convention)(text)
    return (value.value, value.notes[0][1]) if isinstance(value, Noted) else value


@pytest.mark.parametrize(
    ("text", "convention", "number"),
    [
        ("2.345,67", COMMA, 2345.67),
        ("67,5", COMMA, 67.5),
        ("2.345", COMMA, 2345),
        ("2345", COMMA, 2345),
        ("1.234.567,8", COMMA, 1234567.8),
        (",5", COMMA, 0.5),
        ("2,345.67", POINT, 2345.67),
        ("12,34,567.5", POINT, 1234567.5),
        ("2 345,67", (",", " "), 2345.67),
        ("2\u00a0345,67", (",", " "), 2345.67),
        ("2\u202f345,67", (",", " "), 2345.67),
        ("2'345.67", (".", "'"), 2345.67),
        ("2\u2019345.67", (".", "'"), 2345.67),
        ("2345,67", (",", ""), 2345.67),
        ("2.345,5", (None, "."), 2345.5),
        (12.5, COMMA, 12.5),
    ],
)
def test_a_number_is_read_in_its_convention(text, convention, number):
    assert read(text, convention) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("(3,50)", -3.5), ("3,50-", -3.5), ("-3,50", -3.5), ("\u22123,50", -3.5), ("+3,50", 3.5)],
)
def test_a_negative_number_has_a_minus_or_parentheses(text, number):
    assert read(text, COMMA) == number


@pytest.mark.parametrize(
    ("text", "number", "currency"),
    [
        ("9,50 €", 9.5, "EUR"), ("€9,50", 9.5, "EUR"), ("EUR 9,50", 9.5, "EUR"),
        ("-9,50 zł", -9.5, "PLN"), ("$ -9,50", -9.5, "$"), ("(9,50 kr)", -9.5, "kr"),
        ("CHF\u00a09", 9, "CHF"), ("9,50 €-", -9.5, "EUR"),
    ],
)  # fmt: skip
def test_a_currency_is_noted(text, number, currency):
    assert read(text, COMMA) == (number, currency)


@pytest.mark.parametrize(
    "text",
    ["2,345.67", "1'200.50 CHF", "2345.67", "1.23,4", "1.2345", "1,2,3", "", "€", "9 € EUR", "--9",
     "(9", "-(9)", "9 kg", "abc", "1 2", "\u0663,\u0665"],
)  # fmt: skip
def test_a_number_that_contradicts_the_convention_is_refused(text):
    with pytest.raises(CellError):
        read(text, COMMA)


@given(
    st.text(" 0123456789.,'-()€EUR\u00a0x", max_size=100) | st.text(max_size=20),
    st.sampled_from([COMMA, POINT, (",", " "), (".", ""), (None, ".")]),
)
def test_any_text_is_a_number_or_refused(text, convention):
    try:
        value = read(text, convention)
    except CellError:
        return
    assert any(character in "0123456789" for character in text)
    assert value is not None


@given(st.integers(-(10**15), 10**15), st.sampled_from([".", ",", " ", "'", ""]))
def test_grouped_numbers_are_read_back(number, separator):
    text = f"{number:,}".replace(",", separator)
    mark = "." if separator == "," else ","

    assert read(text, (mark, separator)) == number


def test_the_mapping_declares_the_convention_of_a_column():
    rule = '{ column = "total", decimal = ",", scale = 0.5, min = 0 }'

    assert attribute("revenue", rule, {"total": "2.000,50 €"}) == 1000.25
    assert "less than 0" in attribute("revenue", rule, {"total": "(1,00 €)"})[0]


def test_without_a_declaration_the_reason_names_the_setting():
    reasons = attribute("revenue", '"total"', {"total": "2.345,67"})

    assert "decimal =" in reasons[0]
