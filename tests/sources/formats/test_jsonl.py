import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.sources.formats.json_rows import parse_rows
from miso_upload.values.json import decode, encode
from tests.helpers.reading import CUTS, PIECES, assert_complete, read, read_file, texts_of, unpadded

BROKEN = (
    b'{"a":[{"x":1}', b'{"y":2}]}', b"{},{}", b"{}", b"[", b"]", b"{", b"}", b",", b'"', b"\\",
    b'{"a":"', b'"}', b"1,2", b"null", b"\xff", b"\x00", b" ", b"\r", b'"\\ud800"', b"1e999",
)  # fmt: skip


def read_jsonl(data, pieces=(2**20,), **others):
    return read(data, pieces, format="jsonl", **others)


def expected(data, row_bytes=2**20):
    """Return the row of each line by itself, and the invalid lines."""
    rows, rejected = [], []
    if b"\n" not in data and b"\r" in data[:-1]:
        data = data.replace(b"\r", b"\n")
    for line, text in enumerate(unpadded(data).split(b"\n"), 1):
        if len(text) > row_bytes:
            rejected.append(line)
        elif text.strip(b" \t\r\n"):
            before, _, after = text.rpartition(b",")
            value = before if after in (b"", b"\r") and before.strip(b" \t\r\n") else text
            try:
                rows.append((line, orjson.loads(value)))
            except orjson.JSONDecodeError:
                rejected.append(line)
    return rows, rejected


@settings(deadline=None)
@given(lines=st.lists(texts_of(*BROKEN), max_size=12), pieces=PIECES, cuts=CUTS)
def test_no_line_can_change_how_another_is_read(lines, pieces, cuts):
    """Lines are joined for one parse, but each is read as if alone."""
    data = b"\n".join(lines)

    found = read_jsonl(data, pieces, **cuts)

    assert (found.rows, [line for line, _ in found.reasons]) == expected(data)
    assert_complete(data, found, **cuts)


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"a":[1', b"2]}"],
        [b'{"a":[{"x":1}', b'{"y":2}]}', b"{},{}"],
        [b'{"a":[1', b"2]}", b"3,4,5"],
        [b"3,4,5", b"[1", b"2]"],
        [b'"a', b'b"', b"1,2,3"],
    ],
)
def test_invalid_lines_that_are_valid_together_are_rejected(lines):
    found = read_jsonl(b"\n".join(lines))

    assert found.rows == []
    assert [line for line, _ in found.reasons] == list(range(1, len(lines) + 1))


@settings(deadline=None)
@given(
    data=st.binary(max_size=200) | texts_of(*BROKEN, b"\n", b"\n", b'{"a":1}', b"x" * 40),
    pieces=PIECES,
    cuts=CUTS,
    row_bytes=st.sampled_from([1, 5, 20, 2**20]),
)
def test_any_bytes_are_read_the_same_however_they_are_cut(data, pieces, cuts, row_bytes):
    data = b"\n" + data  # no byte order mark and no gzip magic
    whole = read_jsonl(data, row_bytes=row_bytes)

    found = read_jsonl(data, pieces, row_bytes=row_bytes, **cuts)

    assert found.all == whole.all
    assert (found.rows, [line for line, _ in found.reasons]) == expected(data, row_bytes)
    assert_complete(data, found, **cuts)


@settings(deadline=None)
@given(data=texts_of(*BROKEN, b"\n", b"\n", b'{"a":1}'), cuts=CUTS, choice=st.randoms())
def test_reading_resumes_at_the_end_of_any_block(data, cuts, choice):
    whole = read_jsonl(data, row_bytes=8, **cuts)
    if not whole.blocks[:-1]:
        return
    block = choice.choice(whole.blocks[:-1])
    line = block.first_line + block.lines

    rest = read_jsonl(data, start=block.end, line=line, row_bytes=8)

    assert rest.all == whole.from_line(line)


def test_the_last_value_of_a_repeated_key_counts():
    found = read_jsonl(b'{"a":1,"a":2}\n')

    assert found.values == [{"a": 2}]


def test_blank_lines_are_neither_rows_nor_rejections():
    found = read_jsonl(b'\n  \n\t\r\n{"a":1}\n\n\r\n{"a":2}\n\n')

    assert found.rows == [(4, {"a": 1}), (7, {"a": 2})]
    assert found.rejections == []


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n"])
def test_byte_order_marks_and_carriage_returns_are_not_part_of_a_row(mark, newline, last):
    data = mark + newline.join([b'{"a":1}', b'{"a":2}']) + last

    found = read_jsonl(data)

    assert found.rows == [(1, {"a": 1}), (2, {"a": 2})]
    assert found.rejections == []


