"""The directories of a partitioned folder name columns of its rows."""

import json

import pytest

from miso_upload.errors import DamagedSourceError, SourceError
from miso_upload.sources import ReadingOptions, Source, expand_inputs
from miso_upload.values.input_names import partition_of

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def rows_of(name):
    with Source(name, ReadingOptions()) as source:
        blocks = source.blocks(source.body_start, source.body_line)
        return [json.loads(line) for block in blocks for line in block.data.splitlines()]


def test_a_partitioned_folder_is_read_with_its_columns(tmp_path):
    write(tmp_path / "day=2026-03-02" / "country=de" / "b.parquet", user=["u2"])
    write(tmp_path / "day=2026-03-01" / "country=a%2Fb" / "a.parquet", user=["u1", "u3"])
    write(tmp_path / "day=__HIVE_DEFAULT_PARTITION__" / "c.parquet", user=["u4"])
    (tmp_path / "other").mkdir()
    (tmp_path / "day=2026-03-03").mkdir()
    (tmp_path / "day=2026-03-04").symlink_to(tmp_path)
    names, notes = expand_inputs((str(tmp_path),))
    assert [row for name in names for row in rows_of(name)] == [
        {"user": "u1", "day": "2026-03-01", "country": "a/b"},
        {"user": "u3", "day": "2026-03-01", "country": "a/b"},
        {"user": "u2", "day": "2026-03-02", "country": "de"},
        {"user": "u4", "day": None},
    ]
    assert notes == [f"{tmp_path}: skipped 2 directories"]


def test_a_column_of_the_file_wins_over_its_directory(tmp_path):
    write(tmp_path / "user=u9" / "a.parquet", user=["u1"])
    assert rows_of(str(tmp_path / "user=u9" / "a.parquet")) == [{"user": "u1"}]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("s3://bucket/day=2026-03-01/a.parquet", {"day": "2026-03-01"}),
        ("https://shop.example/x/a.parquet?day=1", {}),
        ("day=1.parquet", {}),
        ("=x/a.parquet", {}),
    ],
)
def test_only_directories_name_columns(name, columns):
    assert partition_of(name) == columns


def test_what_pyarrow_does_not_implement_is_not_called_damaged(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", user=["u1"])

    def refuse(*_, **__):
        raise pa.ArrowNotImplementedError("lists of that kind")

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", refuse)
    with pytest.raises(SourceError, match="lists of that kind") as refused:
        rows_of(str(tmp_path / "a.parquet"))
    assert not isinstance(refused.value, DamagedSourceError)
