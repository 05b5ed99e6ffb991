import json
import pickle
from unicodedata import category

import pytest
from generators import TYPES, damaged_records, json_values, records
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import SchemaError
from miso_upload.records import Reason
from miso_upload.transform.schema.schema import load_schema, shipped_schema
from miso_upload.transform.validation import MOST_REASONS, RecordValidator
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
        assert Reason("the record", "does not match the schema") not in reasons
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


def test_numbers_that_json_has_no_words_for_are_refused():
    for number in (float("nan"), float("inf"), float("-inf")):
        assert texts(record(duration=number)) == [f"duration {number} is not a number"]


def test_without_needs_the_schema_alone_decides():
    assert LENIENT.accepts([{"type": "read"}, {"type": "read", "user_id": ""}])


def test_a_judge_crosses_a_process_boundary():
    strict, lenient = pickle.loads(pickle.dumps((JUDGE, LENIENT)))

    assert not strict.accepts([{"type": "read"}])
    assert lenient.accepts([{"type": "read"}])


# Reasons


@pytest.mark.parametrize(
    ("judged", "reasons"),
    [
        (None, ["the record null is not an object"]),
        ([1, 2], ["the record [1,2] is not an object"]),
        ("x", ['the record "x" is not an object']),
        ({}, ["no type", "no timestamp", "neither user_id nor anonymous_id"]),
        (without("type"), ["no type"]),
        (record(None), ["type null is not text"]),
        (record(["read"]), ['type ["read"] is not text']),
        (record("xyzzy"), ['type "xyzzy" is not an interaction type of Miso']),
        (record(""), ['type "" is not an interaction type of Miso']),
        (record("raed"),
         ['type "raed" (did you mean "read"?) is not an interaction type of Miso']),
        (record("addToCart"),
         ['type "addToCart" (did you mean "add_to_cart"?) is not an interaction type of Miso']),
        (record("Add to Cart"),
         ['type "Add to Cart" (did you mean "add_to_cart"?) is not an interaction type of Miso']),
        (without("timestamp"), ["no timestamp"]),
        (without("user_id"), ["neither user_id nor anonymous_id"]),
        (record(user_id=""), ["user_id is empty"]),
        (record(anonymous_id=""), ["anonymous_id is empty"]),
        (record(user_id=42), ["user_id 42 is not text"]),
        (record(user_id=None), ["user_id null is not text"]),
        (record(user_id="x" * 513), ["user_id is longer than 512 characters"]),
        (record(anonymous_id="x" * 1025), ["anonymous_id is longer than 1024 characters"]),
        (record(product_ids="abc"), ['product_ids "abc" is not a list']),
        (record(product_ids=["a", 5]), ["product_ids.1 5 is not text"]),
        (record(product_ids=["x" * 513]), ["product_ids.0 is longer than 512 characters"]),
        (record(duration="5"), ['duration "5" is not a number']),
        (record(duration=True), ["duration true is not a number"]),
        (record(timestamp="2025-13-01"), ['timestamp "2025-13-01" is not a date-time']),
        (record(timestamp=1740821400), ["timestamp 1740821400 is not text"]),
        (record(miso_id="7"), ['miso_id "7" is not a UUID']),
        (record("search", revenue=3), ["revenue is not an attribute of search"]),
        (record(foo=1, bar=2),
         ["foo is not an attribute of read", "bar is not an attribute of read"]),
        (record("custom"), ["no custom_action_name"]),
        (record("checkout", quantities="3"),
         ['quantities "3" is neither a number nor a list of numbers']),
        (record("checkout", quantities=[1, "x"]), ['quantities.1 "x" is not a number']),
        (record("search", search={"keywords": 4, "filters": {"a": "b", "c": [1]}}),
         ["search.keywords 4 is not text", 'search.filters.a "b" is not a list',
          "search.filters.c.0 1 is not text"]),
        (record(context="x"), ['context "x" is not an object']),
        (record(context={"page": {}}), ["no context.page.url"]),
        (record(context={"truncated_ip": "x"}),
         ["context.truncated_ip is not an IPv4 address"]),
        (record(context={"custom_context": {"x": {"a": 1}}}),
         ['context.custom_context.x {"a":1} is not a value that custom_context can hold']),
        (record(context={"custom_context": {"x": [1, "a"]}}),
         ['context.custom_context.x [1,"a"] is not a value that custom_context can hold']),
        (record(context={"custom_context": {"x": None}}),
         ["context.custom_context.x null is not a value that custom_context can hold"]),
        ({**record(), None: ["more"]}, ["the record has an attribute whose name is not text"]),
        (record(**{"\ud800": 1}), ["\\ud800 cannot be written as JSON"]),
    ],
    ids=str,
)  # fmt: skip
def test_reasons_are_told_in_words(judged, reasons):
    assert texts(judged) == reasons


def test_all_reasons_are_told_in_the_order_of_the_attributes():
    judged = {
        "nope": 1,
        "context": 1,
        "revenue": "a",
        "product_ids": 5,
        "user_id": 1,
        "type": "checkout",
    }

    assert texts(judged) == [
        "no timestamp",
        "user_id 1 is not text",
        "product_ids 5 is not a list",
        'revenue "a" is not a number',
        "context 1 is not an object",
        "nope is not an attribute of checkout",
    ]


