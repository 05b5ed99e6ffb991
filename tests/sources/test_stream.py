import encodings.aliases
import errno
import gzip
import io
import os
import random
import sys
import zlib
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip_lib

from miso_upload.errors import ConfigurationError, DamagedSourceError, SourceError
from miso_upload.sources.codecs.base import TRUNCATED
from miso_upload.sources.stream import ByteStream
from tests.helpers.streams import from_stdin, rest_of, without_cause

TEXT = "".join(f"{number},größe,€ {number * 7}\n" for number in range(40_000))
NOISE = random.Random(1).randbytes(300_000)


# -- compressed ------------------------------------------------------------------------------------


def test_gzip_is_detected_by_its_content(opened):
    assert rest_of(opened(gzip.compress(b"hello"), name="x.jsonl")) == (b"hello", None)
    assert rest_of(opened(b"hello", name="x.gz")) == (b"hello", None)


def test_all_members_of_a_gzip_file_are_read(opened):
    members = [gzip.compress(text) for text in (b"one\n", b"", b"two\n", NOISE, b"three\n")]

    found = rest_of(opened(b"".join(members) + b"\0" * 1000))

    assert found == (b"one\ntwo\n" + NOISE + b"three\n", None)


def test_padding_between_members_is_skipped(opened):
    data = gzip.compress(b"one\n") + b"\0" * 200_000 + gzip.compress(b"two\n")

    assert rest_of(opened(data)) == (b"one\ntwo\n", None)


@pytest.mark.parametrize("flags", range(32))
def test_every_field_of_a_gzip_header_is_skipped(opened, flags):
    data_in_gzip = gzip.compress(b"rows", mtime=0)
    fields = [b"", b"CC", b"\x05\x00extra", b"a name\0", b"a comment" * 50_000 + b"\0"]
    extra = b"".join(fields[bit] for bit in (2, 3, 4) if flags & 1 << bit)
    checksum = fields[1] if flags & 2 else b""

    data = (
        data_in_gzip[:3]
        + bytes([flags])
        + data_in_gzip[4:10]
        + extra
        + checksum
        + data_in_gzip[10:]
    )

    assert rest_of(opened(data)) == (b"rows", None)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 10, 11, 15, 18, 100, 250_000])
def test_the_intact_part_of_a_truncated_gzip_file_is_read(opened, size):
    data_in_gzip = gzip.compress(NOISE)
    cut = data_in_gzip[:-size] if size < 100 else data_in_gzip[:size]
    told = zlib.decompressobj(31).decompress(cut)

    data, damage = rest_of(opened(cut))

    assert data == told
    assert (damage is None) == (size == 0)
    assert damage is None or f"({TRUNCATED})" in damage


@pytest.mark.parametrize("size", range(2, 10))
def test_a_gzip_file_that_ends_in_its_header_is_damaged(opened, size):
    assert rest_of(opened(gzip.compress(b"x")[:size]))[0] == b""


@pytest.mark.parametrize("member", [1, 2])
@pytest.mark.parametrize("at", [-8, -1], ids=["checksum", "length"])
def test_everything_before_a_wrong_checksum_is_read(opened, member, at, golden):
    """This includes the last bytes, which a decompressor with its own check would discard."""
    bad = bytearray(gzip.compress(NOISE))
    bad[at] ^= 1
    good = [gzip.compress(b"good\n")] * (member - 1)

    data, damage = rest_of(opened(b"".join([*good, bad])))

    assert data == b"good\n" * (member - 1) + NOISE
    assert damage == golden


def test_everything_before_garbage_is_read(opened, golden):
    data, damage = rest_of(opened(gzip.compress(NOISE) + b"garbage"))

    assert data == NOISE
    assert damage == golden


def test_damage_in_the_middle_is_reported(opened, golden):
    data_in_gzip = bytearray(gzip.compress(TEXT.encode()))
    data_in_gzip[2000:2100] = b"\xff" * 100

    data, damage = rest_of(opened(data_in_gzip))

    assert len(data) < len(TEXT.encode())
    assert without_cause(damage) == golden


@settings(deadline=None)
@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(1, 20), min_size=1))
def test_arbitrary_bytes_after_the_gzip_magic_raise_no_other_error(data, sizes):
    found, damage = rest_of(from_stdin(b"\x1f\x8b\x08" + data, sizes))

    assert damage is not None or not found


def test_damage_is_raised_again_by_every_read(opened):
    stream = opened(gzip.compress(b"x")[:-3])
    rest_of(stream)

    with pytest.raises(DamagedSourceError):
        stream.read()


