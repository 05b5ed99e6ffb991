import csv
import io
import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError
from miso_upload.records import Block
from miso_upload.sources.formats import detect_format
from miso_upload.sources.options import ReadingOptions
from tests.helpers.csv_by_character import Rules, rows_of
from tests.helpers.reading import CUTS, PIECES, assert_complete, read, texts_of, unpadded

HEADER = b"a,b\n"
FRAGMENTS = (
    b"x", b"y", b",", b",", b'"', b'"', b'"', b'""', b"\n", b"\n", b"\r\n", b"\r", b" ", b"\x00",
    b"\xff", "é".encode(), b'"p,q"', b'"p\nq"', b"1,2\n", b'"3","4"\n', b'"5","\n6"\r\n', b"z" * 20,
)  # fmt: skip
CELLS = st.text(
    st.sampled_from('ab,;"\n\té \u2028') | st.characters(codec="utf-8", exclude_characters="\r"),
    max_size=6,
)


def read_csv(data, pieces=(2**20,), **others):
    return read(data, pieces, **{"format": "csv", "delimiter": ",", **others})


def expected(data, row_bytes):
    """Return the rows of two cells and the lines of all others, by the slow parser."""
    text = unpadded(data).decode(errors="surrogateescape")
    rows, others = [], []
    for line, row in rows_of(text, Rules(columns=2, row_bytes=row_bytes)):
        if row.texts is not None and "\udcff" not in row.raw:
            rows.append((line, dict(zip("ab", row.texts, strict=True))))
        elif not row.is_blank or len(row.raw.removesuffix("\n")) > row_bytes:
            others += [line + i for i in row.lines] or [line]
    del rows[:1]  # the header
    return rows, others


@settings(deadline=None)
@given(
    body=texts_of(*FRAGMENTS),
    pieces=PIECES,
    cuts=CUTS,
    row_bytes=st.sampled_from([4, 12, 2**20]),
)
@example(b"\r\r\r\r\r\n", [1], {"rows": 1, "block_bytes": 1}, 4)
@example(b'1\r,"2\n3",4\n5,6\n', [1], {"rows": 1, "block_bytes": 1}, 2**20)
@example(b',"p\nq""p,q"', [2**20], {"rows": 1, "block_bytes": 1}, 12)
def test_any_text_is_read_the_same_however_it_is_cut(body, pieces, cuts, row_bytes):
    data = HEADER + body

    found = read_csv(data, pieces, row_bytes=row_bytes, **cuts)

    assert (found.rows, [line for line, _ in found.reasons]) == expected(data, row_bytes)
    assert found.all == read_csv(data, row_bytes=row_bytes).all
    assert_complete(data, found, **cuts)


@settings(deadline=None)
@given(
    # NULs at the start of a line are skipped.
    rows=st.lists(
        st.tuples(CELLS, CELLS).filter(lambda row: "\0" not in "".join(row)), max_size=12
    ),
    delimiter=st.sampled_from(",;\t|§"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    pieces=PIECES,
    cuts=CUTS,
)
def test_valid_rows_match_the_csv_module(rows, delimiter, quoting, newline, pieces, cuts):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=newline)
    writer.writerows([("a", "b"), *rows])

    # A few quoted cells do not prove that a TSV file quotes its cells.
    quote = {"quote": '"'} if delimiter == "\t" else {}
    # No line of a cell is taken for a record.
    others = {"delimiter": delimiter, "is_record": lambda _: False, **quote, **cuts}
    found = read_csv(text.getvalue().encode(), pieces, **others)

    text.seek(0)
    assert found.values == list(csv.DictReader(text, delimiter=delimiter))
    assert found.rejections == []


@settings(deadline=None)
@given(body=texts_of(*FRAGMENTS), cuts=CUTS, choice=st.randoms())
def test_reading_resumes_at_the_end_of_any_block(body, cuts, choice):
    data = HEADER + body
    whole = read_csv(data, row_bytes=12, **cuts)
    if not whole.blocks[:-1]:
        return
    block = choice.choice(whole.blocks[:-1])
    line = block.first_line + block.lines

    rest = read_csv(data, start=block.end, line=line, row_bytes=12)

    assert rest.all == whole.from_line(line)


def test_line_numbers_are_correct_after_quoted_newlines(golden):
    found = read_csv(b'a,b\n\n1,"x\ny\r\n"\n2,z\n3\n', rows=1)

    assert found.rows == [(3, {"a": "1", "b": "x\ny\r\n"}), (6, {"a": "2", "b": "z"})]
    ((line, reason),) = found.reasons
    assert line == 7
    assert reason == golden


def test_rows_with_too_many_or_too_few_cells_are_rejected(golden):
    found = read_csv(b"a,b\n1,2,3\n1,2\n1\n")

    assert found.rows == [(3, {"a": "1", "b": "2"})]
    assert [(line, row) for line, _, row in found.rejections] == [(2, ["1", "2", "3"]), (4, ["1"])]
    assert [reason for _, reason in found.reasons] == golden


