import json
import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.reading import CUTS, PIECES, assert_complete, read, texts_of, unpadded

FRAGMENTS = (
    b'{"a":1}', b'{"a":[{"x":1}', b'{"y":2}]}', b"{},{}", b"[", b"]", b"{", b"}", b",", b",", b",",
    b'"', b"\\", b'"a\\"],b"', b'"\\\\"', b" ", b"\n", b"1", b"null", b"\xff", b"\x00", b"x" * 30,
    b"[[[[[[[[1]]]]]]]]", b'{"k":{"k":{"k":{"k":{"k":{"k":{"k":"]}"}}}}}}}',
)  # fmt: skip

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def read_array(data, pieces=(2**20,), **others):
    return read(data, pieces, format="json", **others)


def element_ends(data):
    """Yield the ends of an array's elements, and the byte there, byte by byte."""
    depth, in_string, escaped = 0, False, False
    for at, char in enumerate(data[1:].decode("latin-1"), 1):
        if in_string:
            in_string = escaped or char != '"'
            escaped = not escaped and char == "\\"
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
        elif char in "]}" and depth:
            depth -= 1
        elif char in ",]" and not depth:
            yield at, char
            if char == "]":
                return


def expected(data, row_bytes):
    """Return the rows of an array, the numbers of rejected ones, and whether it is complete."""
    rows, rejected = [], []
    start, well = 1, False
    for number, (end, mark) in enumerate(element_ends(data), 1):
        text, start = data[start:end], end + 1
        if len(text.lstrip(b" \t\r\n")) > row_bytes:
            rejected.append(number)
        elif text.strip(b" \t\r\n"):
            try:
                rows.append((number, orjson.loads(text)))
            except orjson.JSONDecodeError:
                rejected.append(number)
        well = mark == "]" and not data[start:].strip(b" \t\r\n")
    return rows, rejected, well


@settings(deadline=None)
@given(
    values=st.lists(VALUES, max_size=12),
    indent=st.sampled_from([None, 1]),
    pieces=PIECES,
    cuts=CUTS,
)
def test_the_elements_of_an_array_are_its_rows(values, indent, pieces, cuts):
    data = json.dumps(values, indent=indent, ensure_ascii=False).encode()

    found = read_array(data, pieces, **cuts)

    assert found.rows == list(enumerate(values, 1))
    assert (found.rejections, found.damage) == ([], None)
    assert_complete(data, found, **cuts)


@settings(deadline=None)
@given(
    body=texts_of(*FRAGMENTS),
    closed=st.booleans(),
    pieces=PIECES,
    cuts=CUTS,
    row_bytes=st.sampled_from([3, 25, 2**20]),
)
def test_any_array_is_read_the_same_however_it_is_cut(body, closed, pieces, cuts, row_bytes):
    data = b"[\n" + body + b"]" * closed

    found = read_array(data, pieces, row_bytes=row_bytes, **cuts)

    rows, rejected, well = expected(unpadded(data), row_bytes)
    assert (found.rows, [line for line, _ in found.reasons]) == (rows, rejected)
    assert (found.damage is None) == well
    assert found.all == read_array(data, row_bytes=row_bytes).all
    assert_complete(data, found, **cuts)


@settings(deadline=None)
@given(body=texts_of(*FRAGMENTS), cuts=CUTS, choice=st.randoms())
def test_reading_resumes_at_the_end_of_any_block(body, cuts, choice):
    data = b"[\n" + body + b"]"
    whole = read_array(data, row_bytes=25, **cuts)
    if not whole.blocks:
        return
    block = choice.choice(whole.blocks)
    line = block.first_line + block.lines

    rest = read_array(data, start=block.end, line=line, row_bytes=25)

    assert rest.all == whole.from_line(line)


def test_an_invalid_element_does_not_hide_the_next_one():
    found = read_array(b'[{"a":1},{oops},{"a":}},"x" "y",{"a":2}]')

    assert found.rows == [(1, {"a": 1}), (5, {"a": 2})]
    assert [line for line, _ in found.reasons] == [2, 3, 4]


def test_extra_commas_are_not_rows():
    found = read_array(b"[\n1,,2,\n]\n")

    assert found.rows == [(1, 1), (3, 2)]
    assert found.rejections == []


