import contextlib
import gzip
import json
import os
import random
import sys
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import (
    ChangedSourceError,
    ConfigurationError,
    DamagedSourceError,
    SourceError,
)
from miso_upload.records import Span
from miso_upload.sources import Source
from miso_upload.sources.codecs.base import TRUNCATED
from miso_upload.values.hashing import checksum
from tests.helpers.reading import CUTS, assert_complete, options, read, read_file, read_source

ROWS = [{"row": number, "text": "é" * (number % 50)} for number in range(3000)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
ARRAY = json.dumps(ROWS, ensure_ascii=False, indent=1)
CSV = "row,text\n" + "".join(f'{row["row"]},"{row["text"]}\n"\n' for row in ROWS)
KINDS = [
    pytest.param("x.jsonl", LINES.encode(), None, id="lines"),
    pytest.param("x.jsonl.gz", gzip.compress(LINES.encode()), None, id="lines.gz"),
    pytest.param("x.jsonl", LINES.encode("utf-16"), None, id="lines, UTF-16"),
    pytest.param("x.jsonl", LINES.encode("latin-1"), "latin-1", id="lines, Latin-1"),
    pytest.param("x.json", ARRAY.encode(), None, id="array"),
    pytest.param("x.json.gz", gzip.compress(ARRAY.encode()), None, id="array.gz"),
    pytest.param("x.csv", CSV.encode(), None, id="csv"),
    pytest.param("x.csv.gz", gzip.compress(CSV.encode()), None, id="csv.gz"),
    pytest.param("x.csv", CSV.encode("cp1252"), "cp1252", id="csv, Windows"),
]


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(data, name="x.jsonl"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@contextlib.contextmanager
def pipe(path, data):
    """Create a named pipe and write `data` to it in a thread."""

    def write():
        with contextlib.suppress(BrokenPipeError), path.open("wb") as end:
            end.write(data)

    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    os.mkfifo(path)
    thread = threading.Thread(target=write)
    thread.start()
    yield path
    thread.join()


# -- every kind of input, and every offset in it ---------------------------------------------------


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
@pytest.mark.parametrize("cuts", [{}, {"rows": 7}, {"block_bytes": 1000}])
def test_every_row_is_read_once_from_any_block(file, name, data, encoding, cuts):
    path = file(data, name)
    whole = read_file(path, encoding=encoding, **cuts)
    blocks = random.Random(3).sample(whole.blocks, min(8, len(whole.blocks)))

    assert [int(row["row"]) for row in whole.values] == list(range(3000))
    assert [row["text"].rstrip("\n") for row in whole.values] == [row["text"] for row in ROWS]
    assert (whole.rejections, whole.damage) == ([], None)
    assert max(whole.counts) <= cuts.get("rows", 10_000)
    for block in blocks:
        line = block.first_line + block.lines
        rest = read_file(path, start=block.end, line=line, encoding=encoding)
        assert rest.all == whole.from_line(line)


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_a_block_is_reread_unchanged(file, name, data, encoding):
    path = file(data, name)
    blocks = read_file(path, encoding=encoding, rows=100).blocks

    with Source(str(path), options(encoding=encoding)) as source:
        for block in [*blocks, blocks[3]]:
            reread = source.reread(
                Span(block.start, block.end, block.first_line, checksum(block.data))
            )
            assert (reread.start, reread.end, reread.data) == (block.start, block.end, block.data)


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_a_pipe_is_read_like_a_file(tmp_path, name, data, encoding):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / name).write_bytes(data)
    expected = read_file(tmp_path / "file" / name, encoding=encoding)

    with pipe(tmp_path / name, data):
        found = read_file(tmp_path / name, encoding=encoding)

    assert found == expected


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_a_pipe_is_skipped_forward_to_the_end_of_the_last_run(tmp_path, name, data, encoding):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / name).write_bytes(data)
    whole = read_file(tmp_path / "file" / name, encoding=encoding, rows=100)
    block = whole.blocks[5]

    with (
        pipe(tmp_path / name, data),
        Source(str(tmp_path / name), options(encoding=encoding)) as source,
    ):
        source.reread(Span(block.start, block.end, block.first_line, checksum(block.data)))
        found = read_source(source, block.end, block.first_line + block.lines)

    assert found.all == whole.from_line(block.first_line + block.lines)


