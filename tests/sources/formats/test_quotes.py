"""Ambiguous quotes never make a line disappear in a cell."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError
from miso_upload.records import Block
from miso_upload.sources.formats import detect_format
from miso_upload.sources.options import ReadingOptions
from tests.helpers.csv_by_character import Rules, rows_of
from tests.helpers.reading import CUTS, PIECES, read

DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", "\t", ";", "§"]),
        "quote": st.sampled_from([None, '"', "'", "none", "→"]),
        "escape": st.sampled_from([None, "\\", "^"]),
    }
)
FRAGMENTS = ("x", "D", "D", "Q", "Q", "Q", "QQ", "E", "E", "\n", "\n", "\r\n", "\r", " ", "xDx\n",
             "QxQDQ\nQ\n", "é")  # fmt: skip
WHOLE = 2**20


def of_dialect(text, *, delimiter, quote, escape, newline="\n"):
    """Return bytes with the dialect's marks in place of D, Q and E."""
    marks = {"D": delimiter, "Q": (quote or '"').replace("none", '"'), "E": escape or "\\"}
    for name, mark in marks.items():
        text = text.replace(name, mark)
    return text.replace("\n", newline).encode()


def slices_of(data, is_record=None, **wanted):
    """Return the rows by line, the rejections by line, and the warnings of a whole file."""
    found, start = detect_format(
        "x.csv", lambda size: data[:size], ReadingOptions.of(format="csv", **wanted)
    )
    line = 1 + data.count(b"\n", 0, start)
    block = Block(1, start, len(data), line, data.count(b"\n", start), data[start:])
    parts = list(found.slices(block, is_record))
    rows = {line: row for part in parts for line, row in zip(part.lines, part.rows, strict=True)}
    rejections = {each.line: each for part in parts for each in part.rejections}
    return rows, rejections, [each for part in parts for each in part.warnings]


def has_a_time(row):
    return row["a"].startswith("2025")


# -- properties ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    body=st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join),
    dialect=DIALECTS,
    newline=st.sampled_from(["\n", "\r\n"]),
    pieces=PIECES,
    cuts=CUTS,
    row_bytes=st.sampled_from([12, 2**20]),
)
def test_every_line_is_in_a_row_or_rejected(body, dialect, newline, pieces, cuts, row_bytes):
    data = of_dialect("aDb\n" + body, **dialect, newline=newline)

    found = read(data, pieces, format="csv", row_bytes=row_bytes, **dialect, **cuts)

    assert found.all == read(data, format="csv", row_bytes=row_bytes, **dialect).all
    rules = rules_of(dialect, data, row_bytes)
    rows, rejected = accounted(data.decode(), rules)
    assert {line: list(row.values()) for line, row in found.rows} == rows
    assert [line for line, _ in found.reasons] == rejected


def rules_of(dialect, data, row_bytes):
    quote = dialect["quote"] or '"'
    wanted = ReadingOptions.of(format="csv", **dialect)
    taken = detect_format("x.csv", lambda size: data[:size], wanted)[0].dialect
    return Rules(
        columns=2,
        delimiter=dialect["delimiter"],
        quote="" if quote == "none" or not taken.quote else quote,
        escape=dialect["escape"] or "",
        row_bytes=row_bytes,
        decided=dialect["quote"] is not None,
    )


def accounted(text, rules):
    """Return the rows and the rejected lines; each line is in one of them or blank."""
    rows, rejected, heights = {}, [], 0
    for line, row in rows_of(text, rules):
        heights += row.raw.count("\n") + 1
        if line == 1:
            continue
        if row.texts is not None:
            rows[line] = row.texts
        elif not row.is_blank:
            rejected += [line + i for i in row.lines]
    assert heights == len(text.split("\n")) - text.endswith("\n")
    return rows, rejected


WRITERS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|§"),
        "quotechar": st.sampled_from("\"'"),
        "escapechar": st.sampled_from([None, "\\"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
    }
)
CELLS = st.text(st.sampled_from("ab,;\"'\\\t\n é"), max_size=6)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=12), writer=WRITERS, pieces=PIECES)
def test_rows_written_by_the_csv_module_are_read_back(rows, writer, pieces):
    text = io.StringIO(newline="")
    doubled = writer["escapechar"] is None
    csv.writer(text, doublequote=doubled, **writer).writerows([("x", "y"), *rows])
    marks = {
        "delimiter": writer["delimiter"],
        "quote": writer["quotechar"],
        "escape": writer["escapechar"],
    }

    found = read(text.getvalue().encode(), pieces, format="csv", **marks)

    assert [tuple(row.values()) for row in found.values] == rows
    assert found.rejections == []


# -- rows in a cell --------------------------------------------------------------------------------

