"""Values of a result keep all their digits, and the zone that they have or do not have."""

from pathlib import Path

import pytest

VALUES = {
    "TIMESTAMP '2025-01-01 10:00:00'": "2025-01-01T10:00:00",
    "TIMESTAMP_NS '2025-01-01 10:00:00.123456789'": "2025-01-01T10:00:00.123456789",
    "TIMESTAMPTZ '2025-01-01 10:00:00.5+02'": "2025-01-01T08:00:00.5Z",
    "DATE '2025-01-01'": "2025-01-01",
    "1.10::DECIMAL(20, 2)": 1.1,
    "15::DECIMAL(20, 2)": 15.0,
    "0::DECIMAL(5, 2)": 0.0,
    "-0.5::DECIMAL(5, 2)": -0.5,
    "12345678901234567890.12::DECIMAL(30, 2)": "12345678901234567890.12",
    "9007199254740993::DECIMAL(20, 0)": 9007199254740993,
    "5::HUGEINT": 5,
    "170141183460469231731687303715884105727": "170141183460469231731687303715884105727",
    "18446744073709551615::UBIGINT": 18446744073709551615,
    "-9223372036854775808": -9223372036854775808,
    "0.1::FLOAT": 0.1,
    "1e300": 1e300,
    "'NaN'::DOUBLE": None,
    "'-inf'::FLOAT": None,
    "NULL": None,
    "'ab'::BLOB": "ab",
    "'\\xFF'::BLOB": {"hex": "ff"},
    "[1.10::DECIMAL(4, 2), NULL]": [1.1, None],
    "[[TIMESTAMP '2025-01-01 10:00:00'], NULL]": [["2025-01-01T10:00:00"], None],
    "{'a': 0.1::FLOAT, 'it''s': [5::HUGEINT]}": {"a": 0.1, "it's": [5]},
    "[{'at': TIMESTAMPTZ '2025-01-01 10:00:00+00'}]": [{"at": "2025-01-01T10:00:00Z"}],
    "NULL::STRUCT(a FLOAT)": None,
    "MAP {'k': 1.50::DECIMAL(4, 2)}": {"k": 1.5},
    "'{\"a\": [1]}'::JSON": {"a": [1]},
    "'{\"a\": [1]}'": '{"a": [1]}',
    "'line\nbreak \"quote\"'": 'line\nbreak "quote"',
}


@pytest.mark.parametrize(("sql", "value"), VALUES.items(), ids=VALUES.keys())
def test_a_value_becomes_json_without_loss(result, sql, value):
    Path("one.csv").write_text("x\n1\n")
    rows, _ = result(f"SELECT {sql} AS v FROM input", "one.csv")
    assert rows == [{"v": value}]
    assert type(rows[0]["v"]) is type(value)


def test_rows_come_in_the_order_of_the_query(result):
    Path("one.csv").write_text("x\n1\n")
    rows, notes = result("SELECT range AS n FROM range(100000) ORDER BY hash(range)", "one.csv")
    again, _ = result("SELECT range AS n FROM range(100000) ORDER BY hash(range)", "one.csv")
    assert rows == again != sorted(rows, key=lambda row: row["n"])
    assert not notes


def test_a_query_without_an_order_has_a_note_about_row_numbers(result):
    Path("one.csv").write_text("x\n1\n")
    assert any("ORDER BY" in note for note in result("FROM (FROM input ORDER BY x)", "one.csv")[1])
