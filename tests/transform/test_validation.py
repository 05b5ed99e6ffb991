import json
import pickle
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import SchemaError
from miso_upload.transform.schema.schema import load_schema, shipped_schema
from miso_upload.transform.validation import _REFUSED, MOST_REASONS, RecordValidator
from miso_upload.values.json import decode, encode
from tests.helpers.generators import TYPES, damaged_records, json_values, records

VALIDATOR = RecordValidator(shipped_schema())
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


def texts(candidate, validator=VALIDATOR):
    return [reason.text for reason in validator.reasons(candidate)]


def acts_on_a_terminal(text):
    return any(category(char).startswith(("C", "Zl", "Zp")) for char in text)


# Accepting


@settings(max_examples=200, deadline=None)
@given(st.lists(records(), max_size=3))
def test_valid_records_are_accepted(slice_):
    assert VALIDATOR.accepts(slice_)


@pytest.mark.parametrize("type_name", TYPES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_valid_records_of_every_type_are_accepted(type_name, data):
    good = data.draw(records(type_name))

    assert VALIDATOR.reasons(good) == ()
    assert VALIDATOR.accepts(decode(encode([good])))


def test_one_invalid_record_makes_a_slice_invalid():
    assert not VALIDATOR.accepts([record(), record(duration="5"), record()])


@settings(max_examples=300, deadline=None)
@given(st.one_of(damaged_records(), json_values))
def test_a_record_is_accepted_exactly_if_it_has_no_reasons(candidate):
    """And what speaks against it is always known, not only that something does."""
    for validator in (VALIDATOR, LENIENT):
        reasons = validator.reasons(candidate)

        assert validator.accepts([candidate]) is (reasons == ())
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
        pytest.param(object(), id="object()"),  # whose address is another in each process
        (1, 2),
    ],
    ids=repr,
)
def test_nothing_makes_it_raise(value):
    nested: object = value
    for _ in range(2000):
        nested = [nested]

    for candidate in (
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
        for validator in (VALIDATOR, LENIENT):
            assert validator.accepts([candidate]) is (validator.reasons(candidate) == ())


def test_numbers_that_json_does_not_have_are_refused(golden):
    for number in (float("nan"), float("inf"), float("-inf")):
        assert texts(record(duration=number)) == golden


def test_without_conditions_the_schema_alone_decides():
    assert LENIENT.accepts([{"type": "read"}, {"type": "read", "user_id": ""}])


def test_a_validator_can_be_pickled():
    strict, lenient = pickle.loads(pickle.dumps((VALIDATOR, LENIENT)))

    assert not strict.accepts([{"type": "read"}])
    assert lenient.accepts([{"type": "read"}])


# Reasons


@pytest.mark.parametrize(
    "candidate",
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
def test_reasons_are_written_for_people(candidate, golden):
    assert texts(candidate) == golden


def test_reasons_are_in_the_order_of_the_attributes(golden):
    candidate = {
        "nope": 1,
        "context": 1,
        "revenue": "a",
        "product_ids": 5,
        "user_id": 1,
        "type": "checkout",
    }

    assert texts(candidate) == golden


def test_the_group_of_a_reason_has_no_value(golden):
    (reason,) = VALIDATOR.reasons(record("raed"))

    assert reason.group == golden


def test_the_reasons_of_a_record_are_bounded(golden):
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
    (reason,) = VALIDATOR.reasons(record(product_ids=[{"at": value}]))

    assert reason == golden


@pytest.mark.parametrize(
    "candidate",
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
def test_a_value_named_like_an_address_is_not_shown(candidate, golden):
    assert texts(candidate) == golden


def test_a_long_value_is_cut():
    (reason,) = VALIDATOR.reasons(record(duration="x" * 1000))

    assert len(reason.shown) == 40
    assert reason.shown.endswith("…")


@pytest.mark.parametrize("evil", ["\x1b[31m", "\x9b31m", "\x7f", "\u202e", "\u200b", "\u2028"])
def test_nothing_that_acts_on_a_terminal_is_shown(evil):
    for candidate in (record(evil), record(duration=evil), record(**{evil: 1})):
        for text in texts(candidate):
            assert evil not in text
            assert f"\\u{ord(evil[0]):04x}" in text


# A schema of one's own


@pytest.fixture
def validator_of(tmp_path):
    """Return a validator by a schema with one type, `a`, and one attribute, `x`."""

    def validator_of(definition, **root):
        path = tmp_path / "my.json"
        branch = {"properties": {"type": {"const": "a"}, "x": definition}}
        path.write_text(json.dumps({"oneOf": [branch], **root}))
        return RecordValidator(load_schema(path), needs_timestamp=False, needs_id=False)

    return validator_of


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
def test_other_keywords_use_the_messages_of_the_library(validator_of, definition, value, golden):
    validator = validator_of(definition)

    assert texts({"type": "a", "x": value}, validator) == golden
    assert not validator.accepts([{"type": "a", "x": value}])


def test_keywords_of_the_root_apply_to_every_type(validator_of, golden):
    validator = validator_of({}, required=["x"], maxProperties=2)

    assert validator.accepts([{"type": "a", "x": 1}])
    assert texts({"type": "a"}, validator) == golden
    assert texts({"type": "a", "x": 1, "y": 2}, validator) == golden


def test_a_record_without_a_type_is_refused_even_if_the_schema_allows_it(validator_of, golden):
    validator = validator_of({})

    assert not validator.accepts([{"x": 1}])
    assert not validator.accepts([5])
    assert texts({"x": 1}, validator) == golden


def test_a_schema_that_cannot_be_compiled_is_an_error(validator_of, golden):
    with pytest.raises(SchemaError) as caught:
        validator_of({"pattern": "["})

    assert str(caught.value) == golden


def test_a_list_of_millions_of_wrong_items_is_reported_by_the_first(golden):
    reasons = VALIDATOR.reasons(record(product_ids=["p"] * 2_000_000 + [1] * 1_000_000))

    assert [reason.text for reason in reasons] == golden
