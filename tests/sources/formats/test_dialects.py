"""Dialects of CSV: delimiters of any kind, lines that are not rows, headers that come again."""

import gzip

import pytest
from hypothesis import given, settings

from miso_upload.errors import ConfigurationError
from miso_upload.sources import Source
from tests.helpers.reading import CUTS, PIECES, assert_complete, options, read, read_file, texts_of

ROWS = [{"a": "1", "b": "x y", "c": "3"}, {"a": "4", "b": "", "c": "6"}]
TABLE = "a,b,c\n1,x y,3\n4,,6\n"
MARK = b"\xef\xbb\xbf"


def skipped(data, **others):
    """Return the kinds of lines that are not rows."""
    with Source(str(data), options(**others)) as opened:
        return [
            kind
            for block in opened.blocks(opened.body_start, opened.body_line)
            for part in opened.format.slices(block)
            for kind in part.skipped
        ]


# -- encodings and line ends -----------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_encodings_and_line_ends_are_recognised(tmp_path, encoding, newline, pack):
    path = tmp_path / "x.csv"
    path.write_bytes(pack(TABLE.replace("\n", newline).encode(encoding)))

    found = read_file(path)

    assert found.rows == list(enumerate(ROWS, 2))


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_reading_resumes_in_a_file_whose_lines_end_with_returns(tmp_path, rows):
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\r" + b"1,2\r" * 5000)
    whole = read_file(path, rows=rows)
    block = whole.blocks[len(whole.blocks) // 2]

    rest = read_file(path, rows=rows, start=block.end, line=block.first_line + block.lines)

    assert len(whole.rows) == 5000
    assert rest.all == whole.from_line(block.first_line + block.lines)


def test_marks_at_the_start_of_lines_are_not_part_of_a_cell():
    found = read(MARK + b"1,2\n" + MARK + b"3,4\n5," + MARK + b"6\n", columns=("a", "b"))

    assert found.values == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "\ufeff6"}]


# -- delimiters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", ["::", "||", "|~|", "\x01", "\t", ";", "^", "~*~"])
def test_cells_are_split_at_delimiters_of_any_length(delimiter):
    found = read(TABLE.replace(",", delimiter).encode(), format="csv", delimiter=delimiter)

    assert found.values == ROWS


@pytest.mark.parametrize("delimiter", ["::", "||", "|~|", "\x01"])
def test_usual_long_delimiters_are_detected(delimiter):
    assert read(TABLE.replace(",", delimiter).encode()).values == ROWS


@settings(deadline=None)
@given(
    body=texts_of(b"::", b"::", b":", b'"', b"a", b"\n", b'"b::c"', b'"b\nc"', b" "),
    pieces=PIECES, cuts=CUTS,
)  # fmt: skip
def test_a_long_delimiter_is_read_like_a_short_one(body, pieces, cuts):
    # A colon by itself is text, as another character is for the short delimiter.
    data = b"k::l\n" + body.replace(b":::", b"::")
    short = data.replace(b"::", b";")

    found = read(data, pieces, format="csv", delimiter="::", **cuts)

    expected = read(short, format="csv", delimiter=";")
    assert [line for line, _ in found.rows] == [line for line, _ in expected.rows]
    assert [line for line, _ in found.reasons] == [line for line, _ in expected.reasons]
    assert_complete(data, found, **cuts)


@pytest.mark.parametrize("pieces", [(1,), (2**20,)])
def test_any_white_space_separates_cells(pieces):
    data = b'a  b\tc\n 1 "x y"   3 \n4\t\t5 6\r\n7 8\n'

    found = read(data, pieces, format="csv", delimiter="whitespace")

    assert found.rows == [(2, ROWS[0]), (3, {"a": "4", "b": "5", "c": "6"})]
    assert [line for line, _ in found.reasons] == [4]


@pytest.mark.parametrize(
    ("line", "delimiter"), [("sep=;", ";"), ('"sep=|"', "|"), ("SEP=\t", "\t"), ("sep=^", "^")]
)
@pytest.mark.parametrize("mark", [b"", MARK])
def test_a_sep_line_names_the_delimiter(line, delimiter, mark):
    data = mark + (line + "\r\n").encode() + TABLE.replace(",", delimiter).encode()

    assert read(data).rows == list(enumerate(ROWS, 3))


@pytest.mark.parametrize("last", ["", '"q"'])
def test_a_delimiter_after_the_last_cell_ends_it(last):
    data = f"a,b\n1,2,\n3,{last},\n5,6\n7,8,9\n".encode()

    found = read(data, format="csv")

    assert [row["a"] for row in found.values] == ["1", "3", "5"]
    assert [line for line, _ in found.reasons] == [5]


# -- lines that are not rows -----------------------------------------------------------------------


@pytest.mark.parametrize("comment", ["#", "//"])
@pytest.mark.parametrize("pieces", [(1,), (2**20,)])
def test_comments_are_passed_over_and_counted(tmp_path, comment, pieces):
    lines = ['# a, "b', "#", "a,b,c", "1,x y,3", '#,"', "4,,6", "#"]
    data = "\n".join(lines).replace("#", comment).encode()
    path = tmp_path / "x.csv"
    path.write_bytes(data)

    found = read(data, pieces, comment=comment, rows=1)

    assert found.rows == [(4, ROWS[0]), (6, ROWS[1])]
    assert found.rejections == []
    assert len(skipped(path, comment=comment)) == 2