def test_a_file_can_be_reopened_and_a_pipe_cannot(tmp_path, file):
    with Source(str(file(b"")), options()) as source:
        assert source.can_reopen
    with (
        pipe(tmp_path / "pipe.jsonl", b"{}\n"),
        Source(str(tmp_path / "pipe.jsonl"), options()) as source,
    ):
        assert not source.can_reopen


def test_an_empty_input_has_no_rows(file):
    for name in ("x.jsonl", "x.json", "x.csv", "x"):
        found = read_file(file(b"", name))
        assert (found.all, found.blocks) == (([], [], None), [])


def test_memory_does_not_grow_with_the_input(file):
    line = b'{"text":"' + b"x" * 1000 + b'"}\n'
    path = file(line * 30_000 + b"y" * (30 * 2**20) + b"\n" + line)
    tracemalloc.start()

    with Source(str(path), options(row_bytes=2**20, block_bytes=2**20)) as source:
        size = sum(block.end - block.start for block in source.blocks(0, 1))
        _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size == path.stat().st_size
    assert most < 8 * 2**20


# -- whether an input still has its spans ----------------------------------------------------------


def spans_of(path, **cuts):
    """Return the spans of all blocks in the form of the ledger."""
    return [
        Span(block.start, block.end, block.first_line, checksum(block.data))
        for block in read_file(path, **cuts).blocks
    ]


def has(path, spans, **options_):
    with Source(str(path), options(**options_)) as source:
        return source.has_spans(spans)


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_an_unchanged_input_has_all_of_its_spans(file, name, data, encoding):
    path = file(data, name)
    spans = spans_of(path, encoding=encoding, rows=100)

    assert has(path, spans, encoding=encoding)


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_an_input_with_one_changed_byte_does_not_have_its_spans(file, name, share):
    data = LINES.encode()
    spans = spans_of(file(data), rows=100)
    at = data.index(b"row", int(len(data) * share) - 60)
    edited = data[:at] + b"w" + data[at + 1 :]

    assert not has(file(gzip.compress(edited) if name.endswith("gz") else edited, name), spans)


def test_an_input_that_has_grown_or_was_compressed_has_its_spans(file):
    spans = spans_of(file(LINES.encode()), rows=100)
    more = (LINES + '{"row":1}\n').encode()

    assert has(file(more), spans)
    assert has(file(gzip.compress(more), "x.jsonl.gz"), spans)


def test_a_shorter_input_does_not_have_its_spans(file):
    spans = spans_of(file(LINES.encode()), rows=100)

    assert not has(file(LINES.encode()[: spans[-1].start]), spans)
    assert not has(file(LINES.encode()[:-1]), spans)


def test_an_unreadable_row_is_proven_by_its_existence(file):
    """No bytes of an overlong row were kept for a checksum."""
    long = b"x" * 5000 + b"\n"
    spans = [Span(0, len(long), 1, b""), Span(len(long), len(long) + 3, 2, checksum(b"{}\n"))]

    assert has(file(long + b"{}\n"), spans)
    assert not has(file(long[:-10]), spans)


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), [("x.jsonl", LINES), ("x.json", ARRAY), ("x.csv", CSV)])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_complete_rows_before_damage_are_read_and_the_incomplete_row_is_not(
    file, name, text, share
):
    compressed = gzip.compress(text.encode())
    whole = read_file(file(compressed, name))

    found = read_file(file(compressed[: int(len(compressed) * share)], name))

    assert found.rows == whole.rows[: len(found.rows)]
    assert len(found.rows) > len(ROWS) * share * 0.6
    assert found.rejections == []
    assert TRUNCATED in found.damage


@pytest.mark.parametrize("bad", ["checksum", "garbage"])
def test_damage_after_the_last_row_loses_no_row(file, bad, golden):
    compressed = gzip.compress(LINES.encode())
    compressed = (
        compressed[:-8] + b"oops" + compressed[-4:]
        if bad == "checksum"
        else compressed + b"garbage"
    )

    found = read_file(file(compressed))

    assert found.values == ROWS
    assert found.damage == golden


