"""Containers are detected by content and read to their end or to the damage, from any offset."""

import bz2
import functools
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib

import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from miso_upload.errors import DamagedSourceError, SourceError
from miso_upload.sources.codecs.base import TRUNCATED
from miso_upload.sources.codecs.charset import encoding_by_mark
from miso_upload.sources.stream import ByteStream
from tests.helpers.streams import from_stdin, rest_of, without_cause

TEXT = "".join(f"{number},größe,€ {number * 7}\n" for number in range(40_000)).encode()
NOISE = random.Random(1).randbytes(300_000)


def zstd(data, **options):
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(data)


def zstd_without_size(data):
    made = zstandard.ZstdCompressor(level=1).compressobj()
    return made.compress(data) + made.flush()


def zipped(data, method=zipfile.ZIP_DEFLATED, *others):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("rows.csv", data)
        for name, text in others:
            archive.writestr(name, text)
    return file.getvalue()


def xz_of_blocks(data):
    """Return an xz stream of several blocks, as written by several threads."""
    return lzma.compress(data, check=lzma.CHECK_SHA256, preset=0)


STREAMS = {
    "gzip stream": gzip.compress,
    "bzip2 stream": bz2.compress,
    "xz stream": lzma.compress,
    "zstd stream": zstd,
}
OTHERS = {
    "xz, sha-256": xz_of_blocks,
    "zstd, no size": zstd_without_size,
    "zstd, level 19": lambda data: zstd(data, level=19),
    "zip, stored": lambda data: zipped(data, zipfile.ZIP_STORED),
    "zip, deflated": zipped,
    "zip, bzip2": lambda data: zipped(data, zipfile.ZIP_BZIP2),
    "zip, lzma": lambda data: zipped(data, zipfile.ZIP_LZMA),
}
ALL = {**STREAMS, **OTHERS}

streams = pytest.mark.parametrize("container", STREAMS)
containers = pytest.mark.parametrize("compress", ALL.values(), ids=ALL)


# -- whole -----------------------------------------------------------------------------------------


@containers
@pytest.mark.parametrize("data", [b"", b"x", b"one\n", NOISE, TEXT, bytes(3_000_000)], ids=len)
def test_a_container_is_detected_by_its_content(opened, compress, data):
    assert rest_of(opened(compress(data), name="x.jsonl")) == (data, None)


@containers
def test_every_offset_yields_the_same_bytes_each_time(opened, compress):
    stream = opened(compress(TEXT))
    rest_of(stream)

    for offset in [*random.Random(2).sample(range(len(TEXT)), 5), 0, len(TEXT)]:
        assert stream.seek(offset)
        assert stream.position == offset
        assert rest_of(stream, 3000)[0] == TEXT[offset:]
    assert not stream.seek(len(TEXT) + 1)


@containers
def test_a_container_can_be_reopened_and_reports_its_size(opened, compress):
    compressed = compress(TEXT)
    stream = opened(compressed)
    rest_of(stream)

    assert stream.can_reopen
    assert stream.size == len(compressed)
    assert 0 < stream.raw_position <= len(compressed)


@containers
def test_text_in_a_container_can_have_another_encoding(opened, compress):
    text = TEXT.decode()

    assert rest_of(opened(compress(text.encode("utf-16"))))[0].decode() == text


@streams
def test_all_members_of_a_stream_are_read(opened, container):
    compress = STREAMS[container]
    members = [compress(text) for text in (b"one\n", b"", b"two\n", NOISE, b"three\n")]

    found = rest_of(opened(b"".join(members) + b"\0" * 100_000))

    assert found == (b"one\ntwo\n" + NOISE + b"three\n", None)


@streams
@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 50), min_size=1), data=st.binary(max_size=300))
def test_a_stream_is_read_the_same_in_pieces_of_any_size(container, sizes, data):
    compress = STREAMS[container]
    data = b"x" + data

    assert rest_of(from_stdin(compress(data) + compress(data), sizes), sizes[0]) == (data * 2, None)


@pytest.mark.parametrize("skipped", [b"", b"x" * 100_000])
def test_skippable_frames_are_skipped(opened, skipped):
    frame = b"\x5a\x2a\x4d\x18" + struct.pack("<I", len(skipped)) + skipped

    assert rest_of(opened(frame + zstd(b"one\n") + frame + zstd(b"two\n"))) == (
        b"one\ntwo\n",
        None,
    )


@pytest.mark.parametrize("inner", STREAMS)
@pytest.mark.parametrize("outer", [*STREAMS, "zip, deflated"])
def test_a_nested_container_is_decompressed(opened, outer, inner):
    assert rest_of(opened(ALL[outer](ALL[inner](TEXT)))) == (TEXT, None)


def test_a_deeply_nested_container_is_refused(opened, golden):
    data = b"x"
    for _ in range(6):
        data = gzip.compress(data)

    with pytest.raises(SourceError) as caught:
        opened(data)

    assert str(caught.value) == golden