def test_the_group_leaves_the_value_out():
    (reason,) = JUDGE.reasons(record("raed"))

    assert reason.group == "type is not an interaction type of Miso"


def test_a_record_has_no_more_reasons_than_a_person_reads():
    reasons = texts(record(product_ids=list(range(1000))))

    assert len(reasons) == MOST_REASONS
    assert reasons[-1] == "and 981 further problems"


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
def test_an_address_is_never_shown(value):
    (reason,) = JUDGE.reasons(record(product_ids=[{"at": value}]))

    assert reason == Reason("product_ids.0", "is not text")


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        (record(context={"truncated_ip": "203.0.113"}),
         "context.truncated_ip is not an IPv4 address"),
        (record(context={"truncated_ip": 3405803783}), "context.truncated_ip is not text"),
        (record(context={"custom_context": {"ip": {"n": 1}}}),
         "context.custom_context.ip is not a value that custom_context can hold"),
        (record(context={"custom_context": {"client_ip": {"n": 1}}}),
         "context.custom_context.client_ip is not a value that custom_context can hold"),
        (record(context={"custom_context": {"zip": {"n": 1}}}),
         'context.custom_context.zip {"n":1} is not a value that custom_context can hold'),
        (record(**{"203.0.113.7": 1}), "(an address) is not an attribute of read"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_named_an_address_is_not_shown_either(judged, text):
    assert texts(judged) == [text]


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
    ("definition", "value", "text"),
    [
        ({"enum": ["b", "c"]}, "d", 'x "d" is not one of "b" or "c"'),
        ({"const": 5}, 6, "x 6 is refused: 5 was expected"),
        ({"minimum": 0}, -1, "x -1 is less than the minimum of 0"),
        ({"pattern": "^b+$"}, "c", 'x "c" does not match "^b+$"'),
        ({"minLength": 1}, "", "x is empty"),
        ({"minLength": 2}, "b", "x is shorter than 2 characters"),
        ({"format": "email"}, "b", 'x "b" is not a valid email'),
        ({"minItems": 2}, [1], "x [1] has less than 2 items"),
        ({"not": {"enum": [5]}}, 5, 'x 5 is refused: {"enum":[5]} is not allowed for the value'),
        ({"type": ["integer", "string"]}, None, "x null is neither text nor a whole number"),
        ({"type": ["null", "number", "boolean"]}, "b",
         'x "b" is neither a number, true or false nor null'),
        ({"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 1}]}, "bc",
         "x is longer than 1 characters"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 5,
         "x 5 has none of the forms that the schema allows"),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3,
         "x 3 is valid under more than one of the schemas listed in the 'oneOf' keyword"),
        ({"unevaluatedProperties": False}, {"b": 1}, "x.b is not an attribute of x"),
        ({"additionalProperties": False}, {"b": 1}, "x.b is not an attribute of x"),
        ({"additionalProperties": False, "properties": {"c": {}}}, {"b": 1},
         "x.b is not an attribute of x"),
        ({"properties": {"b": False}}, {"b": 1}, "x.b is not an attribute of x"),
        (False, 1, "x is not an attribute of a"),
        ({"dependentRequired": {"b": ["c"]}}, {"b": 1}, "no x.c"),
    ],
    ids=str,
)  # fmt: skip
def test_other_keywords_are_told_in_the_words_of_the_library(judge_of, definition, value, text):
    judge = judge_of(definition)

    assert texts({"type": "a", "x": value}, judge) == [text]
    assert not judge.accepts([{"type": "a", "x": value}])


def test_what_the_root_says_holds_for_every_type(judge_of):
    judge = judge_of({}, required=["x"], maxProperties=2)

    assert judge.accepts([{"type": "a", "x": 1}])
    assert texts({"type": "a"}, judge) == ["no x"]
    assert texts({"type": "a", "x": 1, "y": 2}, judge) == [
        "the record is refused: the value has more than 2 properties"
    ] or texts({"type": "a", "x": 1, "y": 2}, judge) == ["the record has more than 2 properties"]


def test_a_record_without_a_type_is_refused_even_where_the_schema_lets_it_pass(judge_of):
    judge = judge_of({})

    assert not judge.accepts([{"x": 1}])
    assert not judge.accepts([5])
    assert texts({"x": 1}, judge) == ["no type"]


def test_a_schema_that_cannot_be_compiled_says_so(judge_of):
    with pytest.raises(SchemaError) as caught:
        judge_of({"pattern": "["})

    assert str(caught.value).endswith(
        'my.json: #/oneOf/0/properties/x/pattern: the schema cannot be used: this is not a "regex".'
    )


def test_a_list_of_millions_of_wrong_items_is_told_by_the_first_of_them():
    reasons = JUDGE.reasons(record(product_ids=["p"] * 2_000_000 + [1] * 1_000_000))

    assert [reason.text for reason in reasons] == [
        "product_ids.2000000 1 is not text",
        "the record has too many values to be looked through for further problems",
    ]
