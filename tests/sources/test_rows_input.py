"""Rows of a Python program are read as a stream, and are the same rows as those of a file."""

import io
import json
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError, SourceError
from miso_upload.sources import ReadingOptions, Source
from miso_upload.sources.rows_input import RowsInput, RowsLocation

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def text_of(rows):
    with RowsLocation(RowsInput.of(rows, "r")).open() as file:
        return io.BufferedReader(file).read().decode()


def read(rows):
    return [json.loads(line) for line in text_of(rows).splitlines()]


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=6))
def test_rows_of_json_values_are_read_as_they_are(rows):
    text = text_of(rows)

    assert [json.loads(line) for line in text.split("\n")[:-1]] == rows


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2025, 3, 1, 10, tzinfo=UTC), "2025-03-01T10:00:00+00:00"),
        (date(2025, 3, 1), "2025-03-01"),
        (Decimal("12.50"), 12.5),
        (Decimal(3), 3),
        (Decimal("0.12345678901234567890123"), "0.12345678901234567890123"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (2**64, 2**64),
        (-(2**100), -(2**100)),
        ((1, 2), [1, 2]),
    ],
)
def test_values_of_python_become_those_of_json(value, expected):
    assert read([{"a": value}]) == [{"a": expected}]


@pytest.mark.parametrize("row", [{"a": {1, 2}}, {"a": object}, 5, None, ["a"], ("a", 1), "text"])
def test_what_is_no_row_becomes_text_that_is_rejected(row):
    (line,) = read([row])

    assert isinstance(line, str)


@pytest.mark.parametrize("rows", ["text", b"bytes", {"a": 1}, 5, None])
def test_what_is_no_iterable_of_rows_is_refused(rows):
    with pytest.raises(ConfigurationError, match="records: must be"):
        RowsInput.of(rows, "r")


def test_a_data_frame_without_arrow_data_is_refused():
    class Frame:
        columns = ("a",)

        def __iter__(self):
            return iter(self.columns)

    with pytest.raises(ConfigurationError, match="does not provide Arrow data"):
        RowsInput.of(Frame(), "r")


@pytest.mark.parametrize("name", ["", 5, None, "a\nb"])
def test_a_name_must_be_text_that_can_be_printed(name):
    with pytest.raises(ConfigurationError, match="name: must be"):
        RowsInput.of([], name)


def test_an_error_of_the_iterable_comes_after_its_rows():
    def rows():
        yield {"a": 1}
        raise ValueError("the database is gone")

    lines = []
    with (
        Source(RowsInput.of(rows(), "r"), ReadingOptions()) as source,
        pytest.raises(SourceError, match="the database is gone"),
    ):
        lines.extend(block.data for block in source.blocks(source.body_start, source.body_line))

    assert lines == [b'{"a":1}\n']


def test_memory_does_not_grow_with_the_number_of_rows():
    row = {"a": "x" * 1_000}

    def peak(count):
        tracemalloc.start()
        with Source(RowsInput.of((row for _ in range(count)), "r"), ReadingOptions()) as source:
            lines = sum(block.lines for block in source.blocks(0, 1))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert lines == count
        return size

    peak(100)
    assert peak(60_000) < 1.5 * peak(20_000)


# -- Arrow -----------------------------------------------------------------------------------------


def arrow_forms():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": list(range(3_000)), "b": [None, ["x"], []] * 1_000})
    return table, pa


class OnlyCapsule:
    """A data frame of another library."""

    def __init__(self, table):
        self._table = table
        self.columns = table.column_names

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "form",
    [
        lambda table: table,
        lambda table: table.to_reader(max_chunksize=700),
        lambda table: table.to_batches(max_chunksize=700),
        lambda table: table.to_batches()[0],
        OnlyCapsule,
    ],
    ids=["table", "reader", "batches", "batch", "frame"],
)
def test_arrow_data_has_the_rows_of_its_table(form):
    table, _ = arrow_forms()

    assert read(form(table)) == table.to_pylist()


def test_arrow_columns_that_cannot_be_rows_are_refused():
    _, pa = arrow_forms()
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])

    with pytest.raises(SourceError, match="two columns"):
        read(twice)