@pytest.mark.parametrize("data", [b"[]", b" [ ]\n", b"\xef\xbb\xbf[\n\n]"])
def test_an_empty_array_has_no_rows(data):
    found = read_array(data)

    assert found.all == ([], [], None)


@pytest.mark.parametrize("pieces", [(1,), (2**20,)])
def test_an_overlong_element_is_rejected_and_the_next_one_is_read(pieces):
    long = b'{"a":"' + b'\\"],[{' * 50 + b'"}'

    found = read_array(b"[1," + long + b",2]", pieces, row_bytes=100, block_bytes=50)

    assert found.rows == [(1, 1), (3, 2)]
    ((number, reason),) = found.reasons
    assert number == 2
    assert "100" in reason
    assert "--max-row-bytes" in reason
    assert max(len(block.data) for block in found.blocks) <= 200


def test_any_amount_of_whitespace_is_not_a_row():
    space = b" \n" * 2**20

    found = read_array(b"[" + space + b"1," + space + b"2" + space + b"]", row_bytes=2**20 * 3)

    assert found.all == ([(1, 1), (2, 2)], [], None)


@pytest.mark.parametrize(
    "data",
    [b"[", b"[ ", b"[1,", b"[1,2", b'[1,"a', b'[1,{"a":[', b'[1,"' + b"x" * 200],
    ids=["start", "space", "comma", "number", "string", "object", "long string"],
)
def test_a_truncated_array_is_damaged_and_its_incomplete_element_is_not_a_row(data, golden):
    found = read_array(data, row_bytes=100)

    assert found.values == [1][: data.count(b",")]
    assert found.rejections == []
    assert found.damage == golden


@pytest.mark.parametrize(
    "trailing",
    [
        pytest.param(b"]", id="a bracket"),
        pytest.param(b"[3]", id="an array"),
        pytest.param(b"x", id="text"),
        pytest.param(b" " * (2**20 + 1), id="too many spaces"),
    ],
)
def test_text_after_the_array_is_refused(trailing, golden):
    found = read_array(b"[\n1,2]" + trailing)

    assert found.values == [1, 2]
    assert found.damage == golden


def test_a_truncated_array_is_still_damaged_when_it_is_reread(golden):
    found = read_array(b"[1,", start=3, line=2)

    assert (found.rows, found.rejections) == ([], [])
    assert found.damage == golden


def test_a_complete_array_has_no_new_rows_when_it_is_reread():
    found = read_array(b"[1,2]\n", start=4, line=3)

    assert found.all == ([], [], None)


def test_elements_added_before_the_closing_bracket_are_read():
    before = b'[\n  {"a":1},\n  {"a":2}\n]\n'
    found = read_array(before)
    end = found.blocks[-1].end
    assert before[:end].endswith(b'{"a":2}')

    grown = read_array(before[:end] + b',\n  {"a":3}\n]\n', start=end, line=3)

    assert grown.all == ([(3, {"a": 3})], [], None)


def test_a_growing_array_is_read_up_to_its_last_comma():
    found = read_array(b"[1,2,3", growing=True)

    assert found.all == ([(1, 1), (2, 2)], [], None)


def test_a_complete_array_in_a_growing_file_is_read_to_its_end():
    found = read_array(b"[1,2]\n", growing=True)

    assert found.all == ([(1, 1), (2, 2)], [], None)


def test_naughty_strings_are_read_unchanged(shared_data):
    data = (shared_data / "torture/blns.json").read_bytes()

    found = read_array(data, rows=100)

    assert len(found.rows) == 515
    assert found.values == json.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'["' + b"\\\\" * 2**19, id="a string that does not end"),
        pytest.param(b"[" * 2**19, id="brackets that do not close"),
        pytest.param(b"[" + b"," * 2**18, id="commas"),
        pytest.param(b"[" + b'{"a":' * 2**17 + b"}" * 2**17 + b"]", id="deep nesting"),
        pytest.param(b"[" + b'{"a":[{}]},' * 2**16 + b"1]", id="many elements"),
    ],
)
@pytest.mark.cpu_time
def test_an_array_takes_linear_time(data):
    started = time.process_time()

    read(data, format="json", row_bytes=2**16, block_bytes=2**16)

    assert time.process_time() - started < 5
