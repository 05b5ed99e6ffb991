import json
import os
import pickle
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import SchemaError
from miso_upload.transform.schema.schema import (
    Kind,
    load_schema,
    shipped_schema,
    shipped_schema_text,
)
from tests.helpers.generators import TYPES, damaged_records, records

FACTS = json.loads((Path(__file__).parent / "contract" / "interactions.json").read_text())
GROUPS = {
    "core_click_streams": "Core clickstream",
    "conversion": "Conversion",
    "consumption": "Consumption",
    "feedback_signals": "Feedback signals",
    "performance_checking": "Performance checking",
    "additional_click_streams": "Additional clickstream",
    "custom": "Custom",
}
UNNAMED = {"unsubscribe", "complete", "feedback", "submit"}


def outline(node, document):
    """Return what a schema demands, whatever way it is written down."""
    if isinstance(node, bool):
        return node
    if "$ref" in node:
        target = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return outline(target, document)
    if "const" in node or "enum" in node:
        return {"values": node.get("enum", [node.get("const")])}
    if "anyOf" in node:
        # A whole number is a number, so listing both says nothing more.
        options = [outline(n, document) for n in node["anyOf"] if n != {"type": "integer"}]
        return {"any of": sorted(options, key=json.dumps)}
    found = {key: node[key] for key in ("type", "format", "maxLength") if key in node}
    if "items" in node:
        found["items"] = outline(node["items"], document)
    if node["type"] == "object":
        found["required"] = sorted(node.get("required", []))
        found["others"] = outline(node.get("additionalProperties", True), document)
        properties = node.get("properties", {})
        found["properties"] = {name: outline(n, document) for name, n in properties.items()}
    return found


def fact_paths(node, prefix=""):
    """Yield the dotted path of every property that the facts name."""
    while "$ref" in node:
        target = FACTS
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    for name, child in node.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from fact_paths(child, f"{prefix}{name}.")


def facts_as_schema():
    """Return the facts as a schema of a record."""
    types = [{**facts, "type": "object"} for facts in FACTS["types"].values()]
    return {"anyOf": types, "context": FACTS["context"], "definitions": FACTS["definitions"]}


# The shipped schema against the facts


def test_it_has_the_29_types():
    assert set(shipped_schema().types) == set(FACTS["types"])
    assert len(shipped_schema().types) == 29


@pytest.mark.parametrize("name", FACTS["types"])
def test_a_type_demands_what_the_facts_say(name):
    """The same properties, formats, lengths, requirements and openness, at every depth."""
    document = shipped_schema().document

    ours = outline(document["$defs"]["types"][name], document)

    assert ours == outline({**FACTS["types"][name], "type": "object"}, FACTS)


@pytest.mark.parametrize("name", FACTS["types"])
def test_a_type_is_described_as_the_facts_say(name):
    facts, ours = FACTS["types"][name], shipped_schema().types[name]

    assert ours.group == GROUPS[facts["group"]]
    assert ours.public is facts["in_public_guide"]
    assert set(ours.required) == set(facts["required"])
    assert set(ours.attributes) == set(facts["properties"])
    assert ours.title != name
    assert ours.description.endswith(".")
    assert shipped_schema().allowed(name) == set(facts["properties"])


def test_the_public_guide_names_25_types():
    types = shipped_schema().types.values()

    assert {found.name for found in types if not found.public} == UNNAMED


def test_its_attributes_are_those_of_the_facts():
    paths = {path for facts in FACTS["types"].values() for path in fact_paths(facts)}

    assert set(shipped_schema().attributes) == paths


def test_every_attribute_but_the_type_is_described():
    silent = [a.path for a in shipped_schema().attributes.values() if not a.description]

    assert silent == ["type"]


def test_attributes_of_the_record_come_first():
    nested = ["." in path for path in shipped_schema().attributes]

    assert nested == sorted(nested)


def test_every_definition_is_used():
    attributes = shipped_schema().document["$defs"]["attributes"]
    top = {path for path in shipped_schema().attributes if "." not in path}

    assert set(attributes) == top - {"type"}


