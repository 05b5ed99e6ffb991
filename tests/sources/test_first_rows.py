"""The first rows of a source can be read without consuming it."""

import pytest

from miso_upload.sources import ReadingOptions, Source
from miso_upload.sources.first_rows import first_rows

ROW = {"a": "1"}


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("h.jsonl", '{"a":"1"}\n{"a":"1"}\n{"a":', [ROW, ROW]),
        ("h.json", '[{"a":"1"},\n {"a":"1"},\n {"a":"1"}]', [ROW, ROW, ROW]),
        ("h.csv", "a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("h.jsonl", "", []),
    ],
)
def test_first_rows_do_not_consume_the_source(tmp_path, name, text, rows):
    path = tmp_path / name
    path.write_text(text)

    with Source(str(path), ReadingOptions(format=path.suffix[1:])) as source:
        assert first_rows(source) == rows
        blocks = list(source.blocks(source.body_start, source.body_line)) if rows[1:] else []

    assert len(blocks) == len(rows[1:2])