def test_blank_lines_are_neither_rows_nor_rejections():
    found = read_csv(b"\r\n\na,b\n\n1,2\r\n\r\n  \n3,4\n\n")

    assert [line for line, _ in found.rows] == [5, 8]
    assert found.rejections == []


def test_a_quote_inside_a_cell_is_an_ordinary_character():
    found = read_csv(b'a,b\n5" pipe,say "hi"\n1,2\n')

    assert found.values == [{"a": '5" pipe', "b": 'say "hi"'}, {"a": "1", "b": "2"}]


@pytest.mark.parametrize("pieces", [(1,), (2**20,)])
def test_a_quote_that_is_never_closed_is_literal(pieces):
    found = read_csv(b'a,b\n1,2\n"3,4\n5,6\n7,8\n', pieces)

    assert [line for line, _ in found.rows] == [2, 3, 4, 5]
    assert found.values[1] == {"a": '"3', "b": "4"}


@pytest.mark.parametrize("pieces", [(1,), (2**20,)])
def test_a_quote_that_would_enclose_too_much_is_literal(pieces):
    data = b'a,b\n"1,2\n' + b"3,4\n" * 20 + b'5,"\n'

    found = read_csv(data, pieces, row_bytes=50)

    assert [line for line, _ in found.rows] == list(range(2, 24))
    assert found.values[0] == {"a": '"1', "b": "2"}
    assert found.values[-1] == {"a": "5", "b": '"'}


@pytest.mark.parametrize("block_bytes", [10, 2**25])
@pytest.mark.parametrize("row", [b"x" * 60, b'"' + b"x" * 60 + b'"'])
def test_an_overlong_row_is_rejected_and_the_next_one_is_read(row, block_bytes):
    found = read_csv(b"a,b\n1,2\n" + row + b",3\n4,5\n", row_bytes=50, block_bytes=block_bytes)

    assert found.values == [{"a": "1", "b": "2"}, {"a": "4", "b": "5"}]
    assert found.rejections
    assert all("50" in text and "--max-row-bytes" in text for _, text in found.reasons)


def test_a_cell_can_exceed_the_default_limit_of_the_csv_module():
    found = read_csv(b'a,b\n1,"' + b"x" * 200_000 + b'"\n')

    assert len(found.values[0]["b"]) == 200_000


@pytest.mark.parametrize(
    "row",
    [b"1,\xff", b'"1","\xff\n"', b"1,\xed\xa0\x80"],
    ids=["a byte", "a byte in quotes", "a surrogate"],
)
def test_a_cell_that_is_not_utf8_rejects_only_its_row(row, golden):
    found = read_csv("a,b\né,1\n".encode() + row + "\né,2\n".encode())

    assert found.values == [{"a": "é", "b": "1"}, {"a": "é", "b": "2"}]
    ((line, reason),) = found.reasons
    assert line == 3
    assert "--encoding" in reason
    assert reason == golden
    assert "\ufffd" in found.rejections[0][2]["b"]


def test_a_carriage_return_in_the_middle_rejects_only_its_row(golden):
    found = read_csv(b'a,b\n1\r,2\n"3\r4",5\r\n')

    assert found.rows == [(3, {"a": "3\r4", "b": "5"})]
    ((line, reason, row),) = found.rejections
    assert (line, row) == (2, {"a": "1\r", "b": "2"})
    assert reason == golden


def test_nul_bytes_within_a_line_are_ordinary_characters():
    found = read_csv(b"a,b\n1\x00,\x00\n")

    assert found.values == [{"a": "1\x00", "b": "\x00"}]


def test_five_thousand_columns_are_read():
    names = [f"column {number}" for number in range(5_000)]
    cells = [str(number) for number in range(5_000)]
    text = "\n".join(",".join(line) for line in (names, *[cells] * 30))

    found = read(text.encode(), format="csv")

    assert found.values == [dict(zip(names, cells, strict=True))] * 30


@pytest.mark.cpu_time
def test_many_columns_are_compared_quickly():
    header = ",".join(f"c{number}" for number in range(50_000))
    started = time.process_time()

    found = read(f"{header},c7\n{header},c7\n".encode() * 2, format="csv")
    with pytest.raises(ConfigurationError) as caught:
        read(f"{header},{header}\n".encode(), format="csv")

    assert time.process_time() - started < 2
    assert found.all == ([], [], None)
    assert '"c0"' in str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_is_detected_in_the_header_and_the_rows(delimiter, mark):
    text = f'{mark}a|{delimiter}b,b{delimiter}"c;c"\n'.replace(
        f"a|{delimiter}", f'"a|"{delimiter}'
    ).replace("b,b", '"b,b"')

    found = read((text + delimiter.join("123") + "\n").encode(), format="csv")

    assert found.values == [{"a|": "1", "b,b": "2", "c;c": "3"}]