@settings(max_examples=300, deadline=None)
@given(st.one_of(records(), damaged_records()))
def test_it_takes_what_the_facts_take(record):
    ours, facts = (
        jsonschema_rs.is_valid(document, record, validate_formats=True)
        for document in (shipped_schema().document, facts_as_schema())
    )

    assert ours is facts


def test_it_is_json_schema():
    document = shipped_schema().document

    jsonschema.Draft202012Validator.check_schema(document)
    for definitions in document["$defs"].values():
        for definition in definitions.values():
            jsonschema.Draft202012Validator.check_schema(definition)


def test_it_takes_no_null():
    assert b"null" not in shipped_schema_text().replace(b"null stands nowhere", b"")


# What can be asked


@pytest.mark.parametrize(
    ("path", "kind"),
    {
        "type": Kind.TEXT,
        "user_id": Kind.TEXT,
        "timestamp": Kind.TIMESTAMP,
        "product_ids": Kind.TEXTS,
        "category": Kind.TEXTS,
        "quantities": Kind.NUMBERS,
        "duration": Kind.NUMBER,
        "context": Kind.OBJECT,
        "context.page": Kind.OBJECT,
        "context.page.url": Kind.TEXT,
        "context.page.anything": Kind.ANY,
        "context.page.anything.below": Kind.ANY,
        "context.truncated_ip": Kind.TEXT,
        "context.custom_context": Kind.OBJECT,
        "context.custom_context.anything": Kind.ANY,
        "search.keywords": Kind.TEXT,
        "search.filters": Kind.OBJECT,
        "search.filters.color": Kind.TEXTS,
    }.items(),
)
def test_an_attribute_has_a_kind(path, kind):
    attribute = shipped_schema().attribute(path)

    assert (attribute.path, attribute.kind) == (path, kind)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "foo",
        "misoId",
        "user_id.x",
        "product_ids.0",
        "context.",
        "context..x",
        "context.truncated_ip.x",
        "context.custom_context.x.y",
        "search.filters.color.red",
    ],
)
def test_what_no_type_can_carry_is_no_attribute(path):
    assert shipped_schema().attribute(path) is None


def test_the_description_is_that_of_the_schema():
    document = shipped_schema().document

    said = shipped_schema().attribute("duration").description

    assert said == document["$defs"]["attributes"]["duration"]["description"]
    assert "seconds" in said


@pytest.mark.parametrize("name", TYPES)
def test_the_schema_of_one_type_stands_alone(name):
    alone = jsonschema_rs.validator_for(shipped_schema().type_schema(name))

    verdicts = {other: alone.is_valid({"type": other}) for other in TYPES}

    assert [other for other, taken in verdicts.items() if taken] == [name] * (name != "custom")


def test_a_schema_crosses_a_process_boundary():
    shipped = shipped_schema()

    copy = pickle.loads(pickle.dumps(shipped))

    assert (copy.document, copy.types, copy.fingerprint) == (
        shipped.document,
        shipped.types,
        "shipped",
    )


# A schema of one's own


def branch(name, **properties):
    return {"properties": {"type": {"const": name}, **properties}}


@pytest.fixture
def load(tmp_path):
    """Load a schema given as text, as bytes, or as a value to be written as JSON."""

    def load(content):
        path = tmp_path / "my.json"
        if not isinstance(content, bytes):
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
        path.write_bytes(content)
        return load_schema(path)

    return load


def test_the_shipped_schema_loads_from_a_copy(tmp_path):
    copy = tmp_path / "my.json"
    copy.write_bytes(shipped_schema_text())

    loaded = load_schema(os.fspath(copy))

    assert loaded.types == shipped_schema().types
    assert loaded.attributes == shipped_schema().attributes
    assert loaded.source == str(copy)
    assert loaded.fingerprint != "shipped"


def test_a_byte_order_mark_does_no_harm(load):
    assert load(b"\xef\xbb\xbf" + shipped_schema_text()).types == shipped_schema().types


def test_the_fingerprint_is_of_the_content_and_not_of_the_text(load):
    one = load('{"anyOf": [{"properties": {"type": {"const": "a"}}}], "title": "x"}')
    same = load('{"title":"x","anyOf":[{"properties":{"type":{"const":"a"}}}]}')
    other = load('{"title":"y","anyOf":[{"properties":{"type":{"const":"a"}}}]}')

    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 64