@pytest.mark.parametrize("block_bytes", [1, 100, 2**25])
@pytest.mark.parametrize("pieces", [(3,), (2**20,)])
def test_an_overlong_row_is_rejected_and_the_next_one_is_read(block_bytes, pieces):
    data = b'{"a":1}\n"' + b"x" * 300 + b'"\n{"a":2}\n'

    found = read_jsonl(data, pieces, row_bytes=250, block_bytes=block_bytes)

    assert found.rows == [(1, {"a": 1}), (3, {"a": 2})]
    (rejection,) = found.rejections
    line, reason, shown = rejection
    assert (line, shown) == (2, '"' + "x" * 199)
    assert "250" in reason
    assert "--max-row-bytes" in reason


def test_a_row_as_long_as_the_limit_is_read_even_if_it_exceeds_a_block():
    row = b'"' + b"x" * 98 + b'"'

    found = read_jsonl(row + b"\n" + row, (7,), row_bytes=100, block_bytes=10)

    assert [len(value) for value in found.values] == [98, 98]


def test_an_overlong_row_is_never_held_in_memory():
    data = b"x" * (5 * 2**20) + b"\n{}\n"

    found = read(data, format="jsonl", row_bytes=1000, block_bytes=1000)

    assert [len(block.data) for block in found.blocks] == [200, 3]
    assert found.rows == [(2, {})]


@pytest.mark.parametrize(
    "text",
    [
        b"NaN", b"[Infinity]", b"1e400", b'{"a":1}\x00', b"1\x00", b'"\\ud800"', b'"\xed\xa0\x80"',
        b'"\xff"', b"'a'", b"{a:1}", b"[1,]", b"01", b"[" * 100_000, b'{"a":' * 5000,
    ],
)  # fmt: skip
def test_a_line_that_is_not_json_is_rejected_alone(text):
    found = read_jsonl(b'{"a":1}\n' + text + b'\n{"a":2}\n')

    assert found.rows == [(1, {"a": 1}), (3, {"a": 2})]
    ((line, reason),) = found.reasons
    assert line == 2
    assert "JSON" in reason


def test_the_reason_does_not_show_the_row():
    found = read_jsonl(b'{"ip":"203.0.113.9" oops}\n')

    ((_, reason),) = found.reasons
    assert "203" not in reason


def test_integers_beyond_64_bits_keep_their_digits():
    found = read_jsonl(b"[18446744073709551616, 9007199254740993, -9223372036854775809, 1e30]\n")

    assert found.values == [[18446744073709551616, 9007199254740993, -9223372036854775809, 1e30]]
    assert [type(each) for each in found.values[0]] == [int, int, int, float]


NUMBERS = st.integers() | st.integers(-(10**40), 10**40) | st.floats(-1e300, 1e300)


@given(values=st.lists(NUMBERS | st.text("-0123456789,:[ .e"), max_size=5))
def test_any_integers_are_read_and_written_in_their_digits(values):
    text = json.dumps({"a": values, "b": [values]}).encode()

    found = read_jsonl(text)

    assert repr(found.values) == repr([{"a": values, "b": [values]}])
    assert json.loads(encode(found.values[0])) == json.loads(text)


def test_an_integer_of_thousands_of_digits_is_rejected():
    assert [line for line, _ in read_jsonl(b"[" + b"1" * 5000 + b"]\n").reasons] == [1]


@pytest.mark.parametrize("text", [b'{"a":NaN}', b"[1, -Infinity]", b"Infinity"])
def test_a_rejection_names_the_number_that_json_does_not_have(text):
    ((_, _),) = read_jsonl(text).reasons
    (part,) = parse_rows([text], [1], 100)

    assert text.strip(b'{"a:[1, }]').decode() in part.rejections[0].reasons[0].shown


def test_the_json_parsing_suite_is_accepted_and_rejected_as_named(shared_data, tmp_path):
    """If a file of the suite contains a newline, its row contains a carriage return.

    To JSON both are white space, and both are forbidden inside of strings. Two files hold nothing
    at all, which is no error here but a blank line.
    """
    wrong = []
    for path in sorted((shared_data / "torture/JSONTestSuite/test_parsing").iterdir()):
        text = path.read_bytes().replace(b"\n", b"\r")
        row = tmp_path / "row.jsonl"
        row.write_bytes(b'{"before":1}\n' + text + b'\n{"after":1}\n')

        found = read_file(row)

        good = len(found.rows) == 3
        assert (found.rows[0], found.rows[-1]) == ((1, {"before": 1}), (3, {"after": 1})), path.name
        is_blank = not unpadded(text).strip()
        assert len(found.rejections) == (not good and not is_blank), path.name
        if path.name[0] in "yn" and good != (path.name[0] == "y"):
            wrong.append(path.name)

    # A comma after a value is ignored, and `\\x` is read as nginx writes it into its logs.
    assert wrong == ["n_array_comma_after_close.json", "n_string_escape_x.json"]


def test_naughty_strings_are_read_unchanged(shared_data):
    strings = json.loads((shared_data / "torture/blns.json").read_bytes())

    found = read_jsonl(b"\n".join(json.dumps(each).encode() for each in strings))

    assert found.values == strings
    assert decode(json.dumps(strings)) == strings