def test_a_comment_mark_inside_a_quoted_cell_is_text():
    found = read(b'a,b\n"1\n#2",3\n', format="csv", comment="#")

    assert found.values == [{"a": "1\n#2", "b": "3"}]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_before_a_header_are_skipped_on_request(newline):
    data = ("My export\n2025\n\n" + TABLE).replace("\n", newline).encode()

    assert read(data, skip_lines=3).rows == list(enumerate(ROWS, 5))


@pytest.mark.parametrize(
    "data", ["My export\n2025\n\n" + TABLE, "# My export\n" + TABLE + "# end\n"]
)
def test_lines_above_a_header_are_refused_with_the_option(data, golden):
    with pytest.raises(ConfigurationError) as caught:
        read(data.encode(), format="csv")

    assert str(caught.value) == golden


@pytest.mark.parametrize("lists", ["x;y", "x;y;z", "x|y|z"])
@pytest.mark.parametrize("header", ["id,products", "id,when,products,more"])
def test_a_header_of_a_table_with_lists_is_no_title(lists, header):
    columns = header.split(",")
    row = ",".join(lists if column == "products" else "1" for column in columns)

    found = read(f"{header}\n{row}\n{row}\n{row}\n".encode(), format="csv")

    assert [each["products"] for each in found.values] == [lists] * 3


@pytest.mark.parametrize(
    ("data", "delimiter"),
    [
        ("id type\n1 add\n2  view\n", "whitespace"),
        ("id~type of event\n1~add\n2~view of it\n", "~"),
        ("words\nred shoes\nblue\n", None),
        ("id type\n1 add\n2 view again\n", None),
        ("id\n1\n2\n", None),
    ],
)
def test_a_delimiter_that_is_not_detected_is_suggested(tmp_path, data, delimiter):
    path = tmp_path / "x.csv"
    path.write_text(data)

    with Source(str(path), options()) as opened:
        remark = opened.format.remark

    assert f"--delimiter {delimiter}".replace(" ~", " '~'") in remark if delimiter else not remark


@pytest.mark.parametrize(
    ("name", "data", "others"),
    [
        ("x.jsonl", b'{"a":1}\n', {"comment": "#"}),
        ("x", b'{"a":1}\n', {"comment": "#"}),
        ("x.csv", b"a,b\n1,2\n", {"items": "data"}),
        ("x.tsv", b"a\tb\n1\t2\n", {"items": "data"}),
        ("x.log", b'192.0.2.1 - - [01/Mar/2025:10:00:00 +0000] "GET / HTTP/1.1" 200 1\n',
         {"comment": "#"}),
    ],
)  # fmt: skip
def test_options_that_a_format_does_not_use_are_refused(tmp_path, name, data, others, golden):
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(ConfigurationError) as caught:
        read_file(path, **others)

    assert str(caught.value).replace(str(tmp_path), "") == golden


@pytest.mark.parametrize("others", [{"comment": "#"}, {"items": "a"}, {"skip_lines": 1}])
def test_options_for_text_are_refused_for_parquet(tmp_path, others):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"a": [1, 2]}), path)

    with pytest.raises(ConfigurationError):
        read_file(path, **others)


# -- headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 10_000])
@pytest.mark.parametrize("pieces", [(3,), (2**20,)])
def test_a_header_that_comes_again_names_the_columns(tmp_path, rows, pieces):
    data = TABLE + TABLE + '"c",a,b\n3,1,x y\n6,4,\n' + "# not\n" + TABLE
    path = tmp_path / "x.csv"
    path.write_bytes(data.encode())

    found = read(data.encode(), pieces, rows=rows)

    assert found.values == ROWS * 4
    assert [line for line, _ in found.reasons] == [10]
    assert len(skipped(path)) == 3


@pytest.mark.parametrize("again", ["USER,SKU", "Sku,User", "SKU, User"])
def test_a_header_that_comes_again_may_be_in_another_case(again):
    cells = "p2,u2" if again.startswith("S") else "u2,p2"

    found = read(f"user,sku\nu1,p1\n{again}\n{cells}\n".encode(), format="csv")

    assert found.values == [{"user": "u1", "sku": "p1"}, {"user": "u2", "sku": "p2"}]


def test_names_that_differ_by_case_only_are_different_columns():
    found = read(b"id,ID\n1,2\nID,id\n3,4\n", format="csv")

    assert found.values == [{"id": "1", "ID": "2"}, {"id": "4", "ID": "3"}]


def test_reading_resumes_under_the_last_header(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n" + b"b,a\n" + b"2,1\n" * 9)
    whole = read_file(path, rows=1)
    block = whole.blocks[6]

    rest = read_file(path, start=block.end, line=block.first_line + block.lines)

    assert rest.values
    assert all(row == {"a": "1", "b": "2"} for row in rest.values)


def test_columns_of_the_same_name_are_ignored():
    found = read(b"a,n,n\n1,2,3\na,n,n\n4,5,6\n", format="csv")

    assert [row["a"] for row in found.values] == ["1", "4"]
    assert all("n" not in row for row in found.values)


@pytest.mark.parametrize("names", ["a,b", "aa,a", "x,xx"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_names_inside_cells_are_no_header(names, quote):
    first, second = names.split(",")
    swapped = f"{quote}{second}{quote},{first} "
    data = f"{names}\n{second}{first},{first}\n{second} {second},1\n{swapped}\n1,2\n"

    found = read(data.encode(), format="csv")

    assert found.values == [
        {first: f"{second}{first}", second: first},
        {first: f"{second} {second}", second: "1"},
        {first: "2", second: "1"},
    ]