def test_the_plainest_schema_will_do(load):
    types = load({"oneOf": [{"properties": {"type": {"enum": ["a"]}, "b": {}}}]}).types

    assert vars_of(types["a"]) == {
        "name": "a",
        "title": "a",
        "description": "",
        "group": "Other",
        "public": True,
        "required": (),
        "attributes": ("type", "b"),
    }


def vars_of(found):
    return found._asdict()


def test_attributes_are_collected_through_references_and_all_of(load):
    schema = load(
        {
            "required": ["timestamp"],
            "properties": {"timestamp": {"type": "string", "format": "date-time"}},
            "anyOf": [{"allOf": [{"$ref": "#/$defs/a~1b%25"}, branch("a", n={"type": "number"})]}],
            "$defs": {
                "a/b%": {"required": ["id"], "properties": {"id": {"$ref": "#/$defs/id"}}},
                "id": {"description": "Who.", "allOf": [{"type": "string"}, {"maxLength": 3}]},
            },
        }
    )

    assert schema.types["a"].attributes == ("timestamp", "id", "type", "n")
    assert schema.types["a"].required == ("timestamp", "id")
    assert schema.attribute("id").kind is Kind.TEXT
    assert schema.attribute("id").description == "Who."
    alone = jsonschema_rs.validator_for(schema.type_schema("a"))
    assert alone.is_valid({"timestamp": "", "id": "abc", "type": "a", "n": 1})
    assert not alone.is_valid({"timestamp": "", "id": "abcd", "type": "a", "n": 1})
    assert not alone.is_valid({"id": "abc", "type": "a"})


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ({"type": ["string", "null"]}, Kind.TEXT),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, Kind.TIMESTAMP),
        ({"allOf": [{"type": "string"}, {"format": "date-time"}]}, Kind.TIMESTAMP),
        ({"type": "integer"}, Kind.NUMBER),
        ({"oneOf": [{"type": "number"}, {"type": "array", "items": {"type": "integer"}}]},
         Kind.NUMBERS),
        ({"type": "array", "items": {"type": "number"}}, Kind.NUMBERS),
        ({"type": ["string", "array"], "items": {"type": "string"}}, Kind.TEXTS),
        ({"enum": ["a", "b"]}, Kind.TEXT),
        ({"const": 5}, Kind.NUMBER),
        ({"enum": [True, []]}, Kind.ANY),
        ({"properties": {"x": {}}}, Kind.OBJECT),
        ({"type": "boolean"}, Kind.ANY),
        ({"type": "array"}, Kind.ANY),
        ({"type": ["string", "number"]}, Kind.ANY),
        ({"anyOf": [{"type": "string"}, {"maxLength": 3}]}, Kind.ANY),
        ({"type": "array", "items": {"$ref": "#/$defs/lists"}}, Kind.ANY),
        ({}, Kind.ANY),
        (True, Kind.ANY),
    ],
)  # fmt: skip
def test_kinds_are_derived_from_any_schema(load, definition, kind):
    lists = {"type": "array", "items": {"$ref": "#/$defs/lists"}}

    schema = load({"anyOf": [branch("a", x=definition)], "$defs": {"lists": lists}})

    assert schema.attribute("x").kind is kind


def test_where_types_disagree_about_a_kind_it_is_any(load):
    texts, number = {"type": "string"}, {"type": "number"}

    schema = load({"anyOf": [branch("a", x=texts, y=texts), branch("b", x=number, y=texts)]})

    assert schema.attribute("x").kind is Kind.ANY
    assert schema.attribute("y").kind is Kind.TEXT


def test_closed_objects_have_no_other_attributes(load):
    closed = {"properties": {"b": True, "never": False}, "additionalProperties": False}
    patterned = {"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": False}

    schema = load({"anyOf": [branch("a", closed=closed, patterned=patterned)]})

    assert schema.attribute("closed.b").kind is Kind.ANY
    assert schema.attribute("closed.c") is None
    assert schema.attribute("closed.never") is None
    assert schema.attribute("patterned.xyz").kind is Kind.ANY


