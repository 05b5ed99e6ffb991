"""JSON values one after another: pretty-printed, several on a line, in an array on each line."""

import dataclasses
import json
import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.sources import source
from miso_upload.sources.formats.json_values import JsonValues
from tests.helpers.reading import CUTS, PIECES, assert_complete, read, texts_of, unpadded
from tests.sources.formats.test_json_array import VALUES

FRAGMENTS = (
    b'{"a":1}', b'{"a":1}\n', b'{\n "a":1\n}\n', b"{", b"{", b"}", b"[", b"]", b",", b'"', b"\\",
    b'"a\\"}{"', b'"\\\\"', b" ", b"\n", b"\n", b"\n{", b"1", b"null\n", b"\xff", b"\0", b"x" * 30,
    b'{"k":[{"k":{"k":{"k":{"k":{"k":{"k":"]}"}}}}}}]}', b'{"k":[{"k":{"k":{"k":1}{"k":2}}}]}',
)  # fmt: skip
START = {
    "lines": b'{\n "a":1,\n "b":{}\n}\n{\n "a":2\n}\n',
    "indented": b'{\n"a":[\n{\n"x":1\n},\n{\n"x":2\n}\n]\n}\n' * 2,
    "values": b'{"a":1}{"a":2}{"a":3}\n' * 3,
}
"""Beginnings that show each layout; the rows after them can be anything."""
OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), min_size=2, max_size=8)


LAYOUTS = {
    "lines": JsonValues(0),
    "indented": JsonValues(0, restarts=False),
    "values": JsonValues(0, by_line=False),
}


def read_as(layout, data, pieces=(2**20,), *, row_bytes=2**20, **others):
    """Read values in a layout that is not detected."""
    found = dataclasses.replace(LAYOUTS[layout], row_bytes=row_bytes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "detect_format", lambda *_: (found, 0))
        return read(data, pieces, row_bytes=row_bytes, **others)


def is_lines(layout):
    return layout != "values"


def row_ends(text, layout):  # noqa: C901, PLR0912 -- one loop is easier to check
    """Yield the ends of the rows of `text`, character by character."""
    depth, in_string, escaped, begun, is_text, closed = 0, False, False, False, False, False
    for at, char in enumerate(text):
        if in_string and char != "\n":
            in_string = escaped or char != '"'
            escaped = not escaped and char == "\\"
            continue
        in_string = escaped = False
        if layout == "values":
            if not begun:
                if char in " \t\r\n,[]\0":
                    continue
                begun, is_text = True, char != "{"
            if is_text:
                if char in "{\n":
                    yield at + (char == "\n")
                    begun, is_text = char == "{", False
                    depth = int(begun)
                continue
            if closed and char == "{":
                yield at
                depth = 0
            if char not in " \t\r\n":
                closed = False
        elif layout == "lines" and char == "{" and depth and text[at - 1] == "\n":
            yield at
            depth = 0
        if char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
        elif char in "]}" and depth:
            depth -= 1
            closed = char == "}" and depth > 0
            if layout == "values" and not depth:
                yield at + 1
                begun = False
        elif char == "\n" and not depth and is_lines(layout):
            yield at + 1
    yield len(text)


def expected(data, layout, row_bytes):
    """Return the rows of `data`, and the numbers of rejected ones."""
    around = b" \t\r\n," if is_lines(layout) else b" \t\r\n,[]\0"
    rows, rejected, start, number = [], [], 0, 1
    for end in row_ends(data.decode("latin-1"), layout):
        whole = data[start:end]
        text = whole.strip(around)
        if len(text) > row_bytes:
            rejected.append(number)
        elif text:
            try:
                rows.append((number, orjson.loads(text)))
            except orjson.JSONDecodeError:
                rejected.append(number)
        if is_lines(layout):
            number += whole.count(b"\n")
        elif text:
            number += 1
        start = end
    return rows, rejected


@settings(deadline=None)
@given(
    values=OBJECTS, indent=st.sampled_from([1, 4]), between=st.sampled_from(["\n", ",\n", "\n\n"]),
    newline=st.sampled_from(["\n", "\r\n"]), pieces=PIECES, cuts=CUTS,
)  # fmt: skip
def test_pretty_printed_values_are_rows_under_their_first_lines(
    values, indent, between, newline, pieces, cuts
):
    texts = [json.dumps({"v": 1, **each}, indent=indent) for each in values]
    data = between.join(texts).replace("\n", newline).encode()

    found = read(data, pieces, **cuts)

    assert found.values == [{"v": 1, **each} for each in values]
    starts = [i for i, line in enumerate(data.split(b"\n"), 1) if line.startswith(b"{")]
    assert [line for line, _ in found.rows] == starts
    assert (found.rejections, found.damage) == ([], None)
    assert_complete(data, found, **cuts)


@settings(deadline=None)
@given(
    values=OBJECTS, between=st.sampled_from(["", ",", " ", ", "]),
    indent=st.sampled_from([None, None, 2]), pieces=PIECES, cuts=CUTS,
)  # fmt: skip
def test_values_on_one_line_are_rows(values, between, indent, pieces, cuts):
    data = between.join(json.dumps(each, indent=indent) for each in values).encode()

    found = read(data, pieces, **cuts)

    assert found.rows == list(enumerate(values, 1))
    assert (found.rejections, found.damage) == ([], None)


