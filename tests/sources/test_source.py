import contextlib
import gzip
import json
import os
import random
import sys
import threading
import tracemalloc

import pytest
from formats.reading import CUTS, assert_kept_promises, options, read, read_file, read_source
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
    """Write a file and return its path."""

    def write(data, name="x.jsonl"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@contextlib.contextmanager
def pipe(path, data):
    """Make a named pipe that somebody writes `data` to."""

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


# -- every kind of input, and every place in it ----------------------------------------------------


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
@pytest.mark.parametrize("cuts", [{}, {"rows": 7}, {"block_bytes": 1000}])
def test_every_row_is_read_once_and_from_every_block_on(file, name, data, encoding, cuts):
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
        assert rest.all == whole.behind(line)


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_a_block_comes_again_as_it_was(file, name, data, encoding):
    path = file(data, name)
    blocks = read_file(path, encoding=encoding, rows=100).blocks

    with Source(str(path), options(encoding=encoding)) as source:
        for block in [*blocks, blocks[3]]:
            again = source.again(
                Span(block.start, block.end, block.first_line, checksum(block.data))
            )
            assert (again.start, again.end, again.data) == (block.start, block.end, block.data)


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_a_pipe_is_read_like_a_file(tmp_path, name, data, encoding):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / name).write_bytes(data)
    expected = read_file(tmp_path / "file" / name, encoding=encoding)

    with pipe(tmp_path / name, data):
        found = read_file(tmp_path / name, encoding=encoding)

    assert found == expected


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_a_pipe_can_be_gone_forward_in_to_where_the_last_run_ended(tmp_path, name, data, encoding):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / name).write_bytes(data)
    whole = read_file(tmp_path / "file" / name, encoding=encoding, rows=100)
    block = whole.blocks[5]

    with (
        pipe(tmp_path / name, data),
        Source(str(tmp_path / name), options(encoding=encoding)) as source,
    ):
        source.again(Span(block.start, block.end, block.first_line, checksum(block.data)))
        found = read_source(source, block.end, block.first_line + block.lines)

    assert found.all == whole.behind(block.first_line + block.lines)


def test_a_pipe_cannot_be_opened_again_and_a_file_can(tmp_path, file):
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


# -- whether it still has what was read ------------------------------------------------------------


def spans_of(path, **cuts):
    """Return the spans of all blocks as a ledger keeps them."""
    return [
        Span(block.start, block.end, block.first_line, checksum(block.data))
        for block in read_file(path, **cuts).blocks
    ]


def has(path, spans, **options_):
    with Source(str(path), options(**options_)) as source:
        return source.has(spans)


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_an_unchanged_input_has_all_of_its_spans(file, name, data, encoding):
    path = file(data, name)
    spans = spans_of(path, encoding=encoding, rows=100)

    assert has(path, spans, encoding=encoding)


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.999])
def test_an_input_in_which_one_byte_differs_does_not_have_its_spans(file, name, place):
    data = LINES.encode()
    spans = spans_of(file(data), rows=100)
    at = data.index(b"row", int(len(data) * place) - 60)
    edited = data[:at] + b"w" + data[at + 1 :]

    assert not has(file(gzip.compress(edited) if name.endswith("gz") else edited, name), spans)


def test_an_input_that_has_grown_or_was_packed_has_its_spans(file):
    spans = spans_of(file(LINES.encode()), rows=100)
    more = (LINES + '{"row":1}\n').encode()

    assert has(file(more), spans)
    assert has(file(gzip.compress(more), "x.jsonl.gz"), spans)


def test_a_shorter_input_does_not_have_its_spans(file):
    spans = spans_of(file(LINES.encode()), rows=100)

    assert not has(file(LINES.encode()[: spans[-1].start]), spans)
    assert not has(file(LINES.encode()[:-1]), spans)


def test_a_row_that_could_not_be_read_is_proven_by_being_there(file):
    """Of a row that is too long, no bytes were kept to make a checksum of."""
    long = b"x" * 5000 + b"\n"
    spans = [Span(0, len(long), 1, b""), Span(len(long), len(long) + 3, 2, checksum(b"{}\n"))]

    assert has(file(long + b"{}\n"), spans)
    assert not has(file(long[:-10]), spans)


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), [("x.jsonl", LINES), ("x.json", ARRAY), ("x.csv", CSV)])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_whole_rows_before_damage_are_read_and_the_half_row_is_not(file, name, text, share):
    packed = gzip.compress(text.encode())
    whole = read_file(file(packed, name))

    found = read_file(file(packed[: int(len(packed) * share)], name))

    assert found.rows == whole.rows[: len(found.rows)]
    assert len(found.rows) > len(ROWS) * share * 0.6
    assert found.rejections == []
    assert TRUNCATED in found.damage


@pytest.mark.parametrize("bad", ["checksum", "garbage"])
def test_damage_behind_the_last_row_loses_no_row(file, bad, golden):
    packed = gzip.compress(LINES.encode())
    packed = packed[:-8] + b"oops" + packed[-4:] if bad == "checksum" else packed + b"garbage"

    found = read_file(file(packed))

    assert found.values == ROWS
    assert found.damage == golden


@settings(deadline=None)
@given(data=st.binary(max_size=60), cuts=CUTS, name=st.sampled_from(["jsonl", "json"]))
def test_a_cut_off_gzip_stream_yields_no_half_row(data, cuts, name):
    text = b"".join(b'{"a":%d}\n' % byte for byte in data)
    packed = gzip.compress(b"\n" + text)

    found = read(packed[:-9], format=name, **cuts)

    assert [row["a"] for row in found.values] == list(data)[: len(found.values)]
    assert (found.rejections, bool(found.damage)) == ([], True)
    assert_kept_promises(b"\n" + text, found, **cuts)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.json", "x"])