@pytest.mark.parametrize("text", ["BZh9,x\n1,2\n", "PAR1,b\n1,2\n", "PK,b\n1,2\n", "ORC,x\n"])
def test_a_csv_file_whose_header_looks_like_a_container_is_text(opened, text):
    assert rest_of(opened(text.encode())) == (text.encode(), None)
    assert rest_of(from_stdin(text.encode())) == (text.encode(), None)


# -- damaged ---------------------------------------------------------------------------------------


@functools.cache
def compressed_noise(container):
    return STREAMS[container](NOISE * 10)


@streams
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_rows_before_a_cut_are_read(opened, container, share):
    compressed = compressed_noise(container)
    cut = compressed[: int(len(compressed) * share)]

    data, damage = rest_of(opened(cut))

    assert (NOISE * 10).startswith(data)
    assert len(data) > len(cut) - 1_000_000 if share > 0.1 else True
    assert container.split()[0] in damage
    assert TRUNCATED in damage


@streams
def test_everything_before_garbage_is_read(opened, container, golden):
    data, damage = rest_of(opened(STREAMS[container](NOISE) + b"garbage"))

    assert data == NOISE
    assert damage == golden


@pytest.mark.parametrize(
    ("container", "at", "lost"), [("gzip stream", -8, 0), ("zstd stream", -1, 0),
                                  ("bzip2 stream", -3, 2**15), ("xz stream", -40, 2**15)]
)  # fmt: skip
def test_data_before_a_wrong_checksum_is_read(opened, container, at, lost, golden):
    bad = bytearray(STREAMS[container](NOISE))
    bad[at] ^= 0x10

    data, damage = rest_of(opened(STREAMS[container](b"good\n") + bad))

    assert (b"good\n" + NOISE).startswith(data)
    assert len(data) >= len(NOISE) + 5 - lost
    assert without_cause(damage) == golden


def test_data_before_a_wrong_checksum_in_a_zip_archive_is_read(opened, golden):
    compressed = zipped(NOISE, zipfile.ZIP_STORED)
    at = compressed.rindex(NOISE[-20:])
    bad = compressed[:at] + b"!" + compressed[at + 1 :]

    data, damage = rest_of(opened(bad))

    assert NOISE.startswith(data)
    assert len(data) > len(NOISE) - 2**16
    assert damage == golden


def test_a_long_error_of_a_damaged_zip_archive_is_shortened(opened, golden):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rows.csv" * 500, NOISE)

    with pytest.raises(DamagedSourceError) as caught:
        opened(file.getvalue().replace(b"rows", b"cows", 1))

    assert str(caught.value) == golden
    assert len(str(caught.value)) < 500


def test_a_zip_archive_that_was_cut_off_is_damaged(opened, golden):
    with pytest.raises(DamagedSourceError) as caught:
        opened(zipped(NOISE)[:-30])

    assert str(caught.value) == golden


def test_damage_in_the_outer_container_is_reported_as_such(opened, golden):
    compressed = bz2.compress(gzip.compress(NOISE))

    data, damage = rest_of(opened(compressed[:-100]))

    assert NOISE.startswith(data)
    assert damage == golden


def read_file(directory, data, size):
    """Return the bytes that are read from a file of `data`, and the damage."""
    path = directory / "input"
    path.write_bytes(data)
    try:
        stream = ByteStream(str(path))
    except SourceError as error:
        return b"", str(error)
    try:
        return rest_of(stream, size)
    finally:
        stream.close()


@containers
@settings(deadline=None, max_examples=60)
@given(data=st.data(), text=st.binary(min_size=1, max_size=2000), size=st.integers(1, 3000))
def test_a_truncated_container_yields_its_beginning_and_an_error(
    tmp_path_factory, compress, data, text, size
):
    assume(encoding_by_mark(text[:4]) is None)  # it would be converted to UTF-8
    compressed = compress(text)
    cut = compressed[: data.draw(st.integers(5, len(compressed) - 1))]

    found, damage = read_file(tmp_path_factory.getbasetemp(), cut, size)

    # A file shorter than a magic number is not detected as a container.
    assert text.startswith(found) or found == cut
    assert damage is not None or found == cut


@pytest.mark.parametrize(
    "compress", [compress for name, compress in ALL.items() if name != "zstd, no size"]
)
@settings(deadline=None, max_examples=100)
@given(data=st.data(), text=st.binary(min_size=1, max_size=2000), size=st.integers(1, 3000))
def test_every_changed_byte_in_a_container_is_detected(
    tmp_path_factory, compress, data, text, size
):
    changed = bytearray(compress(text))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))

    found, damage = read_file(tmp_path_factory.getbasetemp(), changed, size)

    # Without its magic number, the file is read as text.
    assert damage is not None or found in (text, changed)


@streams
@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(1, 20), min_size=1))
def test_arbitrary_bytes_after_a_magic_number_raise_no_other_error(container, data, sizes):
    begins = {
        "gzip stream": b"\x1f\x8b\x08",
        "bzip2 stream": b"BZh91AY&SY",
        "xz stream": b"\xfd7zXZ\0",
        "zstd stream": b"\x28\xb5\x2f\xfd",
    }
    try:
        _, damage = rest_of(from_stdin(begins[container] + data, sizes))
    except SourceError as error:
        damage = str(error)

    assert damage is None or "stdin: " in damage