def test_the_rows_decide_between_delimiters_of_the_header():
    found = read(b"id;name, first;x\n1;a, b;2\n2;c;3\n", format="csv")

    assert found.values[1] == {"id": "2", "name, first": "c", "x": "3"}


def test_a_configured_delimiter_is_used():
    found = read(b"a;b,c\n1;2,3\n", format="csv", delimiter=";")

    assert found.values == [{"a": "1", "b,c": "2,3"}]


def test_a_delimiter_can_be_non_ascii():
    found = read('a→b\n1→"2\n3"'.encode(), format="csv", delimiter="→", rows=1)

    assert found.values == [{"a": "1", "b": "2\n3"}]


@pytest.mark.parametrize("delimiter", ['"', "\n", "\r"])
def test_an_unusable_delimiter_is_refused(delimiter, golden):
    with pytest.raises(ConfigurationError) as caught:
        read(b"a,b\n", format="csv", delimiter=delimiter)

    assert str(caught.value) == golden


def test_the_tsv_format_implies_tabs():
    found = read(b"a,x\tb\n1,5\t2\n", format="tsv")

    assert found.values == [{"a,x": "1,5", "b": "2"}]


def test_spaces_around_column_names_are_removed():
    found = read_csv(b" a , b\n1 ,2\n")

    assert found.values == [{"a": "1 ", "b": "2"}]


def test_a_header_can_contain_newlines():
    found = read_csv(b'"a\nb",c\n1,2\n')

    assert found.rows == [(3, {"a\nb": "1", "c": "2"})]


@pytest.mark.parametrize("pad", ["x", "x\n"])
def test_a_header_longer_than_the_sampled_beginning_is_read_whole(pad):
    long = pad * 80_000
    data = f'a,"{long}",c\n1,2,3\n'.encode()

    found = read(data, format="csv")

    assert found.values == [{"a": "1", long.strip(): "2", "c": "3"}]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"a,a\n", id="a name twice"),
        pytest.param(b'a,"b\n1,2\n', id="a quote that is not closed"),
        pytest.param(b"a,b" + b"x" * 2**20, id="no end"),
        pytest.param(b"a,b\r1,2\r3,4\n", id="carriage returns"),
        pytest.param(b"a,\xe9\n", id="Latin-1"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(data, golden):
    with pytest.raises(ConfigurationError) as caught:
        read_csv(data)

    assert str(caught.value) == golden


def test_several_columns_can_be_unnamed():
    found = read_csv(b"a,,\n1,2,3\n")

    assert found.values == [{"a": "1", "": "3"}]


def test_a_header_alone_has_no_rows():
    assert read_csv(b"a,b").all == read_csv(b"a,b\r\n").all == ([], [], None)


def test_an_incomplete_row_in_a_growing_file_is_left_for_the_next_run():
    data = b'a,b\n1,2\n3,"4\n5,6\n7,8'

    assert read_csv(data, growing=True).all == ([(2, {"a": "1", "b": "2"})], [], None)
    assert [line for line, _ in read_csv(data).rows] == [2, 3, 4, 5]


def test_the_csv_spectrum_suite_is_read_as_documented(shared_data):
    """Files named after CRLF may have lost it in the checkout, and get it back."""
    folder = shared_data / "torture/csv-spectrum"
    for path in sorted((folder / "csvs").glob("*.csv")):
        data = path.read_bytes()
        if path.stem.endswith("_crlf"):
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

        found = read(data, format="csv")

        assert found.values == json.loads((folder / "json" / f"{path.stem}.json").read_bytes())
        assert found.rejections == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'"' + b"1,2\n" * 2**16, id="a quote that is never closed"),
        pytest.param(b'"x\n' * 2**16, id="quotes that are closed a line later"),
        pytest.param(b'"""\n' * 2**16, id="quotes in quotes"),
        pytest.param(b'""' * 2**17 + b"\n", id="one line of quotes"),
        pytest.param(b'"1","2"\n' * 2**16, id="good rows"),
        pytest.param(b"1\r2\n" * 2**15, id="carriage returns"),
    ],
)
@pytest.mark.cpu_time
def test_quotes_take_linear_time(data):
    started = time.process_time()

    read_csv(HEADER + data, row_bytes=2**18)

    assert time.process_time() - started < 2.5


@pytest.mark.parametrize("columns", [(), ("a", "b")], ids=["of the first row", "of the options"])
def test_a_row_of_the_wrong_width_is_rejected_with_the_source_of_its_columns(columns, golden):
    data = b"1,2\n3\n4,5\n"
    wanted = ReadingOptions.of(columns=columns, no_header=True, max_row_bytes=99)
    found, start = detect_format("x.csv", lambda size: data[:size], wanted)

    (part,) = found.slices(Block(1, start, len(data), 1, 3, data))

    assert [list(row.values()) for row in part.rows] == [["1", "2"], ["4", "5"]]
    (rejection,) = part.rejections
    assert rejection.reasons[0].text == golden