def test_an_object_that_may_be_null_keeps_its_attributes(load):
    page = {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"url": {}}}]}

    schema = load({"anyOf": [branch("a", page=page)]})

    assert set(schema.attributes) == {"type", "page", "page.url"}


def test_a_schema_may_contain_itself(load):
    tree = {"type": "object", "properties": {"name": {}, "parent": {"$ref": "#/$defs/tree"}}}

    schema = load({"anyOf": [branch("a", t={"$ref": "#/$defs/tree"})], "$defs": {"tree": tree}})

    assert set(schema.attributes) == {"type", "t", "t.name", "t.parent"}
    assert schema.attribute("t.parent.parent.name").kind is Kind.ANY


WAY_OUT = "Start from 'miso-upload schema > my.json'."


def with_definitions(**definitions):
    return {"anyOf": [branch("a", x={"$ref": "#/$defs/x"})], "$defs": definitions}


@pytest.mark.parametrize(
    "content",
    [
        '{"anyOf": [\n  {,}]}',
        "",
        b"\xff\xfe{\x00}\x00",
        "[]",
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"anyOf": 5},
        {"properties": {"x": {"type": "strin"}}},
        with_definitions(x={"$ref": "#/$defs/deep/y"}, deep={"y": {"properties": 5}}),
        {},
        {"oneOf": [branch("a")], "anyOf": [branch("b")]},
        {"anyOf": [branch("a"), {}]},
        {"anyOf": [True]},
        {"anyOf": [{"properties": {"type": {"enum": ["a", "b"]}}}]},
        {"anyOf": [branch(5)]},
        {"oneOf": [branch("a"), branch("a")]},
        with_definitions(x={"$ref": "https://a.example/x"}),
        with_definitions(x={"$ref": "other.json#/x"}),
        with_definitions(x={"$ref": "#"}),
        with_definitions(x={"$ref": "#/anyOf/0"}),
        with_definitions(),
        with_definitions(x={"$ref": "#/title"}) | {"title": "x"},
        with_definitions(x={"$ref": "#/$defs/y/type/z"}, y={"type": "string"}),
        with_definitions(x={"$id": "urn:x"}),
        with_definitions(x={"$dynamicRef": "#x"}),
        with_definitions(x={"$ref": "#/$defs/x"}),
        with_definitions(x={"dependentSchemas": {"y": {"$ref": "#/$defs/x"}}}),
        with_definitions(x={"not": {"anyOf": [{"allOf": [{"$ref": "#/$defs/x"}]}]}}),
        '{"anyOf": ' + '[{"anyOf": ' * 400 + "[]" + "}]" * 400 + "}",
    ],
)  # fmt: skip
def test_a_file_that_will_not_do_says_why(load, tmp_path, content, golden):
    with pytest.raises(SchemaError) as caught:
        load(content)

    assert str(caught.value) == golden
    assert str(caught.value).endswith(f". {WAY_OUT}")
    assert caught.value.exit_code == 2


def test_a_syntax_error_is_told_with_line_and_column(load, golden):
    with pytest.raises(SchemaError) as caught:
        load('{"anyOf": [\n  {,}]}')
    assert str(caught.value) == golden


def test_a_file_that_is_missing_says_so(tmp_path, golden):
    with pytest.raises(SchemaError) as caught:
        load_schema(tmp_path / "no.json")
    assert str(caught.value) == golden


def test_a_reference_may_point_anywhere_in_the_file(load):
    schema = load({"anyOf": [branch("a", x={"$ref": "#/x-shared/0"})], "x-shared": [{"enum": [5]}]})

    assert schema.attribute("x").kind is Kind.NUMBER


def test_a_name_with_a_dot_in_it_is_no_path(load):
    schema = load({"anyOf": [branch("a", x={"properties": {"b.c": {}, "d": False, "e": {}}})]})

    assert set(schema.attributes) == {"type", "x", "x.e"}


def test_regular_expressions_are_not_those_of_python(load):
    load({"anyOf": [branch("a", x={"pattern": r"^\p{L}+$"})]})


def test_references_within_data_are_not_references(load):
    load({"anyOf": [branch("a", x={"const": {"$ref": "https://example.com"}})]})
