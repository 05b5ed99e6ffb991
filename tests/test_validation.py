import json
import pickle
from unicodedata import category

import pytest
from generators import TYPES, damaged_records, json_values, records
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import SchemaError
from miso_upload.transform.schema.schema import load_schema, shipped_schema
from miso_upload.transform.validation import _REFUSED, MOST_REASONS, RecordValidator
from miso_upload.values.json import decode, encode

JUDGE = RecordValidator(shipped_schema())
LENIENT = RecordValidator(shipped_schema(), needs_timestamp=False, needs_id=False)


def record(type_name="read", **attributes):
    """Return a good record, with something else in it."""
    return {
        "type": type_name,
        "timestamp": "2025-03-01T09:30:00.000Z",
        "user_id": "u1",
        **attributes,
    }


def without(name, **attributes):
    return {key: value for key, value in record(**attributes).items() if key != name}


def texts(judged, judge=JUDGE):
    return [reason.text for reason in judge.reasons(judged)]


def acts_on_a_terminal(text):
    return any(category(char).startswith(("C", "Zl", "Zp")) for char in text)


# Accepting


@settings(max_examples=200, deadline=None)
@given(st.lists(records(), max_size=3))
def test_good_records_are_accepted(slice_):
    assert JUDGE.accepts(slice_)


@pytest.mark.parametrize("type_name", TYPES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_good_records_of_every_type_are_accepted(type_name, data):
    good = data.draw(records(type_name))

    assert JUDGE.reasons(good) == ()
    assert JUDGE.accepts(decode(encode([good])))


def test_one_bad_record_spoils_a_slice():
    assert not JUDGE.accepts([record(), record(duration="5"), record()])


@settings(max_examples=300, deadline=None)
@given(st.one_of(damaged_records(), json_values))
def test_a_record_is_accepted_exactly_where_nothing_speaks_against_it(judged):
    """And what speaks against it is always known, not only that something does."""
    for judge in (JUDGE, LENIENT):
        reasons = judge.reasons(judged)

        assert judge.accepts([judged]) is (reasons == ())
        assert _REFUSED not in reasons
        assert not any(acts_on_a_terminal(reason.text) for reason in reasons)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        10**400,
        -(10**30),
        "\ud800",
        {"\ud800": 1},
        {None: 1},
        {1: 2},
        {None: ["more", "cells"]},
        b"bytes",
        {1, 2},
        object(),
        (1, 2),
    ],
    ids=repr,
)
def test_nothing_makes_it_raise(value):
    nested: object = value
    for _ in range(2000):
        nested = [nested]

    for judged in (
        value,
        nested,
        {"type": value},
        record(user_id=value),
        record(product_ids=[value]),
        record(product_ids=nested),
        record(context={"custom_context": {"x": value}}),
        record(context={"open": value}),
        record(context={"open": nested}),
        record(unknown=value),
        {**record(), **(value if isinstance(value, dict) else {})},
    ):
        for judge in (JUDGE, LENIENT):
            assert judge.accepts([judged]) is (judge.reasons(judged) == ())


def test_numbers_that_json_has_no_words_for_are_refused(golden):
    for number in (float("nan"), float("inf"), float("-inf")):
        assert texts(record(duration=number)) == golden


def test_without_needs_the_schema_alone_decides():
    assert LENIENT.accepts([{"type": "read"}, {"type": "read", "user_id": ""}])


def test_a_judge_crosses_a_process_boundary():
    strict, lenient = pickle.loads(pickle.dumps((JUDGE, LENIENT)))

    assert not strict.accepts([{"type": "read"}])
    assert lenient.accepts([{"type": "read"}])


# Reasons


