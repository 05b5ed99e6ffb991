"""JSON documents: rows inside an object, and the messages of Singer and Airbyte."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError
from tests.helpers.reading import CUTS, PIECES, read, read_file
from tests.sources.formats.test_dialects import skipped
from tests.sources.formats.test_json_array import VALUES

OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=8)
ROWS = [{"a": 1, "b": [{"c": "]}"}]}, {"a": 2, "b": []}]


@settings(deadline=None)
@given(rows=OBJECTS, indent=st.sampled_from([None, 2]), pieces=PIECES, cuts=CUTS)
def test_the_rows_at_a_path_are_read(rows, indent, pieces, cuts):
    document = {"meta": {"events": [1, "}"]}, "data": {"n": 2, "events": rows, "x": []}, "z": [{}]}

    found = read(json.dumps(document, indent=indent).encode(), pieces, items="data.events", **cuts)

    assert found.rows == list(enumerate(rows, 1))
    assert (found.rejections, found.damage) == ([], None)


@settings(deadline=None)
@given(rows=OBJECTS, indent=st.sampled_from([None, 2]), pieces=PIECES, cuts=CUTS)
def test_the_values_of_an_object_are_read_with_their_names(rows, indent, pieces, cuts):
    document = {"data": {f'k"{i}': row for i, row in enumerate(rows)}}

    found = read(json.dumps(document, indent=indent).encode(), pieces, items="data.*", **cuts)

    assert found.values == [{"_key": f'k"{i}', **row} for i, row in enumerate(rows)]
    assert (found.rejections, found.damage) == ([], None)


def test_a_bad_member_does_not_hide_the_next_one():
    found = read(b'{"a":{"x":1},"b":,oops,"c":{"x":},"d":{"x":2}}', items="*")

    assert [row["x"] for row in found.values] == [1, 2]
    assert [number for number, _ in found.reasons] == [2, 3, 4]


def test_a_truncated_document_is_damaged():
    found = read(b'{"data":[{"a":1},{"a":2}', items="data")

    assert found.values == [{"a": 1}]
    assert found.damage is not None


@pytest.mark.parametrize(
    "data", [b'{"d":[{"a":1}]},{"a":2}]}', b'{"d":[{"a":1}]]}', b'{"d":[{"a":1}],oops}']
)
def test_text_after_the_rows_that_is_not_json_is_damage(data):
    assert read(data, items="d").damage is not None


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"data": {"events": ROWS}, "next": None}, "data.events"),
        ({"total": 2, "hits": {"hits": ROWS}}, "hits.hits"),
        ({"-k1": ROWS[0], "-k2": ROWS[1]}, "*"),
        ({"events": {"-k1": ROWS[0], "-k2": ROWS[1]}}, "events.*"),
        ({"meta": {"a": 1}, "data": {"events": ROWS * 5000}}, "data.events"),
        ({f"-k{i}": ROWS[0] for i in range(5000)}, "*"),
    ],
    ids=["list", "hits", "values", "values of a value", "large list", "large values"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_wrapper_is_refused_with_the_path(document, path, indent):
    with pytest.raises(ConfigurationError) as caught:
        read(json.dumps(document, indent=indent).encode(), row_bytes=70_000)

    assert f"--items {path} " in str(caught.value).replace("'", "")


def test_a_wrong_path_is_refused_with_the_right_one(golden):
    with pytest.raises(ConfigurationError) as caught:
        read(json.dumps({"data": {"events": ROWS}}).encode(), items="data.rows")

    assert str(caught.value) == golden


@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_record_with_a_list_is_a_row(indent):
    record = {"type": "checkout", "items": ROWS}

    assert read(json.dumps(record, indent=indent).encode()).values == [record]


SINGER = [
    {"type": "SCHEMA", "stream": "e", "schema": {}, "key_properties": []},
    {"type": "RECORD", "stream": "e", "record": {"data": {"a": 1}}},
    {"type": "RECORD", "stream": "e", "record": {"a": 2}},
    {"type": "STATE", "value": {}},
]
AIRBYTE = [
    {"type": "LOG", "log": {"level": "INFO", "message": "x"}},
    {"type": "RECORD", "record": {"stream": "e", "emitted_at": 1, "data": {"a": 1}}},
    {"type": "STATE", "state": {"data": {}}},
]


@pytest.mark.parametrize(
    ("messages", "rows", "others"),
    [
        (SINGER, [(2, {"data": {"a": 1}}), (3, {"a": 2})], 2),
        (AIRBYTE, [(2, {"a": 1})], 2),
        (AIRBYTE[1:], [(1, {"a": 1})], 1),
    ],
)
def test_the_records_of_messages_are_rows(tmp_path, messages, rows, others):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in messages))

    found = read_file(path)

    assert found.rows == rows
    assert found.rejections == []
    assert len(skipped(path)) == others


@pytest.mark.parametrize(
    "first",
    [
        b"-- MySQL dump 10.13\nINSERT INTO `e` VALUES (1,'a'),(2,'b');\n",
        b"<!DOCTYPE html>\n<p>a, b, c</p>\n",
        b"It was the best of times, it was the worst of times, of course.\nAnd so on.\n",
        b'79a5 bucket [06/Feb/2019:00:00:38 +0000] - a; b "GET /b" 200 - 1 2 3 4 5 6 7 8\n' * 3,
        b"hello\n",
    ],
    ids=["sql", "html", "prose", "log", "word"],
)
def test_any_other_text_is_refused_with_its_first_line(first, golden):
    with pytest.raises(ConfigurationError) as caught:
        read(first)

    assert str(caught.value) == golden
