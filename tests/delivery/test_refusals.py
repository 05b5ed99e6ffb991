import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.delivery.refusals import read_refusal


def texts(*lines, count=10):
    """Return what is read from a 422, as the sentences that a user sees."""
    return {
        index: [reason.text for reason in reasons]
        for index, reasons in read_refusal(list(lines), count).items()
    }


def test_a_line_names_the_record_the_attribute_and_the_reason(golden):
    line = "data.3.timestamp is invalid. The attribute should match the 'date-time' format."

    assert texts(line) == golden


def test_a_value_in_parentheses_is_separated_from_the_reason(golden):
    (reason,) = read_refusal(["data.0.rating (-3) is invalid. Too small."], 1)[0]

    assert "-3" in reason.text
    assert "-3" not in reason.group
    assert (reason.group, reason.text) == golden


@pytest.mark.parametrize(
    "value",
    [
        "a) is invalid. data.7.x (b",
        "data.7.x is invalid. No.",
        "((((",
        "))))",
        "two\nlines",
        "",
        "\u202e\x1b[31m",
    ],
)
def test_a_value_may_contain_anything(value):
    line = f"data.2.context.page.title ({value}) is invalid. Wrong."

    found = read_refusal([line], 10)

    assert list(found) == [2]
    assert found[2][0].group.endswith("context.page.title is invalid. Wrong.")
    assert found[2][0].text.isprintable()


def test_a_line_may_be_about_the_whole_record(golden):
    said = "data.4 is invalid. It matches no type."

    assert texts(said) == golden


def test_a_path_may_contain_spaces():
    said = "context.custom_context.my own key is invalid. Wrong."

    ((index, (reason,)),) = texts(f"data.1.{said}").items()

    assert index == 1
    assert reason.endswith(said)


def test_a_reason_may_have_several_lines():
    ((_, (reason,)),) = texts("data.1.type is invalid.\nIt should be\none of these.").items()

    assert reason.endswith("It should be\\u000aone of these.")


def test_several_reasons_for_one_record_are_kept_together():
    found = read_refusal(["data.1.a is invalid. X.", "data.0.b is invalid. Y."] * 2, 5)

    assert {index: len(reasons) for index, reasons in found.items()} == {0: 2, 1: 2}


def test_unknown_wording_is_quoted():
    said = "user_id, we do not like it"

    assert texts("data.2: we do not like it") == {}
    ((reason,),) = texts(f"data.2.{said}").values()
    assert reason.endswith(said)


@pytest.mark.parametrize(
    "line",
    [
        "data.10.type is invalid. Out of range.",
        "data.99999999999999999999.type is invalid. Out of any range.",
        "data.-1.type is invalid.",
        "data.1x is invalid.",
        "data.\u0663.type is invalid.",
        "see data.1.type is invalid.",
        "Its data type is not consistent with other records",
        "",
        None,
        7,
        {"loc": ["body", "data", 1]},
    ],
)
def test_a_line_without_a_valid_index_is_ignored(line):
    assert read_refusal([line], 10) == {}


@pytest.mark.parametrize("lines", [None, {}, {"errors": []}, "data.0 is invalid.", 3, []])
def test_anything_but_a_list_of_lines_is_ignored(lines):
    assert read_refusal(lines, 10) == {}


@pytest.mark.parametrize("text", ["(" * 300_000, " " * 300_000, ") is" * 100_000, "\n(" * 100_000])
def test_a_huge_line_is_parsed_fast(text):
    """A search that goes back and forth would take hours for these."""
    assert list(read_refusal([f"data.0.{text}", f"data.1.x ({text}) is invalid. No."], 2)) == [0, 1]


@given(st.integers(0, 20), st.text(), st.text(), st.text())
def test_the_index_at_the_start_of_a_line_decides(index, path, value, said):
    line = f"data.{index}.{path} ({value}) is invalid. {said}"

    found = read_refusal([line], 10)

    assert list(found) == ([index] if index < 10 else [])


@given(st.lists(st.text() | st.none() | st.integers()), st.integers(0, 5))
def test_any_line_is_parsed_without_an_error(lines, count):
    assert all(index < count for index in read_refusal(lines, count))