@pytest.mark.parametrize(
    "judged",
    [
        None,
        [1, 2],
        "x",
        {},
        without("type"),
        record(None),
        record(["read"]),
        record("xyzzy"),
        record(""),
        record("raed"),
        record("addToCart"),
        record("Add to Cart"),
        without("timestamp"),
        without("user_id"),
        record(user_id=""),
        record(anonymous_id=""),
        record(user_id=42),
        record(user_id=None),
        record(user_id="x" * 513),
        record(anonymous_id="x" * 1025),
        record(product_ids="abc"),
        record(product_ids=["a", 5]),
        record(product_ids=["x" * 513]),
        record(duration="5"),
        record(duration=True),
        record(timestamp="2025-13-01"),
        record(timestamp=1740821400),
        record(miso_id="7"),
        record("search", revenue=3),
        record(foo=1, bar=2),
        record("custom"),
        record("checkout", quantities="3"),
        record("checkout", quantities=[1, "x"]),
        record("search", search={"keywords": 4, "filters": {"a": "b", "c": [1]}}),
        record(context="x"),
        record(context={"page": {}}),
        record(context={"truncated_ip": "x"}),
        record(context={"custom_context": {"x": {"a": 1}}}),
        record(context={"custom_context": {"x": [1, "a"]}}),
        record(context={"custom_context": {"x": None}}),
        {**record(), None: ["more"]},
        record(**{"\ud800": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_reasons_are_told_in_words(judged, golden):
    assert texts(judged) == golden


def test_all_reasons_are_told_in_the_order_of_the_attributes(golden):
    judged = {
        "nope": 1,
        "context": 1,
        "revenue": "a",
        "product_ids": 5,
        "user_id": 1,
        "type": "checkout",
    }

    assert texts(judged) == golden


def test_the_group_leaves_the_value_out(golden):
    (reason,) = JUDGE.reasons(record("raed"))

    assert reason.group == golden


def test_a_record_has_no_more_reasons_than_a_person_reads(golden):
    reasons = texts(record(product_ids=list(range(1000))))

    assert len(reasons) == MOST_REASONS
    assert reasons[-1] == golden


# What is shown


@pytest.mark.parametrize(
    "value",
    [
        "203.0.113.7",
        ["203.0.113.7"],
        "client 203.0.113.7:8080",
        {"forwarded": "203.0.113.7, 198.51.100.2"},
        "2001:db8::1",
        "::ffff:203.0.113.7",
        "[2001:db8:0:0:0:0:0:1]:443",
    ],
    ids=str,
)
def test_an_address_is_never_shown(value, golden):
    (reason,) = JUDGE.reasons(record(product_ids=[{"at": value}]))

    assert reason == golden


@pytest.mark.parametrize(
    "judged",
    [
        record(context={"truncated_ip": "203.0.113"}),
        record(context={"truncated_ip": 3405803783}),
        record(context={"custom_context": {"ip": {"n": 1}}}),
        record(context={"custom_context": {"client_ip": {"n": 1}}}),
        record(context={"custom_context": {"zip": {"n": 1}}}),
        record(**{"203.0.113.7": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_named_an_address_is_not_shown_either(judged, golden):
    assert texts(judged) == golden


def test_a_long_value_is_cut():
    (reason,) = JUDGE.reasons(record(duration="x" * 1000))

    assert len(reason.shown) == 40
    assert reason.shown.endswith("…")


@pytest.mark.parametrize("evil", ["\x1b[31m", "\x9b31m", "\x7f", "\u202e", "\u200b", "\u2028"])
def test_nothing_that_acts_on_a_terminal_is_shown(evil):
    for judged in (record(evil), record(duration=evil), record(**{evil: 1})):
        for text in texts(judged):
            assert evil not in text
            assert f"\\u{ord(evil[0]):04x}" in text


# A schema of one's own


@pytest.fixture
def judge_of(tmp_path):
    """Return a judge by a schema with one type, `a`, and one attribute, `x`."""

    def judge_of(definition, **root):
        path = tmp_path / "my.json"
        branch = {"properties": {"type": {"const": "a"}, "x": definition}}
        path.write_text(json.dumps({"oneOf": [branch], **root}))
        return RecordValidator(load_schema(path), needs_timestamp=False, needs_id=False)

    return judge_of


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ({"enum": ["b", "c"]}, "d"),
        ({"const": 5}, 6),
        ({"minimum": 0}, -1),
        ({"pattern": "^b+$"}, "c"),
        ({"minLength": 1}, ""),
        ({"minLength": 2}, "b"),
        ({"format": "email"}, "b"),
        ({"minItems": 2}, [1]),
        ({"not": {"enum": [5]}}, 5),
        ({"type": ["integer", "string"]}, None),
        ({"type": ["null", "number", "boolean"]}, "b"),
        ({"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 1}]}, "bc"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 5),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3),
        ({"unevaluatedProperties": False}, {"b": 1}),
        ({"additionalProperties": False}, {"b": 1}),
        ({"additionalProperties": False, "properties": {"c": {}}}, {"b": 1}),
        ({"properties": {"b": False}}, {"b": 1}),
        (False, 1),
        ({"dependentRequired": {"b": ["c"]}}, {"b": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_other_keywords_are_told_in_the_words_of_the_library(judge_of, definition, value, golden):
    judge = judge_of(definition)

    assert texts({"type": "a", "x": value}, judge) == golden
    assert not judge.accepts([{"type": "a", "x": value}])


def test_what_the_root_says_holds_for_every_type(judge_of, golden):
    judge = judge_of({}, required=["x"], maxProperties=2)

    assert judge.accepts([{"type": "a", "x": 1}])
    assert texts({"type": "a"}, judge) == golden
    assert texts({"type": "a", "x": 1, "y": 2}, judge) == golden


def test_a_record_without_a_type_is_refused_even_where_the_schema_lets_it_pass(judge_of, golden):
    judge = judge_of({})

    assert not judge.accepts([{"x": 1}])
    assert not judge.accepts([5])
    assert texts({"x": 1}, judge) == golden


def test_a_schema_that_cannot_be_compiled_says_so(judge_of, golden):
    with pytest.raises(SchemaError) as caught:
        judge_of({"pattern": "["})

    assert str(caught.value) == golden


def test_a_list_of_millions_of_wrong_items_is_told_by_the_first_of_them(golden):
    reasons = JUDGE.reasons(record(product_ids=["p"] * 2_000_000 + [1] * 1_000_000))

    assert [reason.text for reason in reasons] == golden