def test_a_decompression_bomb_is_read_in_small_pieces(opened):
    member = igzip_lib.compress(bytes(2**26), flag=igzip_lib.COMP_GZIP)

    stream = opened(member * 2)

    assert len(stream.peek(10)) == 10
    assert all(len(stream.read()) <= 2**20 for _ in range(200))


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_unicode_is_detected_by_its_byte_order_mark(opened, encoding, pack):
    mark = "" if encoding == "utf-8-sig" else "\ufeff"

    data, _ = rest_of(opened(pack((mark + TEXT).encode(encoding))))

    assert data.decode("utf-8-sig") == TEXT


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "größe\n" * 1000),
        ("cp1252", "größe… €\n" * 1000),
        ("utf-16-le", TEXT),
        ("shift_jis", "日本語,テスト\n" * 1000),
        ("UTF8", TEXT),
        ("ascii", "plain\n"),
    ],
)
def test_named_encodings_are_read(opened, encoding, text):
    data, _ = rest_of(opened(text.encode(encoding), encoding))

    assert data.decode() == text


def test_a_byte_order_mark_in_a_named_encoding_is_kept_for_the_format(opened):
    stream = opened("\ufeffx".encode("utf-16-le"), "utf-16-le")

    assert rest_of(stream)[0] == b"\xef\xbb\xbfx"


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("cp1252", b"\x81"),
        ("shift_jis", b"\x81\n"),
        ("utf-16-le", b"\x00\xd8"),
        ("utf-7", b"+2AA-"),
    ],
)
def test_undecodable_bytes_are_marked_and_never_replaced(opened, encoding, bad):
    data, damage = rest_of(opened("a".encode(encoding) + bad + "b".encode(encoding), encoding))

    assert damage is None
    assert data.startswith(b"a\xff")
    assert data.endswith(b"b")
    with pytest.raises(UnicodeDecodeError):
        data.decode()


@pytest.mark.parametrize(
    "name", ["klingon", "hex", "rot13", "zlib", "undefined", "idna", "", "a\0b"]
)
def test_an_unknown_encoding_is_a_usage_error(opened, name, golden):
    with pytest.raises(ConfigurationError) as caught:
        opened(b"", name)

    assert "--encoding" in str(caught.value)
    assert str(caught.value) == golden


@pytest.mark.parametrize("encoding", sorted(set(encodings.aliases.aliases.values())))
def test_every_encoding_of_python_reads_or_is_refused(encoding):
    data = bytes(range(1, 255)).replace(b"\\", b"") * 3
    try:
        stream = from_stdin(data, encoding=encoding)
    except ConfigurationError:
        return

    found, damage = rest_of(stream)

    assert found or damage.startswith("stdin: ")


def test_utf16_without_a_byte_order_mark_is_refused_with_a_hint(opened, golden):
    stream = opened(b"a\0b\0", "utf-16")

    assert rest_of(stream)[1] == golden


# -- offsets ---------------------------------------------------------------------------------------


def compressed(text):
    return gzip.compress(text.encode()), None


def plain(text):
    return text.encode(), None


def latin(text):
    return text.replace("€", "").encode("latin-1"), "latin-1"


def marked(text):
    return text.encode("utf-16"), None


@pytest.mark.parametrize("pack", [plain, compressed, latin, marked])
def test_every_offset_yields_the_same_bytes_each_time(opened, pack):
    stream = opened(*pack(TEXT))
    whole, _ = rest_of(stream)
    offsets = random.Random(2).sample(range(len(whole)), 12)

    for offset in [*offsets, len(whole)]:
        assert stream.seek(offset)
        assert stream.position == offset
        assert stream.peek(7) == whole[offset : offset + 7]
        assert rest_of(stream, 3000)[0] == whole[offset:]


@pytest.mark.parametrize("pack", [plain, compressed, latin])
def test_seeking_past_the_end_is_reported(opened, pack):
    stream = opened(*pack("abc"))

    assert not stream.seek(4)
    assert stream.seek(3)
    assert stream.read() == b""


def test_the_byte_before_the_position_is_known_if_it_was_read(opened):
    stream = opened(b"abc")

    stream.read(2)
    assert (stream.position, stream.last_byte) == (2, b"b")
    stream.read()
    stream.read()
    assert stream.last_byte == b"c"


def test_peeking_does_not_move(opened):
    stream = opened(b"abcdef")

    assert stream.peek(3) == b"abc"
    assert stream.peek(100) == b"abcdef"
    assert stream.read(2) + stream.read(2) == b"abcd"
    assert stream.peek(1) == b"e"


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 50), min_size=1), text=st.text(max_size=100))
@pytest.mark.parametrize("encode", [str.encode, lambda text: gzip.compress(text.encode())])
def test_bytes_are_read_the_same_in_pieces_of_any_size(encode, sizes, text):
    text = "x" + text

    assert rest_of(from_stdin(encode(text), sizes), sizes[0]) == (text.encode(), None)


