"""Parquet is converted to the same JSON lines on every machine."""

import datetime as dt
import io
import json
import os
import random
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import DamagedSourceError, SourceError
from miso_upload.records import Span
from miso_upload.sources import ReadingOptions, Source
from miso_upload.sources.stream import ByteStream
from miso_upload.sources.tables.parquet_pages import column_chunks
from miso_upload.values.hashing import checksum
from tests.helpers.paths import ROOT
from tests.helpers.streams import from_stdin, rest_of

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

UTC = dt.UTC
naive = dt.datetime.fromisoformat


def parquet(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def table(kind, *values):
    return pa.table({"x": pa.array(values, kind)})


def lines(data):
    return [json.loads(line) for line in data.splitlines()]


def of_rows(count, **options):
    return parquet(
        pa.table(
            {
                "user_id": [f"user-{n}" for n in range(count)],
                "timestamp": pa.array(range(count), pa.timestamp("ms", "Europe/Berlin")),
                "product_ids": [[f"sku-{n}", "größe"] for n in range(count)],
            }
        ),
        **options,
    )


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.string(), "größe \n\0", '"größe \\n\\u0000"'),
        (pa.large_string(), "a", '"a"'),
        (pa.dictionary(pa.int32(), pa.string()), "a", '"a"'),
        (pa.bool_(), True, "true"),
        (pa.int8(), -128, "-128"),
        (pa.int64(), -(2**63), "-9223372036854775808"),
        (pa.uint64(), 2**64 - 1, "18446744073709551615"),
        (pa.null(), None, "null"),
        (pa.float64(), 19.99, "19.99"),
        (pa.float64(), float("nan"), "null"),
        (pa.float64(), float("-inf"), "null"),
        (pa.float32(), 19.99, "19.99"),
        (pa.float32(), 0.1, "0.1"),
        (pa.float32(), 3.4028234663852886e38, "3.4028235e38"),
        (pa.float16(), 4.5, "4.5"),
        (pa.decimal128(9, 2), Decimal("19.90"), "19.9"),
        (pa.decimal128(9, 0), Decimal(20), "20"),
        (pa.decimal128(38, 0), Decimal(10**30 + 1), '"1000000000000000000000000000001"'),
        (pa.decimal128(38, 20), Decimal("0.12345678901234567891"), '"0.12345678901234567891"'),
        (pa.decimal256(50, 1), Decimal("-0.5"), "-0.5"),
        (pa.date32(), dt.date(2024, 2, 29), '"2024-02-29"'),
        (pa.date64(), dt.date(1969, 12, 31), '"1969-12-31"'),
        (pa.time32("s"), dt.time(23, 59, 59), '"23:59:59"'),
        (pa.time64("us"), dt.time(1, 2, 3, 4), '"01:02:03.000004"'),
        (pa.duration("ms"), dt.timedelta(seconds=2), "2000"),
        (pa.timestamp("s"), naive("2024-02-29T01:00"), '"2024-02-29T01:00:00"'),
        (pa.timestamp("ms"), naive("2024-02-29T01:00:00.005"), '"2024-02-29T01:00:00.005"'),
        (pa.timestamp("us"), naive("1969-12-31T23:00"), '"1969-12-31T23:00:00"'),
        (pa.timestamp("ns"), 1, '"1970-01-01T00:00:00.000000001"'),
        (pa.timestamp("ns", "UTC"), 0, '"1970-01-01T00:00:00Z"'),
        (
            pa.timestamp("ms", "Europe/Berlin"),
            dt.datetime(2024, 7, 1, 10, tzinfo=UTC),
            '"2024-07-01T10:00:00Z"',
        ),
        (pa.binary(), b"gr\xc3\xb6\xc3\x9fe", '"größe"'),
        (pa.binary(), b"\xff\x00", '{"hex":"ff00"}'),
        (pa.binary(2), b"ab", '"6162"'),
        (pa.list_(pa.string()), ["a", None], '["a",null]'),
        (pa.list_(pa.list_(pa.date32())), [[dt.date(2024, 1, 1)], []], '[["2024-01-01"],[]]'),
        (pa.list_(pa.int8(), 2), [1, 2], "[1,2]"),
        (
            pa.struct({"a": pa.timestamp("s", "UTC"), "b": pa.int8()}),
            {"a": dt.datetime(2024, 1, 1, tzinfo=UTC), "b": None},
            '{"a":"2024-01-01T00:00:00Z","b":null}',
        ),
        (pa.map_(pa.string(), pa.int8()), [("a", 1), ("b", None)], '{"a":1,"b":null}'),
        (pa.map_(pa.int8(), pa.string()), [(1, "a")], '[[1,"a"]]'),
    ],
)
def test_a_value_is_converted_by_its_type(opened, kind, value, expected):
    """The value is between nulls, which must not shift it."""
    data, damage = rest_of(opened(parquet(table(kind, None, value, None))))

    assert damage is None
    assert (
        data.decode().replace("e+38", "e38") == f'{{"x":null}}\n{{"x":{expected}}}\n{{"x":null}}\n'
    )


def test_int96_timestamps_have_no_zone(opened):
    times = table(pa.timestamp("us"), naive("2024-01-01"), naive("9999-12-31"))
    data, _ = rest_of(opened(parquet(times, use_deprecated_int96_timestamps=True)))

    assert [row["x"] for row in lines(data)] == ["2024-01-01T00:00:00", "9999-12-31T00:00:00"]


