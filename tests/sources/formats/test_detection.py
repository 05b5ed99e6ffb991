import json

import pytest

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats import detect_format
from miso_upload.sources.formats.access_log import AccessLog
from miso_upload.sources.formats.delimited import Delimited
from miso_upload.sources.formats.json_array import JsonArray
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.sources.options import ReadingOptions

CSV = b"a,b\n1,2\n"
LINES = b'{"a":1}\n{"a":2}\n'
LOG = b'192.0.2.1 - - [10/Oct/2023:13:55:36 -0700] "GET /a,b HTTP/1.1" 200 12\n'
FIELDS = b"#Version: 1.0\n#Fields: date time c-ip\n"
ARRAY = b'[\n{"a":1},\n{"a":2}]\n'


def detect(name, data, **others):
    others.setdefault("no_header", others.get("columns") == ())
    return detect_format(
        name, lambda size: data[:size], ReadingOptions.of(**{"max_row_bytes": 2**20, **others})
    )


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("x.jsonl", LINES, JsonLines),
        ("x.NDJSON", LINES, JsonLines),
        ("x.jsonl.gz", LINES, JsonLines),
        ("x.jsonl.1.gz", LINES, JsonLines),
        ("x.jsonl-20240501", LINES, JsonLines),
        ("x.json", LINES, JsonLines),
        ("x.json", ARRAY, JsonArray),
        ("x.csv", CSV, Delimited),
        ("x.csv.gz", CSV, Delimited),
        ("x.csv", b"only\n1\n", Delimited),
        ("x.tab", b"a\tb\n", Delimited),
        ("a.csv/x", LINES, JsonLines),
    ],
)
def test_the_name_determines_the_format(name, data, kind):
    assert type(detect(name, data)[0]) is kind


@pytest.mark.parametrize(
    ("data", "kind", "start"),
    [
        (LINES, JsonLines, 0),
        (b"\n \n" + LINES, JsonLines, 0),
        (b"\xef\xbb\xbf" + LINES, JsonLines, 3),
        (b'{"a":', JsonLines, 0),
        (ARRAY, JsonArray, 1),
        (b"\xef\xbb\xbf\n " + ARRAY, JsonArray, 6),
        (CSV, Delimited, 4),
        (b"\xef\xbb\xbf" + CSV, Delimited, 7),
        (b"a;b\n", Delimited, 4),
        (b"a|b\n", Delimited, 4),
        (b"a\tb\n", Delimited, 4),
        (LOG, AccessLog, 0),
        (b"# a comment, and\n\n" + LOG, AccessLog, 18),
        (b"\xef\xbb\xbf" + FIELDS, AccessLog, 3 + len(FIELDS)),
        (b"some line, of whatever\n" * 50 + LOG, AccessLog, 0),
    ],
)
def test_the_content_determines_the_format_and_the_first_row(data, kind, start):
    found, at = detect("stdin", data)

    assert (type(found), at) == (kind, start)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"[]", JsonArray),
        (b"[1,2]\n", JsonArray),
        (b"[1,2]\n\n", JsonArray),
        (b"[1,2]\n[3,4]\n", JsonLines),
        (b"[]\n{}\n", JsonLines),
        (b"[\n1]", JsonArray),
        (b"[1,\n2]", JsonArray),
        (b"[" + b"1," * 50_000 + b"1]\n[1]\n", JsonLines),
        (b"[" + b"1," * 50_000 + b"1]\n", JsonArray),
        (b"[" + b"1," * 50_000 + b"\n1]", JsonArray),
    ],
)
def test_an_array_is_distinguished_from_lines_of_arrays(data, kind):
    assert type(detect("x.json", data)[0]) is kind


@pytest.mark.parametrize(
    "name",
    ["access.log", "access.log.1", "access_log", "vhosts_access.log.2.gz", "u_ex23.log"],
)
@pytest.mark.parametrize(
    ("data", "kind"), [(LOG, AccessLog), (FIELDS, AccessLog), (CSV, Delimited), (LINES, JsonLines)]
)
def test_a_file_with_the_suffix_log_is_detected_by_its_content(name, data, kind):
    assert type(detect(name, data)[0]) is kind


def test_a_log_with_the_suffix_csv_is_read_as_a_log_only_on_request():
    assert type(detect("x.csv", LOG)[0]) is Delimited
    assert type(detect("x.csv", LOG, format="log")[0]) is AccessLog
    assert type(detect("x.csv", LOG, log_format='%h %l %u %t "%r" %s %b')[0]) is AccessLog


def test_a_log_of_one_truncated_line_is_read_on_request():
    assert type(detect("x.log", LOG[:60], format="log")[0]) is AccessLog


