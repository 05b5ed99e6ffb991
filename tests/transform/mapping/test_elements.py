import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError, MappingError
from miso_upload.records import Reason
from miso_upload.transform.mapping import parse_mapping
from miso_upload.transform.mapping.elements import Each, compile_each, compile_pattern

ROW = {"visit": 7, "page": "a"}


def seen(each, value, column="hits"):
    """Return what the mapping sees of the elements, or the reason why there are none."""
    found = compile_each(each)({**ROW, column: value})
    return found.views if found.reason is None else found.reason


def only(views, *names):
    return [{name: view.get(name) for name in names} for view in views]


@pytest.mark.parametrize("path", ["hits", "hits[]"])
@pytest.mark.parametrize("as_text", [False, True])
def test_the_fields_of_an_object_are_seen_beside_the_rows_and_win(path, as_text):
    hits = [{"page": "b", "n": 1}, {"n": 2}]

    found = seen(Each(path), json.dumps(hits) if as_text else hits)

    assert only(found, "visit", "page", "n") == [
        {"visit": 7, "page": "b", "n": 1},
        {"visit": 7, "page": "a", "n": 2},
    ]


def test_a_value_is_seen_as_item():
    assert only(seen(Each("hits[]"), ["x", 5]), "item") == [{"item": "x"}, {"item": 5}]


def test_with_a_name_an_element_is_seen_under_it_only():
    (found,) = seen(Each("hits[]", name="hit"), [{"page": "b"}])

    assert (found["page"], found["hit"]) == ("a", {"page": "b"})


def test_the_index_counts_all_elements_from_1():
    found = seen(Each("hits[]", index="position"), ["x", None, "y"])

    assert [view and (view["item"], view["position"]) for view in found] == [
        ("x", 1),
        None,
        ("y", 3),
    ]


def test_a_path_goes_through_lists_of_lists():
    sessions = [{"hits": [1, 2]}, {"hits": [3]}]

    found = seen(Each("sessions[].hits[]"), sessions, "sessions")

    assert [view["item"] for view in found] == [1, 2, 3]


@pytest.mark.parametrize("value", [None, "", "  ", [], "[]"])
def test_a_list_without_elements_has_none(value):
    assert seen(Each("hits[]"), value) == []
    assert compile_each(Each("other[]"))(ROW).views == []


@pytest.mark.parametrize("value", ["x", "{}", {"n": 1}, 5, "[1"])
def test_a_value_that_is_no_list_is_a_reason(value):
    assert isinstance(seen(Each("hits[]"), value), Reason)


@given(st.lists(st.text(st.characters(exclude_characters="|[", codec="utf-8"))), st.booleans())
def test_a_cell_is_split_and_its_parts_are_trimmed(parts, blanks):
    cell = (" | " if blanks else "|").join(parts)

    found = seen(Each("hits", split="|"), cell)

    assert [view["item"] for view in found] == [part.strip() for part in parts if part.strip()]


@given(st.text(), st.text(st.characters(exclude_characters="-", codec="utf-8")))
def test_a_pattern_takes_a_text_apart_at_the_last_place(product, clicked):
    found = compile_pattern("<{product}-{clicked}>")(f"<{product}-{clicked}>")

    assert found == {"product": product.strip(), "clicked": clicked.strip()}


@pytest.mark.parametrize("text", ["", "a", "a x", "x b", ":a x b"])
def test_another_text_does_not_match_a_pattern(text):
    pattern = "({a} x {b})"

    assert compile_pattern(pattern)(text) is None
    assert isinstance(seen(Each("hits[]", pattern=pattern), [text or "-"])[0], Reason)


def test_fields_of_a_pattern_are_seen_like_those_of_an_object():
    each = Each("hits", split=" ", pattern="{page}:{n}")

    assert only(seen(each, "b:1 c:2"), "page", "n") == [
        {"page": "b", "n": "1"},
        {"page": "c", "n": "2"},
    ]


@pytest.mark.parametrize("pattern", ["", "a", "{a}{b}", "{a}-{a}"])
def test_a_pattern_that_says_too_little_is_refused_with_its_line(pattern, golden):
    with pytest.raises(ConfigurationError):
        compile_pattern(pattern)
    with pytest.raises(MappingError) as refused:
        parse_mapping("m.toml", f'[rows]\neach = "hits"\npattern = "{pattern or "x"}"\n')

    assert str(refused.value) == golden


@pytest.mark.parametrize("key", ["split", "pattern", "as", "index"])
def test_a_setting_of_a_list_without_the_list_is_refused(key, golden):
    with pytest.raises(MappingError) as refused:
        parse_mapping("m.toml", f'[[records]]\n{key} = "x"\n')

    assert str(refused.value) == golden


def test_columns_of_a_preset_are_renamed_in_lists_and_conditions():
    file = parse_mapping(
        "m.toml",
        """
        [columns]
        hits = "h"
        n = "number"
        [rows]
        each = "hits[]"
        [[records]]
        each = "hits.inner[]"
        when = { column = "n", in = ["1"] }
        attributes.user_id = "n"
        """,
    )

    (table,) = file.records
    assert (file.each.path, table.each.path) == ("h[]", "h.inner[]")
    assert table.when[0].column == "number"
    assert table.rules[0].rule.columns == ("number",)
