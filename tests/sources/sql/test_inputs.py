"""A query sees what is in the inputs, whatever they are."""

import bz2
import gzip
import json
import sqlite3
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError, DamagedSourceError, SourceError
from miso_upload.sources import ReadingOptions
from miso_upload.sources.sql.query import open_query

CSV = "sku,shop,price,amount\n007,berlin,1.50,3\n8,paris,10,\n"
ROWS = [
    {"sku": "007", "shop": "berlin", "price": 1.5, "amount": 3},
    {"sku": "8", "shop": "paris", "price": 10.0, "amount": None},
]


@pytest.mark.parametrize(
    "data",
    [
        CSV.encode(),
        b"\xef\xbb\xbf" + CSV.encode(),
        CSV.encode("utf-16"),
        CSV.replace(",", ";").encode(),
        gzip.compress(CSV.encode()),
        gzip.compress(CSV[:20].encode()) + gzip.compress(CSV[20:].encode()),
        bz2.compress(CSV.encode()),
    ],
    ids=["plain", "mark", "utf-16", "semicolons", "gzip", "two members", "bzip2"],
)
def test_csv_has_numbers_only_where_every_cell_is_one(result, data):
    Path("goods.csv").write_bytes(data)
    assert result("FROM input ORDER BY sku", "goods.csv")[0] == ROWS


def test_ids_with_leading_zeros_after_the_sample_stay_text(result):
    cells = [str(i) for i in range(2_000)] + ["0042"]
    Path("ids.csv").write_text("id\n" + "".join(f"{cell}\n" for cell in cells))
    rows, _ = result("SELECT * FROM input", "ids.csv")
    assert [row["id"] for row in rows] == cells


@settings(max_examples=25, deadline=None)
@given(
    cells=st.lists(
        st.one_of(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1),
            st.integers().map(str),
            st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
        ).filter(str.strip),
        min_size=1,
        max_size=20,
    )
)
def test_any_cell_comes_out_as_it_stands(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("any") / "any.csv"
    quoted = ('"' + cell.replace('"', '""') + '"' for cell in cells)
    path.write_text("a,b\n" + "".join(f"x,{cell}\n" for cell in quoted), encoding="utf-8")
    source, _ = open_query(
        [str(path)], ReadingOptions.of(sql="SELECT b FROM input", delimiter=",", quote='"')
    )
    with source:
        blocks = source.blocks(source.body_start, source.body_line)
        lines = b"".join(block.data for block in blocks).splitlines()
    found = [json.loads(line)["b"] for line in lines]
    assert len(found) == len(cells)
    for value, cell in zip(found, cells, strict=True):
        assert value == cell or float(value) == float(cell)


def test_json_keeps_text_that_looks_like_a_time_and_all_digits(result):
    first = {
        "id": 2**64 + 1,
        "at": "2025-03-01T10:00:00Z",
        "code": "007",
        "deep": {"day": "2025-01-01"},
    }
    Path("rows.jsonl").write_text(json.dumps(first) + '\n{"id": 5}\n')
    rows, _ = result("FROM input ORDER BY code NULLS LAST", "rows.jsonl")
    assert rows == [first, {"id": 5, "at": None, "code": None, "deep": None}]


def test_a_header_that_comes_again_is_no_row(result):
    Path("joined.csv").write_text("sku,price\nA,1.5\nsku,price\nB,2\n")
    rows, _ = result("SELECT sum(price) AS price, count(*) AS n FROM input", "joined.csv")
    assert rows == [{"price": 3.5, "n": 2}]
    Path("mixed.csv").write_text("sku,price\nA,1.5\nprice,sku\n2,B\n")
    with pytest.raises(SourceError, match="another order"):
        result("FROM input", "mixed.csv")


def test_dialects_that_only_miso_upload_knows_are_read_too(result):
    Path("spaces.csv").write_text("sku  price\nA   1.5\n# a comment\nB 2\n")
    rows, _ = result("FROM input ORDER BY sku", "spaces.csv", delimiter="whitespace", comment="#")
    assert [row["sku"] for row in rows] == ["A", "B"]


def test_a_json_array_and_a_log_are_rows_too(result):
    Path("array.json").write_text('[{"id": 1, "tags": ["a", "b"]},\n {"id": 2, "tags": []}]')
    Path("access.log").write_text(
        '192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] "GET /p/A1 HTTP/1.1" 200 23 "-" "Firefox"\n'
        "not a request\n"
    )
    rows, notes = result(
        "SELECT id, url FROM input, input2 WHERE len(tags) > 0 ORDER BY ALL",
        "array.json",
        "access.log",
    )
    assert rows == [{"id": 1, "url": "/p/A1"}]
    assert any("line 2" in note for note in notes)


def test_one_pattern_is_one_view_and_each_argument_is_one(result):
    for i in (1, 2):
        Path(f"part-{i}.csv").write_text(f"id,v\n{i},{i}.5\n")
    Path("names.csv").write_text("id,name\n1,one\n2,two\n")
    rows, _ = result(
        "SELECT name, v FROM input JOIN input2 USING (id) ORDER BY id", "part-*.csv", "names.csv"
    )
    assert rows == [{"name": "one", "v": 1.5}, {"name": "two", "v": 2.5}]


def test_the_tables_of_databases_are_in_a_schema_of_their_view(result):
    with sqlite3.connect("shop.sqlite") as shop:
        shop.execute("CREATE TABLE orders (id, note)")
        shop.executemany("INSERT INTO orders VALUES (?, ?)", [(2**60, b"\xff"), (1, "a")])
        shop.execute("CREATE TABLE goods (sku)")
        shop.execute("INSERT INTO goods VALUES ('007')")
    shop.close()
    with duckdb.connect("ware.duckdb") as ware:
        ware.execute("CREATE TABLE stock AS SELECT 5 AS pieces")
    rows, _ = result(
        "SELECT id, note, sku, pieces FROM input.orders, input.goods, input2 ORDER BY id",
        "shop.sqlite",
        "ware.duckdb",
    )
    assert rows == [
        {"id": 1, "note": "a", "sku": "007", "pieces": 5},
        {"id": 2**60, "note": {"hex": "ff"}, "sku": "007", "pieces": 5},
    ]
    with pytest.raises(ConfigurationError, match=r"FROM input\.goods"):
        result("FROM input", "shop.sqlite")


def test_damage_of_a_compressed_input_stops_the_query(result):
    Path("cut.csv.gz").write_bytes(gzip.compress(CSV.encode())[:-4])
    with pytest.raises(DamagedSourceError):
        result("FROM input", "cut.csv.gz")


def test_a_line_that_is_no_csv_is_named(result):
    Path("ragged.csv").write_text("a,b\n1,2\n3,4,5\n")
    with pytest.raises(SourceError, match=r"ragged\.csv:3: "):
        result("FROM input", "ragged.csv")


def test_columns_that_differ_only_in_case_are_refused(result):
    Path("case.csv").write_text("id,ID\n1,2\n")
    with pytest.raises(ConfigurationError, match="apart"):
        result("FROM input", "case.csv")


def test_an_object_in_a_store_is_copied_first(result, web):
    url, server = web
    server.pages = {"/goods.csv": CSV.encode()}
    rows, _ = result("FROM input ORDER BY sku", f"{url}/goods.csv")
    assert rows == ROWS