@pytest.mark.parametrize("asked", ["jsonl", "json", "csv", "tsv"])
def test_a_configured_format_overrides_name_and_content(asked):
    name = {"jsonl": "jsonl", "json": "jsonl", "csv": "csv", "tsv": "csv"}[asked]

    assert detect("x.csv", b'{"a":1}\t\n', format=asked)[0].name == name


@pytest.mark.parametrize("name", ["stdin", "x.jsonl", "x.json", "x.csv", "x.tsv", "x.log"])
@pytest.mark.parametrize("data", [b"", b"\n\r\n ", b"\xef\xbb\xbf"])
def test_an_empty_input_has_no_rows_in_any_format(name, data):
    """It has no columns either, so a mapping does not fail on a day without visitors."""
    assert detect(name, data)[0].columns is None


def test_an_unknown_format_is_refused_with_the_option(golden):
    with pytest.raises(ConfigurationError) as caught:
        detect("x.log", b"hello\n")

    assert str(caught.value) == golden


@pytest.mark.parametrize("data", [CSV, LINES, ARRAY, LOG, FIELDS])
def test_a_format_can_be_pickled(data):
    import pickle

    found, _ = detect("stdin", data)

    assert pickle.loads(pickle.dumps(found)) == found


def test_a_long_column_name_is_shortened_in_messages():
    name = "x" * 10_000

    with pytest.raises(ConfigurationError) as caught:
        detect("x.csv", f"{name},{name}\n".encode())

    assert len(str(caught.value)) < 200


def test_json_of_any_layout_is_detected_by_its_content():
    rows = [{"a": 1}, {"a": [1, {"b": "]"}]}]

    for indent in (None, 0, 4):
        assert type(detect("x", json.dumps(rows, indent=indent).encode())[0]) is JsonArray


# -- without a header ------------------------------------------------------------------------------

HEADLESS = b"u1,a,7\nu2,b,8\n"


def test_named_columns_need_no_header():
    found, start = detect("x.csv", HEADLESS, columns=("user_id", "", "price"))

    assert (found.columns, start) == (("user_id", "", "price"), 0)


def test_columns_without_names_are_numbered():
    found, start = detect("x.csv", b"\xef\xbb\xbf" + HEADLESS, columns=())

    assert (found.columns, start) == (("1", "2", "3"), 3)


@pytest.mark.parametrize(
    ("columns", "start"),
    [
        (("a", "b"), 4), (("a", ""), 4), (("", "b"), 4), (("b", "a"), 0), (("a", "c"), 0),
        (("a",), 0), (("a", "b", "c"), 0),
    ],
)  # fmt: skip
def test_a_first_row_equal_to_the_names_is_a_header(columns, start):
    assert detect("x.csv", CSV, columns=columns)[1] == start


@pytest.mark.parametrize("first", [b'"never closed\n', b"\xff,1\n", b"a\rb,1\n", b"x\n"])
def test_a_bad_first_row_is_rejected_if_columns_are_named(first):
    found, start = detect("x.csv", first + HEADLESS, columns=("a", "b", "c"))

    assert (found.dialect.delimiter, found.columns, start) == (",", ("a", "b", "c"), 0)


@pytest.mark.parametrize("first", [b"\xff,1\n", b"a\rb,1\n"])
def test_a_bad_first_row_is_refused_if_columns_are_numbered(first, golden):
    with pytest.raises(ConfigurationError) as caught:
        detect("x.csv", first + HEADLESS, columns=())

    assert str(caught.value) == golden


@pytest.mark.parametrize(
    ("data", "columns", "delimiter"),
    [
        (b"a,b;c,d;e\n1,2;3;4\n", ("x", "y", "z"), ";"),
        (b"1\t2\n", (), "\t"),
        (b"a,b,c|d\n", ("x", "y"), "|"),
    ],
)
def test_the_detected_delimiter_yields_one_cell_for_each_name(data, columns, delimiter):
    assert detect("x.csv", data, columns=columns)[0].dialect.delimiter == delimiter


@pytest.mark.parametrize("columns", [(), ("a", "b")])
def test_named_columns_imply_csv(columns):
    assert type(detect("part-00000", b"{1}|[2]\n", columns=columns)[0]) is Delimited
    assert type(detect("stdin", b"one\n", columns=columns)[0]) is Delimited
    assert detect("x.log", b"", columns=columns)[0].columns is None


def test_json_names_its_own_columns(golden):
    with pytest.raises(ConfigurationError) as caught:
        detect("x.jsonl", LINES, columns=("a",))

    assert str(caught.value) == golden