def test_bytes_appended_during_the_read_are_read(opened, tmp_path):
    stream = opened(b"abc")
    assert stream.peek(10) == b"abc"

    with (tmp_path / "input").open("ab") as file:
        file.write(b"def")

    assert rest_of(stream)[0] == b"abcdef"


def test_a_file_moved_during_the_read_is_read_to_its_end(opened, tmp_path):
    stream = opened(b"abc")
    (tmp_path / "input").rename(tmp_path / "input.1")

    assert stream.seek(1)
    assert stream.read() == b"bc"
    assert stream.size is None


# -- standard input, pipes -------------------------------------------------------------------------


def test_standard_input_can_be_skipped_forward_but_not_back(golden):
    stream = from_stdin(b"abcdef", [2])

    assert stream.seek(3)
    assert stream.read(1) == b"d"
    assert not stream.can_reopen
    with pytest.raises(SourceError) as caught:
        stream.seek(0)

    assert str(caught.value) == golden


def test_standard_input_from_a_file_can_be_reread(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    with (tmp_path / "a").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        stream = ByteStream("-")
        rest_of(stream)

        assert stream.seek(1)
        assert stream.read() == b"bc"
        stream.close()
        assert not file.closed


def test_standard_input_starts_at_its_current_offset(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"headabc")
    with (tmp_path / "a").open("rb", buffering=0) as file:
        file.read(4)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        stream = ByteStream("-")

        assert stream.read(1) == b"a"
        assert stream.seek(2)
        assert stream.read() == b"c"


@pytest.mark.parametrize("stdin", [None, SimpleNamespace(buffer=None)])
def test_closed_standard_input_is_refused(monkeypatch, stdin, golden):
    monkeypatch.setattr(sys, "stdin", stdin)

    with pytest.raises(SourceError) as caught:
        ByteStream("-")

    assert str(caught.value) == golden


@pytest.mark.skipif(not hasattr(os, "set_blocking"), reason="no such pipes here")
def test_an_empty_nonblocking_pipe_is_waited_for(monkeypatch):
    """Another program may have made the pipe non-blocking; no data yet is not its end."""
    from threading import Timer

    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    timer = Timer(0.1, lambda: (os.write(writer, b"late"), os.close(writer)))
    timer.start()
    with os.fdopen(reader, "rb", buffering=0) as raw:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(raw=raw)))

        assert rest_of(ByteStream("-")) == (b"late", None)
    timer.join()


# -- errors ----------------------------------------------------------------------------------------


class Failing(io.RawIOBase):
    """An input that fails after its first bytes."""

    def __init__(self, data):
        self._data = data

    def readable(self):
        """See `io.IOBase.readable`."""
        return True

    def readinto(self, buffer):
        """Fill a part of `buffer` once, then fail."""
        if not self._data:
            raise OSError(errno.EIO, "Input/output error")
        size = len(self._data)
        buffer[:size], self._data = self._data, b""
        return size


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_a_failing_disk_is_reported(monkeypatch, data, golden):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Failing(data)))

    try:
        found, damage = rest_of(ByteStream("-"))
    except SourceError as error:
        found, damage = b"", str(error)

    assert found == data
    assert damage == golden


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: None, id="nothing"),
        pytest.param(lambda path: path.mkdir(), id="a directory"),
        pytest.param(lambda path: path.symlink_to(path), id="a link to itself"),
    ],
)
def test_an_input_that_cannot_be_opened_is_reported(tmp_path, make, golden):
    path = tmp_path / "a"
    make(path)

    with pytest.raises(SourceError) as caught:
        ByteStream(str(path))

    assert str(caught.value) == golden


def test_an_invalid_name_is_reported(golden):
    with pytest.raises(SourceError) as caught:
        ByteStream("a\0b")

    assert str(caught.value) == golden


def test_a_file_that_is_missing_when_it_is_reread_is_reported(opened, tmp_path, golden):
    stream = opened(gzip.compress(b"abc"))
    rest_of(stream)
    (tmp_path / "input").unlink()

    with pytest.raises(SourceError) as caught:
        stream.seek(0)

    assert str(caught.value) == golden


def test_progress_is_counted_in_raw_bytes(opened):
    data = gzip.compress(TEXT.encode())
    stream = opened(data)

    rest_of(stream)

    assert (stream.raw_position, stream.size) == (len(data), len(data))
