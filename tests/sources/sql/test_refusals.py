"""A query reads the inputs and nothing else, and writes nothing."""

import re
from pathlib import Path

import pytest

from miso_upload.errors import MisoUploadError
from miso_upload.sources import ReadingOptions
from miso_upload.sources.sql.query import open_query

REFUSED = [
    "",
    "-- only a comment",
    "SELEC 1",
    "SELECT 1; SELECT 2",
    "COPY input TO 'copy.csv'",
    "INSERT INTO input VALUES (1)",
    "WITH new AS (INSERT INTO input VALUES (1) RETURNING *) FROM new",
    "CREATE TABLE t AS FROM input",
    "DROP VIEW input",
    "ATTACH 'other.duckdb'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '9GB'",
    "PRAGMA version",
    "CALL pragma_version()",
    "EXPORT DATABASE 'folder'",
    "EXPLAIN FROM input",
    "FROM 'other.csv'",
    "FROM read_text('/etc/hostname')",
    "FROM glob('*')",
    "FROM read_csv('https://shop.example/rows.csv?signature=secret')",
    "FROM read_parquet('s3://bucket/rows.parquet')",
    "FROM sqlite_scan('shop.sqlite', 'orders')",
    "SELECT st_point(1, 2) FROM input",
    "FROM sys",
    "FROM input2",
    "SELECT name + 1 FROM input",
    "SELECT CAST(name AS INTEGER) AS n FROM input",
    "SELECT CAST('192.0.2.7' AS INTEGER) AS n FROM input",
    "SELECT name, name FROM input",
    "SELECT error('stop') AS n FROM input",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_a_query_is_refused_with_a_message(result, golden, sql):
    Path("names.csv").write_text("name\nanna\n")
    Path("other.csv").write_text("name\nbert\n")
    before = sorted(Path().iterdir())
    with pytest.raises(MisoUploadError) as refused:
        result(sql, "names.csv")
    assert sorted(Path().iterdir()) == before
    text = str(refused.value)
    assert "\n" not in text
    assert "secret" not in text
    assert "192.0.2.7" not in text
    assert re.sub(r"query-[0-9a-f]{8}-", "query-DIGEST-", text) == golden


def test_both_ways_to_give_a_query_are_refused_together():
    with pytest.raises(MisoUploadError, match="together"):
        ReadingOptions.of(sql="FROM input", sql_file="load.sql")


def test_a_query_file_that_does_not_exist_is_named(result):
    Path("names.csv").write_text("name\nanna\n")
    with pytest.raises(MisoUploadError, match=r"--sql-file gone\.sql: cannot be read"):
        open_query(["names.csv"], ReadingOptions.of(sql_file="gone.sql"))