def test_timestamps_outside_the_calendar_are_kept_as_numbers(opened):
    kinds = {
        "date": pa.array([2**31 - 1], pa.int32()).view(pa.date32()),
        "time": pa.array([2**62], pa.int64()).view(pa.timestamp("ms")),
    }

    data, _ = rest_of(opened(parquet(pa.table(kinds))))

    assert lines(data) == [{"date": 2**31 - 1, "time": 2**62}]


def test_text_that_is_not_utf8_is_written_as_hexadecimal(opened):
    broken = pa.array([b"ok", b"\xff"]).view(pa.string())

    data, damage = rest_of(opened(parquet(pa.table({"x": broken}))))

    assert damage is None
    assert lines(data) == [{"x": "ok"}, {"x": {"hex": "ff"}}]


@pytest.mark.parametrize("options", [
    {"row_group_size": 7}, {"row_group_size": 10_000}, {"compression": "zstd"},
    {"compression": "none", "use_dictionary": False}, {"data_page_version": "2.0"},
    {"data_page_size": 500}, {"version": "1.0"}, {"store_schema": False},
])  # fmt: skip
def test_the_lines_do_not_depend_on_the_layout_of_the_file(opened, options):
    plain, _ = rest_of(opened(of_rows(5000)))

    data, damage = rest_of(opened(of_rows(5000, **options)))

    assert damage is None
    assert data == plain
    assert [row["user_id"] for row in lines(data)] == [f"user-{n}" for n in range(5000)]


def test_every_offset_yields_the_same_bytes_each_time(opened):
    stream = opened(of_rows(5000))
    whole, _ = rest_of(stream)

    for offset in random.Random(1).sample(range(len(whole)), 6):
        assert stream.seek(offset)
        assert rest_of(stream)[0] == whole[offset:]


def test_the_line_of_a_row_is_its_number(tmp_path):
    (tmp_path / "rows").write_bytes(of_rows(3000))
    with Source(str(tmp_path / "rows"), ReadingOptions()) as source:
        blocks = list(source.blocks(source.body_start, source.body_line))
        last = blocks[-1]
        again = source.reread(Span(last.start, last.end, last.first_line, checksum(last.data)))

    assert sum(block.lines for block in blocks) == 3000
    assert again.data == last.data


def test_a_file_without_rows_has_no_lines(opened):
    assert rest_of(opened(of_rows(0))) == (b"", None)


def test_an_encoding_does_not_affect_a_parquet_file(opened):
    assert rest_of(opened(of_rows(3), encoding="latin-1"))[0] == rest_of(opened(of_rows(3)))[0]


def test_a_duplicate_column_is_refused(opened, golden):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])

    with pytest.raises(SourceError) as caught:
        opened(parquet(twice))

    assert str(caught.value) == golden


def test_a_truncated_file_is_damaged(opened, golden):
    with pytest.raises(DamagedSourceError) as caught:
        opened(of_rows(100)[:-10])

    assert str(caught.value) == golden


def test_rows_before_damage_are_read(opened):
    data = bytearray(of_rows(20_000, row_group_size=1000, compression="gzip"))
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    whole, _ = rest_of(opened(of_rows(20_000)))

    found, damage = rest_of(opened(data))

    assert whole.startswith(found)
    assert lines(found)
    assert "Parquet" in damage


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("rows", [0, 1, 3000])
def test_the_footer_says_what_pyarrow_reads_in_it(rows, compression):
    data = bytes(of_rows(rows, row_group_size=1000, compression=compression))
    about = pq.ParquetFile(io.BytesIO(data)).metadata
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [[group.column(i) for i in range(group.num_columns)] for group in groups]

    found = column_chunks(io.BytesIO(data))

    assert [
        [(chunk.values, chunk.size, chunk.compressed) for chunk in group] for group in found
    ] == [
        [(each.num_values, each.total_uncompressed_size, each.total_compressed_size)
         for each in group]
        for group in columns
    ]  # fmt: skip
    assert [[chunk.start for chunk in group] for group in found] == [
        [min(each.data_page_offset, each.dictionary_page_offset or each.data_page_offset)
         for each in group]
        for group in columns
    ]  # fmt: skip


def test_a_parquet_file_cannot_be_read_from_a_pipe(golden):
    with pytest.raises(SourceError) as caught:
        from_stdin(of_rows(3))

    assert str(caught.value) == golden


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_damaged_file_raises_no_other_error(tmp_path_factory, data):
    bad = bytearray(of_rows(50, compression="none"))
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "parquet"
    path.write_bytes(bad)

    try:
        stream = ByteStream(str(path))
    except SourceError:
        return
    rest_of(stream)
    stream.close()


def test_a_missing_package_is_reported_with_the_install_command(tmp_path):
    (tmp_path / "pyarrow.py").write_text("raise ImportError")
    (tmp_path / "rows.parquet").write_bytes(of_rows(3))

    done = subprocess.run(
        [sys.executable, "-m", "miso_upload", str(tmp_path / "rows.parquet"), "--dry-run"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "pip install 'miso-upload[parquet]'" in done.stderr
    assert "Traceback" not in done.stderr
