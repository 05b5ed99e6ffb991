"""NULs at the start of lines are not part of any row, however many there are."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.sources import Source
from miso_upload.sources.first_rows import first_rows
from miso_upload.sources.formats import padding
from miso_upload.sources.formats.padding import size_with_padding, without_padding
from tests.helpers.reading import (
    CUTS,
    PIECES,
    assert_complete,
    options,
    read,
    read_file,
    read_source,
    texts_of,
    unpadded,
)

LOG = (
    b'192.0.2.1 - - [10/Oct/2023:13:55:36 +0000] "GET /a HTTP/1.1" 200 12 "-" "x"\n'
    b'192.0.2.2 - - [10/Oct/2023:13:55:37 +0000] "GET /b HTTP/1.1" 200 12 "-" "x"\n'
)
TEXTS = {
    "jsonl": b'{"a":1}\n{"a":2}\n\n{"a":3}\n',
    "csv": b'a,b\n1,2\n"3",5\n6,7\n',
    "json": b'[\n{"a":1},\n{"a":2}\n]\n',
    "log": LOG,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    ("size", "where"),
    [
        *itertools.product([1, 500, 70_000], ["first", "last", "every"]),
        (3_000_000, "every"),  # more than a block, also before the first row
        (3_000_000, "last"),
    ],
)
def test_rows_are_read_the_same_as_without_nuls(tmp_path, name, size, where):
    text, nuls = TEXTS[name], b"\0" * size
    padded = {
        "first": nuls + text,
        "last": text + nuls,
        "every": nuls + text.replace(b"\n", b"\n" + nuls),
    }[where]
    path = tmp_path / f"x.{name}"
    path.write_bytes(padded)

    found = read_file(path, format=None if name == "log" else name)

    expected = read(text, format=name)
    assert (found.rows, found.reasons, found.damage) == (expected.rows, [], None)
    with Source(str(path), options()) as opened:
        read_source(opened)
        assert any("NUL" in note for note in opened.notes()) == (where != "last")


@settings(deadline=None)
@given(
    data=texts_of(b"\0", b"\0\0\0", b"\n", b'{"a":1}', b'"a\nb",c', b'"', b",", b"1"),
    pieces=PIECES, cuts=CUTS, name=st.sampled_from(["jsonl", "csv"]),
    many=st.sampled_from([1, 3, 2**22]),
)  # fmt: skip
def test_any_padded_text_is_read_the_same_as_without_nuls(data, pieces, cuts, name, many):
    data = b"a,b\n" + data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(padding, "_MANY", many)

        found = read(data, pieces, format=name, **cuts)

    expected = read(unpadded(data), format=name)
    if many > 3:
        assert (found.rows, found.reasons) == (expected.rows, expected.reasons)
    assert_complete(data, found, **cuts)


@given(data=texts_of(b"\0", b"\0\0", b"\n", b"a", b"bc"), share=st.floats(0, 1))
def test_a_size_without_nuls_is_converted_to_a_size_with_them(data, share):
    clean = without_padding(data)
    size = int(share * len(clean))

    reached = size_with_padding(data, size)

    assert clean == unpadded(data)
    assert without_padding(data[:reached]) == clean[:size]
    assert not (size and data[:reached].endswith(b"\n\0"))


def test_reading_resumes_after_nuls_as_at_the_start_of_a_line(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a":1}\n' + b"\0" * 100)
    end = read_file(path).blocks[-1].end
    path.write_bytes(b'{"a":1}\n' + b"\0" * 200 + b'{"a":2}\n')

    found = read_file(path, start=end, line=2)

    assert (found.rows, found.rejections) == ([(2, {"a": 2})], [])


def test_a_file_of_only_nuls_has_no_rows(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(b"\0" * 5_000_000)

    with Source(str(path), options()) as opened:
        assert not opened.has_rows
        assert read_source(opened).all == ([], [], None)


def test_the_first_rows_after_nuls_can_be_read(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(b"\0" * 3_000_000 + LOG.replace(b"\n", b"\n\0\0"))

    with Source(str(path), options()) as opened:
        assert len(first_rows(opened)) == 2


def test_nuls_before_a_header_are_not_part_of_a_column_name(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\0\0a,b\n1,2\n")

    assert read_file(path).values == [{"a": "1", "b": "2"}]


def test_a_fields_line_after_nuls_applies():
    fields = b"#Fields: date time c-ip cs-uri-stem\n"
    rows = b"2023-10-10 20:55:36 192.0.2.1 /a\n" * 3

    found = read(b"\0\0" + fields + rows, [5], format="log", rows=1)

    assert len(found.rows) == 3


def test_a_nul_in_a_string_is_rejected_with_its_row():
    row = json.dumps({"a": "x"}).encode().replace(b"x", b"\0")

    assert [line for line, _ in read(row + b"\n", format="jsonl").reasons] == [1]


@pytest.mark.parametrize(
    "text",
    [
        b'[1,\0\0{"a":1}]',
        b'[1,{"a":"' + b"\n\0\0" * 20 + b'"},2]',
        b'[1,\n\0\0"' + b"x" * 60 + b'",2]',
    ],
)
def test_an_array_with_nuls_is_read_the_same_however_it_is_cut(text):
    whole = read(text, row_bytes=40, format="json")

    for rows in (1, 2):
        for pieces in ([1], [3], [1000]):
            cut = read(text, pieces, row_bytes=40, rows=rows, block_bytes=9, format="json")
            assert cut.all == whole.all