@settings(deadline=None)
@given(
    values=st.lists(OBJECTS, min_size=2, max_size=4), pieces=PIECES, cuts=CUTS,
    name=st.sampled_from(["json", None]), between=st.sampled_from(["\n", ",\n", "\r\n"]),
)  # fmt: skip
def test_objects_in_an_array_on_each_line_are_rows(values, pieces, cuts, name, between):
    data = between.join(json.dumps(each) for each in values).encode()

    found = read(data, pieces, format=name, **cuts)

    assert found.rows == list(enumerate((row for each in values for row in each), 1))
    assert (found.rejections, found.damage) == ([], None)


@settings(deadline=None)
@given(
    rest=texts_of(*FRAGMENTS), layout=st.sampled_from(list(START)), pieces=PIECES, cuts=CUTS,
    row_bytes=st.sampled_from([25, 90, 2**20]),
)  # fmt: skip
def test_any_values_are_read_the_same_however_they_are_cut(rest, layout, pieces, cuts, row_bytes):
    data = START[layout] + rest

    found = read_as(layout, data, pieces, row_bytes=row_bytes, **cuts)

    whole = read_as(layout, data, row_bytes=row_bytes)
    assert (found.rows, found.rejections) == (whole.rows, whole.rejections)
    rows, rejected = expected(unpadded(data), layout, row_bytes)
    assert (found.rows, [line for line, _ in found.reasons]) == (rows, rejected)
    assert_complete(data, found, between=b",[] \n\t\0", **cuts)


@settings(deadline=None)
@given(
    rest=texts_of(*FRAGMENTS), layout=st.sampled_from(list(START)), cuts=CUTS, choice=st.randoms()
)
def test_reading_resumes_at_the_end_of_any_block(rest, layout, cuts, choice):
    data = START[layout] + rest
    whole = read_as(layout, data, **cuts)
    if not whole.blocks[:-1]:
        return
    block = choice.choice(whole.blocks[:-1])
    line = block.first_line + block.lines

    found = read_as(layout, data, start=block.end, line=line)

    assert found.all == whole.from_line(line)


@pytest.mark.parametrize("pieces", [(1,), (2**20,)])
def test_a_value_that_is_not_closed_does_not_hide_the_next_one(pieces):
    data = START["lines"] + b'{\n "a": [1,\n "b": "x\n{\n "a":3\n}\n{\n "a":4\n}\n'

    found = read(data, pieces)

    assert [row["a"] for row in found.values] == [1, 2, 3, 4]
    assert [line for line, _ in found.reasons] == [8]


def test_values_on_one_line_are_read_after_one_that_is_not_closed():
    found = read(b'{"a":1}{"a":2}{"a":{"b":3}{"a":4}{"a":5} {"a":6}')

    assert [row["a"] for row in found.values] == [1, 2, 4, 5, 6]
    assert [number for number, _ in found.reasons] == [3]


@pytest.mark.parametrize("pieces", [(1,), (2**20,)])
def test_an_overlong_value_is_rejected_and_the_next_one_is_read(pieces):
    long = b'{\n "a": "' + b'\\"],[{' * 50 + b'"\n}\n'

    found = read(START["lines"] + long + b'{\n "a":3\n}\n', pieces, row_bytes=100, block_bytes=50)

    assert [row["a"] for row in found.values] == [1, 2, 3]
    ((line, reason),) = found.reasons
    assert line == 8
    assert "--max-row-bytes" in reason
    assert max(len(block.data) for block in found.blocks) <= 200


def test_lines_with_commas_are_read():
    found = read(b'{"a":1},\n{"a":2} ,\r\n\n{"a":3},\n,\n')

    assert found.rows == [(1, {"a": 1}), (2, {"a": 2}), (4, {"a": 3})]
    assert [line for line, _ in found.reasons] == [5]


@pytest.mark.parametrize("name", [None, "jsonl"])
def test_a_bad_first_line_does_not_make_lines_something_else(name):
    found = read(b'{"a":1,"b":\n{"a":2}\n{"a":3}\n', format=name)

    assert found.rows == [(2, {"a": 2}), (3, {"a": 3})]
    assert [line for line, _ in found.reasons] == [1]


def test_values_larger_than_the_detected_beginning_are_read():
    values = [{"a": ["x" * 50] * 2000}, {"a": 2}]

    found = read("\n".join(json.dumps(each, indent=2) for each in values).encode())

    assert found.values == values


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a":"' + b"\\\\" * 2**19, id="a string that does not end"),
        pytest.param(b'{\n"a":' + b"[" * 2**19, id="brackets that do not close"),
        pytest.param(b'{"a":1}{"a":2}' + b"," * 2**19, id="commas"),
        pytest.param(b'{\n"a":1}\n' + b'{\n"a":' * 2**17 + b"}" * 2**17, id="deep nesting"),
        pytest.param(b'{"a":1}' * 9 + b'{"a":' * 2**17 + b"}" * 2**17, id="deep nesting in a line"),
        pytest.param(b'{"a":[{}]}' * 2**16, id="many values"),
    ],
)
@pytest.mark.cpu_time
def test_values_take_linear_time(data):
    started = time.process_time()

    read(data, row_bytes=2**16, block_bytes=2**16)

    assert time.process_time() - started < 5


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_padding_between_values_on_lines_is_not_a_row(rows):
    mark = b"\xef\xbb\xbf"
    data = b'{"a":1}{"a":2}\n\0\0' + mark + b'{"a":3}{"a":4}\n' + mark + b"x\n" + mark + b'{"a":5}'

    found = read(data, rows=rows)

    assert [row["a"] for row in found.values] == [1, 2, 3, 4, 5]
    assert [number for number, _ in found.reasons] == [5]
