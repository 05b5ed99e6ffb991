import json
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.pipeline.preview import Shown, preview_text, rows_of, transform_of
from miso_upload.sources import ReadingOptions, Source
from miso_upload.transform.mapping import parse_mapping
from miso_upload.transform.schema.schema import shipped_schema
from tests.helpers.rows import row, write_rows

MAPPING = '[[skip]]\nname = "tests"\ncolumn = "user_id"\nin = ["tester"]'


@pytest.fixture
def shown(tmp_path):
    """Rows of a file and what they become, read so many at a time."""

    def look(rows, at_once=1):
        path = write_rows(tmp_path / "h.jsonl", rows)
        with Source(str(path), ReadingOptions(chunk_size=at_once)) as source:
            transform = transform_of(parse_mapping("m", MAPPING), shipped_schema(), source.format)
            return [
                each
                for block in source.blocks(source.body_start, source.body_line)
                for each in rows_of(block, source.format, transform)
            ]

    return look


@pytest.mark.parametrize("at_once", [1, 100])
def test_each_row_is_there_with_what_becomes_of_it(shown, at_once, golden):
    bad = row(2, type="purchase")

    found = shown([row(1), bad, row(3, user_id="tester"), "no json", row(5)], at_once)

    assert [each.line for each in found] == [1, 2, 3, 4, 5]
    assert (found[0].record, found[4].record) == (row(1), row(5))
    assert found[1].reasons == golden
    assert (found[2].rule, found[2].record, found[2].reasons) == ("tests", None, ())
    assert found[3].row == "no json"


def test_blank_lines_are_no_rows(shown):
    assert [each.line for each in shown([row(1), "", row(3)])] == [1, 3]


def test_a_wide_terminal_has_row_and_record_side_by_side(shown, golden):
    text = preview_text(shown([{**row(1), "colour": "blue"}]), 120)

    (line,) = [line for line in text.splitlines() if line.count("sku-1") == 2]
    assert len(line) <= 120
    assert text.splitlines()[0] == golden


def test_a_narrow_terminal_has_one_under_the_other(shown, golden):
    lines = preview_text(shown([row(1)]), 72).splitlines()

    assert lines[0] == "line 1"
    assert lines == golden


def test_the_reason_and_the_rule_are_told(shown, golden):
    text = preview_text(shown([row(1, type="purchase"), row(2, user_id="tester")]), 72)

    assert text == golden


@pytest.mark.parametrize("width", [72, 120])
def test_addresses_are_hidden(shown, width):
    rows = [row(1, ip="203.0.113.42", note="seen at 2001:db8::42")]

    text = preview_text(shown(rows), width)

    assert "203.0.113" not in text
    assert "2001:db8" not in text


def test_long_rows_are_cut(shown, golden):
    text = preview_text(shown([row(1, **{f"c{number}": number for number in range(99)})]), 72)

    assert text == golden


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    ),
    st.integers(40, 200),
)
def test_whatever_a_row_holds_no_line_of_it_can_act_on_a_terminal(value, width):
    text = preview_text(
        [Shown(1, value, rule="x"), Shown(2, value, {"type": json.dumps(value)})], width
    )

    assert not [char for char in text.replace("\n", "") if category(char).startswith("C")]
