import gzip
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.records import Span
from miso_upload.sources import Source
from miso_upload.values.hashing import checksum
from tests.helpers.reading import options, read_file, read_source

FIELDS = "#Fields: date time c-ip cs-uri-stem\n"
OTHERS = "#Version: 1.0\n#Fields: c-ip date time sc-status x-number\n"
LINES = FIELDS + "".join(
    (OTHERS if number == 700 else FIELDS if number == 1900 else "")
    + (
        f"192.0.2.1 2023-10-10 20:55:36 200 {number}\n"
        if 700 <= number < 1900
        else f"2023-10-10 20:55:36 192.0.2.1 /{number}\n"
    )
    for number in range(2500)
)


def number_of(row):
    return int(row.get("x-number") or row["url"][1:])


@pytest.fixture(params=["x.log", "x.log.gz", "utf-16.log"])
def path(request, tmp_path):
    """A log whose columns change twice, plain, compressed and in UTF-16."""
    data = LINES.encode("utf-16" if request.param == "utf-16.log" else "utf-8")
    path = tmp_path / request.param
    path.write_bytes(gzip.compress(data) if request.param.endswith("gz") else data)
    return path


@pytest.mark.parametrize("cuts", [{}, {"rows": 7}, {"block_bytes": 1000}])
def test_every_row_is_read_under_its_own_directive_from_any_block(path, cuts):
    whole = read_file(path, **cuts)

    assert [number_of(row) for row in whole.values] == list(range(2500))
    assert whole.rejections == []
    for block in random.Random(3).sample(whole.blocks, min(8, len(whole.blocks))):
        line = block.first_line + block.lines
        assert read_file(path, start=block.end, line=line).all == whole.from_line(line)


def test_blocks_are_reread_in_any_order_with_the_directive_in_force(path):
    blocks = read_file(path, rows=100).blocks

    with Source(str(path), options()) as source:
        for block in [*blocks[::3], *blocks[::-5], blocks[9], blocks[9]]:
            block_again = source.reread(
                Span(block.start, block.end, block.first_line, checksum(block.data))
            )
            assert (block_again.data, block_again.header) == (block.data, block.header)
        rest = read_source(source, blocks[9].end, blocks[9].first_line + blocks[9].lines)

    assert number_of(rest.values[-1]) == 2499
    assert rest.rejections == []


@settings(deadline=None)
@given(offsets=st.lists(st.integers(0, 400), max_size=5).map(sorted), growing=st.booleans())
def test_a_growing_log_yields_the_same_rows_as_a_complete_one(tmp_path_factory, offsets, growing):
    text = (FIELDS + "2023-10-10 20:55:36 192.0.2.1 /1\n" * 3 + OTHERS
            + "192.0.2.1 2023-10-10 20:55:36 200 7\n" * 3).encode()  # fmt: skip
    path = tmp_path_factory.mktemp("grow") / "x.log"
    path.write_bytes(text)
    whole = read_file(path)
    at, line, rows = whole.body_start, whole.body_line, []

    for offset in [*offsets, len(text)]:
        # Without --growing, only an incomplete line is lost.
        cut = max(offset, at) if growing else text.rfind(b"\n", 0, max(offset, at)) + 1
        path.write_bytes(text[: max(cut, whole.body_start)])
        found = read_file(path, start=at, line=line, growing=growing)
        rows += found.rows
        if found.blocks:
            last = found.blocks[-1]
            at, line = last.end, last.first_line + last.lines

    assert rows == whole.rows


def test_a_directive_that_was_read_incomplete_applies_once_it_is_complete(tmp_path):
    path = tmp_path / "x.log"
    before = f"{FIELDS}2023-10-10 20:55:36 192.0.2.1 /1\n#Fields: c-ip da"
    path.write_text(before)
    first = read_file(path)
    path.write_text(f"{before}te time\n192.0.2.2 2023-10-11 01:02:03\n")

    rest = read_file(path, start=len(before), line=first.blocks[-1].first_line + 1)
    again = read_file(path, start=rest.blocks[0].end, line=4)

    assert len(first.rows) == 1
    assert [row["ip"] for row in rest.values] == ["192.0.2.2"]
    assert again.values == rest.values


def test_a_directive_longer_than_the_row_limit_is_rejected(tmp_path):
    path = tmp_path / "x.log"
    line = "2023-10-10 20:55:36 192.0.2.1 /1\n"
    path.write_text(f"{FIELDS}{line}#Fields: {'x ' * 200}\n{line}{line}")
    whole = read_file(path, row_bytes=100, rows=1)

    assert [line for line, _ in whole.rows] == [2, 4, 5]
    assert [line for line, _ in whole.reasons] == [3]
    assert read_file(path, row_bytes=100, start=whole.blocks[-1].start, line=5).values == [
        whole.values[-1]
    ]


def test_a_format_without_directives_reads_nothing_twice(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a":1}\n' * 100)
    blocks = read_file(path, rows=10).blocks

    with Source(str(path), options()) as source:
        source.reread(Span(blocks[5].start, blocks[5].end, 51, checksum(blocks[5].data)))
        rest = read_source(source, blocks[5].end, 61)

    assert len(rest.rows) == 40
    assert all(block.header == b"" for block in rest.blocks)
