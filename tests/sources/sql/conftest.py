import json

import pytest

pytest.importorskip("duckdb")

from miso_upload.sources import ReadingOptions
from miso_upload.sources.sql.query import open_query


@pytest.fixture
def result(tmp_path, monkeypatch):
    """Run a query over files of the test, and return its rows and notes."""
    monkeypatch.chdir(tmp_path)

    def run(sql, *inputs, **options):
        source, notes = open_query(inputs, ReadingOptions.of(sql=sql, **options))
        with source:
            blocks = source.blocks(source.body_start, source.body_line)
            text = b"".join(block.data for block in blocks)
        return [json.loads(line) for line in text.splitlines()], notes

    return run