SWALLOWED = b'a,b,c\n2025,x,1\n2025,"y,2\n2025,z,3\n2025,w",4\n2025,v,5\n'


def test_lines_that_may_be_rows_are_rejected_with_their_numbers(golden):
    rows, rejections, warnings = slices_of(SWALLOWED, has_a_time)

    assert list(rows) == [2, 6]
    assert {line: each.row for line, each in rejections.items()} == {
        3: '2025,"y,2',
        4: "2025,z,3",
        5: '2025,w",4',
    }
    ((reason, line),) = warnings
    assert line == 3
    assert "--quote none" in reason.text
    assert (rejections[4].reasons[0].text, reason.text) == golden


def test_the_quote_option_decides_between_the_readings():
    one, _, _ = slices_of(SWALLOWED, has_a_time, quote='"')
    each, rejections, warnings = slices_of(SWALLOWED, has_a_time, quote="none")

    assert one[3] == {"a": "2025", "b": "y,2\n2025,z,3\n2025,w", "c": "4"}
    assert list(each) == [2, 3, 4, 5, 6]
    assert each[3]["b"] == '"y'
    assert (rejections, warnings) == ({}, [])


def test_a_cell_of_two_lines_can_enclose_a_row():
    rows, rejections, _ = slices_of(b'a,b,c\n2025,"y,2\n2025,z",3\n', has_a_time)

    assert (rows, list(rejections)) == ({}, [2, 3])


def test_a_first_cell_can_enclose_a_row():
    rows, rejections, _ = slices_of(b'b,a,c\n"y,2025,2\nz",2025,3\n', has_a_time)

    assert (rows, list(rejections)) == ({}, [2, 3])


@pytest.mark.parametrize(
    "row",
    [
        b'2025,"one\ntwo",3\n',
        b'2025,"one, two,\n\nthree, four, five\n6",7\n',
        b'2025,x,"one\ntwo"\n',
        b'2025,"one\r\ntwo","3\n4"\r\n',
        b'2025,"says ""1,2,3""\n2025","x"',
    ],
)
def test_line_breaks_in_cells_are_kept_if_no_line_is_a_record(row):
    rows, rejections, warnings = slices_of(b"a,b,c\n" + row, has_a_time)

    assert list(rows) == [2]
    assert list(rows[2].values()) == next(csv.reader(io.StringIO(row.decode(), newline="")))
    assert (rejections, warnings) == ({}, [])


def test_the_end_of_a_first_cell_of_two_lines_is_not_a_row():
    rows, _, _ = slices_of(b'b,a,c\n"one\ntwo",2025,3\n', has_a_time)

    assert rows == {2: {"b": "one\ntwo", "a": "2025", "c": "3"}}


def test_a_cell_of_more_than_a_mebibyte_does_not_span_lines():
    line = b"x" * 63 + b"\n"
    row = b'2025,"y\n' + line * 2**14 + b'",3\n'

    fits, _, _ = slices_of(b"a,b,c\n" + row.replace(line, b"", 1), has_a_time)
    rows, rejections, _ = slices_of(b"a,b,c\n" + row + b"2025,2,3\n", has_a_time)

    assert list(fits) == [2]
    assert list(rows) == [2**14 + 4]
    assert len(rejections) == 2**14 + 2


# -- malformed cells -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (b'1,"boots,3', ["1", '"boots', "3"]),
        (b'1,"size 9" boots,3', ["1", '"size 9" boots', "3"]),
        (b'"1","2" ,"3"', ["1", '"2" ', "3"]),
        (b'"1", "2","3"', ["1", ' "2"', "3"]),
        (b'"1",2","3"', ["1", '2"', "3"]),
        (b'1,2,"', ["1", "2", '"']),
        (b'1,2,"3', ["1", "2", '"3']),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n4,5,6\n"])
def test_a_malformed_cell_is_read_literally(row, cells, end):
    rows, rejections, warnings = slices_of(b"a,b,c\n" + row + end)

    assert list(rows[2].values()) == cells
    assert rejections == {}
    rejected = any(text.startswith('"') for text in cells)
    assert [line for _, line in warnings] == ([2] if rejected else [])


def test_a_malformed_row_of_the_wrong_width_is_rejected_with_a_warning(golden):
    rows, rejections, warnings = slices_of(b'a,b\n1,"2, 3" 4\n5,6\n')

    assert (list(rows), list(rejections)) == ([3], [2])
    assert warnings[0][0].text == golden


BACKSLASHES = b'a,b\n"1","The \\"Best\\" Lamp"\n"2","x, \\"y\\", z"\n"C:\\dir\\","3"\n'