@settings(deadline=None)
@given(data=st.binary(max_size=60), cuts=CUTS, name=st.sampled_from(["jsonl", "json"]))
def test_a_truncated_gzip_stream_yields_no_incomplete_row(data, cuts, name):
    text = b"".join(b'{"a":%d}\n' % byte for byte in data)
    compressed = gzip.compress(b"\n" + text)

    found = read(compressed[:-9], format=name, **cuts)

    assert [row["a"] for row in found.values] == list(data)[: len(found.values)]
    assert (found.rejections, bool(found.damage)) == ([], True)
    assert_complete(b"\n" + text, found, **cuts)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.json", "x"])
def test_damage_before_the_first_row_is_reported_on_opening(file, name):
    path = file(gzip.compress(b"")[:12], name)

    with pytest.raises(DamagedSourceError):
        Source(str(path), options())


def test_damage_is_reported_instead_of_its_consequences(file):
    path = file(gzip.compress(b'"a,b\n')[:-2], "x.csv")

    with pytest.raises(DamagedSourceError):
        Source(str(path), options())


# -- encodings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "bad"), [("cp1252", b"\x81"), ("shift_jis", b"\xff"), ("utf-16-le", b"\x00\xdc")]
)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_undecodable_byte_rejects_only_its_row(file, encoding, bad, kind):
    rows = (
        ['{"a":"', "1", '"}\n{"a":"', "2", '"}\n']
        if kind == "jsonl"
        else ["a\n", "1", "\n", "2", "\n"]
    )
    parts = [text.encode(encoding) for text in rows]

    found = read_file(file(b"".join([*parts[:2], bad, *parts[2:]]), f"x.{kind}"), encoding=encoding)

    assert found.values == [{"a": "2"}]
    ((_, reason),) = found.reasons
    assert "UTF-8" in reason


def test_an_unknown_encoding_is_a_usage_error(file, golden):
    with pytest.raises(ConfigurationError) as caught:
        Source(str(file(b"")), options(encoding="klingon"))

    assert str(caught.value) == golden


# -- files that grow and change --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "before", "kept"),
    [
        ("x.jsonl", b'{"a":1}\n{"a":2}', 1),
        ("x.csv", b"a,b\n1,2\n3,4", 1),
        ("x.csv", b'a,b\n1,2\n3,"4\n', 1),
        ("x.json", b'[\n{"a":1},{"a":2}', 1),
        ("x.json", b'[\n{"a":1},{"a":', 1),
        ("x.jsonl", b'{"a":1}', 0),
    ],
)
def test_an_incomplete_last_row_is_left_only_in_a_growing_file(file, name, before, kept):
    path = file(before, name)

    growing = read_file(path, growing=True)
    whole = read_file(path)

    assert len(growing.rows) == kept
    assert (growing.rejections, growing.damage) == ([], None)
    assert len(whole.rows) + len(whole.rejections) > kept or whole.damage


@settings(deadline=None)
@given(
    name=st.sampled_from(["x.jsonl", "x.csv", "x.json"]),
    shares=st.lists(st.floats(0, 1), max_size=4).map(sorted),
    cuts=CUTS,
)
def test_every_row_of_a_growing_file_is_read_once(tmp_path_factory, name, shares, cuts):
    text = {
        "x.jsonl": b'{"a":1}\n\n{"a":2}\r\n{"a":3}\n',
        "x.csv": b'a,b\n1,"2\n3"\r\n4,5\n\n"6","7"\n',
        "x.json": b'[\n{"a":[1,2]}, "3,]"\n, {"a":4}\n]\n',
    }[name]
    path = tmp_path_factory.mktemp("grow") / name
    path.write_bytes(text)
    whole = read_file(path)
    at, line = whole.body_start, whole.body_line
    rows = []

    for share in [*shares, 1]:
        path.write_bytes(text[: max(int(share * len(text)), whole.body_start, 2)])
        found = read_file(path, start=at, line=line, growing=True, **cuts)
        rows += found.rows
        if found.blocks:
            at, line = found.blocks[-1].end, found.blocks[-1].first_line + found.blocks[-1].lines

    assert rows == whole.rows


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("growing", [False, True])
def test_the_rest_of_a_row_that_was_read_incomplete_is_rejected(file, kind, growing, golden):
    header = b"" if kind == "jsonl" else b"a\n"
    row = b'{"a":"%s"}' if kind == "jsonl" else b"%s"
    before = header + row % b"1" + b"\n" + row % b"2"
    end = read_file(file(before, f"x.{kind}")).blocks[-1].end
    assert end == len(before)

    path = file(before + b"tail" * 100 + b"\n" + row % b"3" + b"\n", f"x.{kind}")
    line = 2 + header.count(b"\n")
    found = read_file(path, start=end, line=line, growing=growing, row_bytes=100)

    assert found.rows == [(line + 1, {"a": "3"})]
    ((number, reason, shown),) = found.rejections
    assert (number, shown) == (line, "tail" * 50)
    assert "--growing" in reason
    assert reason == golden


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"  \n"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_row_without_its_newline_was_complete(file, newline, kind):
    header, row = (b"", b'{"a":"1"}') if kind == "jsonl" else (b"a,b\n", b"1,2")
    before = header + row
    path = file(before + newline + row + b"\n", f"x.{kind}")
    line = 1 + header.count(b"\n")

    found = read_file(path, start=len(before), line=line)

    assert [number for number, _ in found.rows] == [line + 1]
    assert found.rejections == []