def test_damage_before_the_first_row_is_told_when_the_input_is_opened(file, name):
    path = file(gzip.compress(b"")[:12], name)

    with pytest.raises(DamagedSourceError):
        Source(str(path), options())


def test_damage_is_told_in_place_of_what_it_looks_like(file):
    path = file(gzip.compress(b'"a,b\n')[:-2], "x.csv")

    with pytest.raises(DamagedSourceError):
        Source(str(path), options())


# -- encodings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "bad"), [("cp1252", b"\x81"), ("shift_jis", b"\xff"), ("utf-16-le", b"\x00\xdc")]
)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_what_cannot_be_decoded_costs_its_row_only(file, encoding, bad, kind):
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


def test_an_unknown_encoding_is_an_error_of_the_command(file, golden):
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
def test_a_row_that_may_still_be_written_waits_only_if_the_file_grows(file, name, before, kept):
    path = file(before, name)

    growing = read_file(path, growing=True)
    whole = read_file(path)

    assert len(growing.rows) == kept
    assert (growing.rejections, growing.damage) == ([], None)
    assert len(whole.rows) + len(whole.rejections) > kept or whole.damage


@settings(deadline=None)
@given(
    name=st.sampled_from(["x.jsonl", "x.csv", "x.json"]),
    places=st.lists(st.floats(0, 1), max_size=4).map(sorted),
    cuts=CUTS,
)
def test_a_file_that_is_read_while_it_grows_is_read_once(tmp_path_factory, name, places, cuts):
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

    for place in [*places, 1]:
        path.write_bytes(text[: max(int(place * len(text)), whole.body_start, 2)])
        found = read_file(path, start=at, line=line, growing=True, **cuts)
        rows += found.rows
        if found.blocks:
            at, line = found.blocks[-1].end, found.blocks[-1].first_line + found.blocks[-1].lines

    assert rows == whole.rows


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("growing", [False, True])
def test_the_rest_of_a_row_that_was_read_too_early_is_set_aside(file, kind, growing, golden):
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
def test_a_row_of_which_only_the_newline_was_missing_was_whole(file, newline, kind):
    header, row = (b"", b'{"a":"1"}') if kind == "jsonl" else (b"a,b\n", b"1,2")
    before = header + row
    path = file(before + newline + row + b"\n", f"x.{kind}")
    line = 1 + header.count(b"\n")

    found = read_file(path, start=len(before), line=line)

    assert [number for number, _ in found.rows] == [line + 1]
    assert found.rejections == []


def test_the_rest_of_a_row_waits_for_its_end_if_the_file_grows(file):
    path = file(b'{"a":1}\n{"a":2}ta')

    found = read_file(path, start=15, line=2, growing=True)

    assert (found.all, found.blocks) == (([], [], None), [])


def test_a_row_that_is_too_long_waits_for_its_end_if_the_file_grows(file):
    path = file(b'{"a":1}\n' + b"x" * 1000)

    found = read_file(path, growing=True, row_bytes=50, block_bytes=50)

    assert (found.rows, found.rejections) == ([(1, {"a": 1})], [])


@pytest.mark.parametrize(("name", "data", "encoding"), KINDS)
def test_a_file_that_was_cut_is_not_gone_on_with(file, name, data, encoding, golden):
    path = file(data, name)
    with Source(str(path), options(encoding=encoding)) as source:
        end = list(source.blocks(source.body_start, source.body_line))[-1].end

        with pytest.raises(ChangedSourceError) as caught:
            list(source.blocks(end + 10, 5000))

        assert str(caught.value) == golden
        with pytest.raises(ChangedSourceError) as caught:
            source.again(Span(end - 1, end + 10, 1, b"x"))

        assert str(caught.value) == golden


def test_an_emptied_file_is_not_gone_on_with(file):
    with pytest.raises(ChangedSourceError):
        read_file(file(b""), start=10, line=2)


def test_a_block_that_says_something_else_now_is_refused(file, golden):
    block = read_file(file(b'{"a":1}\n{"a":2}\n'), rows=1).blocks[1]
    span = Span(block.start, block.end, block.first_line, checksum(block.data))

    with (
        Source(str(file(b'{"a":1}\n{"a":3}\n')), options()) as source,
        pytest.raises(ChangedSourceError) as caught,
    ):
        source.again(span)

    assert str(caught.value) == golden


def test_only_the_beginning_of_a_row_that_was_too_long_comes_again(file):
    path = file(b"x" * 100_000 + b"\n{}\n")
    (block, _) = read_file(path, row_bytes=1000, block_bytes=1000).blocks

    with Source(str(path), options()) as source:
        again = source.again(Span(block.start, block.end, 1, b""))

    assert again.data == block.data == b"x" * 200


# -- trouble ---------------------------------------------------------------------------------------


def test_what_is_no_file_is_an_error_with_a_message(tmp_path, golden):
    with pytest.raises(SourceError) as caught:
        Source(str(tmp_path / "gone.jsonl"), options())

    assert str(caught.value) == golden
    with pytest.raises(SourceError) as caught:
        Source(str(tmp_path), options())

    assert str(caught.value) == golden


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to this user"
)
def test_a_forbidden_file_is_an_error_with_a_message(file):
    path = file(b"{}\n")
    path.chmod(0)

    with pytest.raises(SourceError) as caught:
        Source(str(path), options())

    assert "Permission denied" in str(caught.value)


def test_standard_input_is_called_by_its_name_in_messages(golden):
    with pytest.raises(ConfigurationError) as caught:
        read(b"hello\n")

    assert str(caught.value) == golden