# -- bombs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["bzip2 stream", "xz stream", "zstd stream"])
def test_a_decompression_bomb_is_read_in_small_pieces(opened, container):
    member = STREAMS[container](bytes(2**26))

    stream = opened(member * 2)

    assert len(stream.peek(10)) == 10
    assert len(stream._ahead) <= 2**20
    assert all(len(stream.read()) <= 2**20 for _ in range(200))


def test_a_zstd_stream_with_a_large_window_is_refused(opened, golden):
    long = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    made = zstandard.ZstdCompressor(compression_params=long).compressobj()

    with pytest.raises(SourceError) as caught:
        rest_of_or_raise(opened(made.compress(b"x" * 10) + made.flush()))

    assert str(caught.value) == golden


def test_an_xz_stream_with_a_large_dictionary_is_refused(opened, golden):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**28}]

    with pytest.raises(SourceError) as caught:
        rest_of_or_raise(opened(lzma.compress(b"x", filters=filters)))

    assert str(caught.value) == golden


def test_a_zstd_stream_with_a_dictionary_is_refused(opened, golden):
    samples = [f"row {n}, some text that repeats {n % 7}".encode() * 5 for n in range(500)]
    dictionary = zstandard.train_dictionary(4096, samples)

    with pytest.raises(SourceError) as caught:
        rest_of_or_raise(opened(zstd(samples[0], dict_data=dictionary)))

    assert str(caught.value) == golden


def rest_of_or_raise(stream):
    while stream.read():
        pass


# -- archives and other containers -----------------------------------------------------------------


def test_metadata_files_of_macos_in_a_zip_archive_are_ignored(opened):
    compressed = zipped(
        TEXT,
        zipfile.ZIP_DEFLATED,
        ("__MACOSX/._rows.csv", "x"),
        ("empty/", ""),
        ("sub/.DS_Store", "x"),
    )

    assert rest_of(opened(compressed)) == (TEXT, None)


def test_a_zip_archive_with_several_files_is_refused_with_their_names(opened, golden):
    compressed = zipped("x", zipfile.ZIP_DEFLATED, *((f"part {n}.csv", "x") for n in range(4)))

    with pytest.raises(SourceError) as caught:
        opened(compressed)

    assert str(caught.value) == golden


def test_an_empty_zip_archive_is_refused(opened, golden):
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()

    with pytest.raises(SourceError) as caught:
        opened(file.getvalue())

    assert str(caught.value) == golden


def test_an_office_document_is_refused(opened, golden):
    compressed = zipped("x", zipfile.ZIP_DEFLATED, ("[Content_Types].xml", "x"))

    with pytest.raises(SourceError) as caught:
        opened(compressed)

    assert str(caught.value) == golden


def test_an_encrypted_zip_archive_is_refused(opened, golden):
    compressed = bytearray(zipped("x"))
    compressed[6] |= 1
    compressed[compressed.index(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(SourceError) as caught:
        opened(compressed)

    assert str(caught.value) == golden


def test_a_zip_archive_with_an_unknown_compression_method_is_refused(opened, golden):
    compressed = bytearray(zipped("x"))
    compressed[8] = compressed[compressed.index(b"PK\x01\x02") + 10] = 97

    with pytest.raises(SourceError) as caught:
        opened(compressed)

    assert str(caught.value) == golden


def test_a_zip_archive_cannot_be_read_from_a_pipe(golden):
    with pytest.raises(SourceError) as caught:
        from_stdin(zipped(TEXT))

    assert str(caught.value) == golden


def tar(data):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("rows.csv")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("compress", [bytes, *STREAMS.values()])
def test_a_tar_archive_is_refused_with_a_command_to_use(opened, compress, golden):
    with pytest.raises(SourceError) as caught:
        opened(compress(tar(TEXT)))

    assert str(caught.value) == golden


@pytest.mark.parametrize(
    "magic",
    [
        pytest.param(b"\x04\x22\x4d\x18", id="lz4"),
        pytest.param(b"\x1f\x9d\x90", id="compress"),
        pytest.param(b"7z\xbc\xaf\x27\x1c", id="7z"),
        pytest.param(b"Rar!\x1a\x07\x01\0", id="rar"),
        pytest.param(b"SQLite format 3\0", id="SQLite"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", id="old office"),
        pytest.param(b"Obj\x01", id="Avro"),
        pytest.param(b"ORC\x03", id="ORC"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="image"),
        pytest.param(b"\x7fELF\x02", id="program"),
        pytest.param(b"\x5d\x00\x00\x80\x00", id="lzma"),
        pytest.param(b"PARE\x15", id="encrypted Parquet"),
    ],
)
def test_unsupported_containers_are_refused_by_name(opened, magic, golden):
    with pytest.raises(SourceError) as caught:
        opened(magic + bytes(100))

    assert str(caught.value) == golden


def test_deflate_alone_is_no_container(opened):
    data = zlib.compress(b"x")

    assert rest_of(opened(data)) == (data, None)