def test_a_row_with_backslashes_before_quotes_is_rejected(golden):
    rows, rejections, _ = slices_of(BACKSLASHES)

    assert list(rows) == [4]
    assert "--escape" in rejections[2].reasons[0].text
    assert [each.reasons[0].text for each in rejections.values()] == golden


def test_a_configured_escape_is_removed():
    rows, rejections, warnings = slices_of(BACKSLASHES.rpartition(b'"C')[0], escape="\\")

    assert [row["b"] for row in rows.values()] == ['The "Best" Lamp', 'x, "y", z']
    assert (rejections, warnings) == ({}, [])


def test_an_escape_before_an_ordinary_character_is_literal():
    rows, _, _ = slices_of(b'a,b\n\\N,x\\,y\n"\\n","\\\\"\nz\\\nz,1\n', escape="\\")

    assert [list(row.values()) for row in rows.values()] == [
        ["\\N", "x,y"],
        ["\\n", "\\"],
        ["z\nz", "1"],
    ]


# -- TSV -------------------------------------------------------------------------------------------

SEARCHES = b'a\tb\n1\t"abc"\n2\t"error\n3\tsays "x"\n'


def test_a_tsv_without_quoting_keeps_its_quotes_with_a_warning(golden):
    rows, rejections, warnings = slices_of(SEARCHES, delimiter="\t")

    assert [row["b"] for row in rows.values()] == ['"abc"', '"error', 'says "x"']
    assert rejections == {}
    assert [line for _, line in warnings] == [2, 3]
    assert warnings[0][0].text == golden


def test_a_tsv_is_read_with_the_configured_quotes():
    rows, _, warnings = slices_of(SEARCHES, delimiter="\t", quote='"')

    assert [row["b"] for row in rows.values()] == ["abc", '"error', 'says "x"']
    assert [line for _, line in warnings] == [3]
    assert slices_of(SEARCHES, delimiter="\t", quote="none")[2] == []


@pytest.mark.parametrize(
    ("data", "first"),
    [
        (b'"a"\t"b"\n1\t"x"\n', "x"),
        (b'a\tb\n1\t"x\ty"\n', "x\ty"),
        (b'a\tb\n1\t"x\ny"\n', "x\ny"),
        (b'a\tb\n1\t"says ""x"""\n', 'says "x"'),
        (b'a\tb\n1\t"x"\n2\t"y"\n', "x"),
        (b'a\tb\nu\t"x, y"\nv\tz\n', "x, y"),
    ],
)
def test_a_tsv_that_quotes_its_cells_is_detected(data, first):
    rows, rejections, warnings = slices_of(data, delimiter="\t")

    assert rows[2]["b"] == first
    assert (rejections, warnings) == ({}, [])


@pytest.mark.parametrize(
    "data",
    [
        b'a\tb\nu\t"x"\nv\ty\n',
        b'a\tb\nu\t"x, y"\nv\ty, z\n',
        b'a\tb\nu\t"x, y"\nv\t"y\n',
        b'a\tb\nu\t"x\nv\ty"\n',
    ],
)
def test_a_tsv_that_may_not_quote_its_cells_keeps_its_quotes(data):
    rows, _, _ = slices_of(data, delimiter="\t")

    assert rows[2]["b"].startswith('"')


# -- headers ---------------------------------------------------------------------------------------


def test_a_header_that_may_enclose_rows_is_refused(golden):
    data = b'a,b,"c\n1,2,3\n4,5,6",d\n7,8,9,0\n'

    with pytest.raises(ConfigurationError) as caught:
        slices_of(data)

    assert str(caught.value) == golden
    assert list(slices_of(data, quote='"')[0]) == [4]
    with pytest.raises(ConfigurationError) as caught:
        slices_of(b'a,"b"x\n1,2\n')

    assert str(caught.value) == golden


@pytest.mark.parametrize(
    ("wanted", "option"),
    [
        ({"quote": ","}, "--delimiter"),
        ({"quote": "\n"}, "--quote"),
        ({"escape": ","}, "--escape"),
    ],
)
def test_ambiguous_delimiters_quotes_and_escapes_are_refused(wanted, option):
    with pytest.raises(ConfigurationError) as caught:
        slices_of(b"a,b\n", delimiter=",", **wanted)

    assert option in str(caught.value)


def test_single_quotes_are_quotes_if_they_are_configured(golden):
    data = b"'a','b'\n'1','it''s, 2'\n"

    with pytest.raises(ConfigurationError) as caught:
        slices_of(data)

    assert str(caught.value) == golden
    assert slices_of(data, quote="'")[0] == {2: {"a": "1", "b": "it's, 2"}}
    assert list(slices_of(data.replace(b", 2", b""), quote="none")[0][2]) == ["'a'", "'b'"]