def test_the_rest_of_a_row_in_a_growing_file_is_left_for_the_next_run(file):
    path = file(b'{"a":1}\n{"a":2}ta')

    found = read_file(path, start=15, line=2, growing=True)

    assert (found.all, found.blocks) == (([], [], None), [])


def test_an_incomplete_overlong_row_in_a_growing_file_is_left_for_the_next_run(file):
    path = file(b'{"a":1}\n' + b"x" * 1000)

    found = read_file(path, growing=True, row_bytes=50, block_bytes=50)

    assert (found.rows, found.rejections) == ([(1, {"a": 1})], [])


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_reading_does_not_resume_in_a_truncated_file(file, name, data, encoding, golden):
    path = file(data, name)
    with Source(str(path), options(encoding=encoding)) as source:
        end = list(source.blocks(source.body_start, source.body_line))[-1].end

        with pytest.raises(ChangedSourceError) as caught:
            list(source.blocks(end + 10, 5000))

        assert str(caught.value) == golden
        with pytest.raises(ChangedSourceError) as caught:
            source.reread(Span(end - 1, end + 10, 1, b"x"))

        assert str(caught.value) == golden


def test_reading_does_not_resume_in_an_emptied_file(file):
    with pytest.raises(ChangedSourceError):
        read_file(file(b""), start=10, line=2)


def test_a_changed_block_is_not_reread(file, golden):
    block = read_file(file(b'{"a":1}\n{"a":2}\n'), rows=1).blocks[1]
    span = Span(block.start, block.end, block.first_line, checksum(block.data))

    with (
        Source(str(file(b'{"a":1}\n{"a":3}\n')), options()) as source,
        pytest.raises(ChangedSourceError) as caught,
    ):
        source.reread(span)

    assert str(caught.value) == golden


def test_only_the_beginning_of_an_overlong_row_is_reread(file):
    path = file(b"x" * 100_000 + b"\n{}\n")
    (block, _) = read_file(path, row_bytes=1000, block_bytes=1000).blocks

    with Source(str(path), options()) as source:
        reread = source.reread(Span(block.start, block.end, 1, b""))

    assert reread.data == block.data == b"x" * 200


# -- errors ----------------------------------------------------------------------------------------


def test_a_missing_file_is_reported(tmp_path, golden):
    with pytest.raises(SourceError) as caught:
        Source(str(tmp_path / "gone.jsonl"), options())

    assert str(caught.value) == golden
    with pytest.raises(SourceError) as caught:
        Source(str(tmp_path), options())

    assert str(caught.value) == golden


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to this user"
)
def test_a_file_without_read_permission_is_reported(file):
    path = file(b"{}\n")
    path.chmod(0)

    with pytest.raises(SourceError) as caught:
        Source(str(path), options())

    assert "Permission denied" in str(caught.value)


def test_messages_call_standard_input_stdin(golden):
    with pytest.raises(ConfigurationError) as caught:
        read(b"hello\n")

    assert str(caught.value) == golden
