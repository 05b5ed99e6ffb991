"""Checksums and stamps recognise an input and prove that it is unchanged."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.ledger.migration import old_digest
from miso_upload.sources import Source
from miso_upload.sources.checksums import head_checksum, stamp_of, still_has
from miso_upload.values.hashing import checksum
from tests.helpers.reading import options

ROWS = b"".join(b'{"row":%d}\n' % number for number in range(20_000))
SECOND = 10**9


def identity_of(path, data):
    path.write_bytes(data)
    with Source(str(path), options()) as source:
        return source.identity


def settled_time(path, seconds=10):
    """Return a time in nanoseconds at which the file has been unmodified for this long."""
    found = path.stat()
    return max(found.st_mtime_ns, found.st_ctime_ns) + seconds * SECOND


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(ROWS)
    return path


# -- checksums -------------------------------------------------------------------------------------


def test_a_checksum_is_short_and_differs_for_different_data():
    assert len(checksum(b"a")) == 16
    assert checksum(b"a") != checksum(b"b")


def test_version_0_1_used_another_checksum_function():
    assert len(old_digest(b"a")) == 16
    assert old_digest(b"a") != checksum(b"a")


# -- the beginning ---------------------------------------------------------------------------------


@given(data=st.binary(max_size=4095))
def test_a_short_beginning_has_no_checksum(data):
    assert head_checksum(data) is None


@given(more=st.binary(max_size=100))
def test_only_the_first_4096_bytes_of_a_beginning_count(more):
    data = ROWS[:4096]

    assert head_checksum(data + more) == head_checksum(data) == checksum(data)


def test_a_head_checksum_does_not_depend_on_compression_or_encoding(tmp_path):
    plain = identity_of(tmp_path / "access.jsonl", ROWS)
    compressed = identity_of(tmp_path / "access.jsonl.1.gz", gzip.compress(ROWS))
    utf_16 = identity_of(tmp_path / "b.jsonl", ROWS.decode().encode("utf-16"))

    assert plain.head == compressed.head == utf_16.head == checksum(ROWS[:4096])


def test_a_file_that_has_grown_keeps_its_head_checksum(tmp_path):
    before = identity_of(tmp_path / "a.jsonl", ROWS[:5000])
    now = identity_of(tmp_path / "a.jsonl", ROWS)

    assert (now.head, now.key, now.stamp.file) == (before.head, before.key, before.stamp.file)


def test_the_preamble_is_the_text_before_the_first_row(tmp_path):
    table = identity_of(tmp_path / "a.csv", b"a,b\n1,2\n")
    lines = identity_of(tmp_path / "a.jsonl", ROWS)

    assert table.preamble == checksum(b"a,b\n")
    assert lines.preamble == checksum(b"")


def test_the_key_of_a_file_is_its_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(ROWS)

    with Source("a.jsonl", options()) as source:
        assert source.identity.key == str(tmp_path / "a.jsonl")


# -- stamps ----------------------------------------------------------------------------------------


def test_an_unmodified_file_keeps_its_stamp(file):
    assert stamp_of(file.stat(), settled_time(file)) == stamp_of(
        file.stat(), settled_time(file, 100)
    )


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_a_file_modified_within_two_seconds_has_no_trusted_state(file, seconds):
    stamp = stamp_of(file.stat(), settled_time(file, seconds))

    assert stamp.state is None
    assert stamp.file == stamp_of(file.stat(), settled_time(file)).file


def test_a_file_from_the_future_has_no_trusted_state(file):
    assert stamp_of(file.stat(), settled_time(file, -100)).state is None


def test_a_file_whose_inode_changed_within_two_seconds_has_no_trusted_state(file):
    """Restoring the modification time changes the time of the inode."""
    os.utime(file, (1_600_000_000, 1_600_000_000))

    assert stamp_of(file.stat(), file.stat().st_ctime_ns + SECOND).state is None


def test_another_size_or_modification_time_is_another_state(file):
    now = settled_time(file, 1000)
    before = stamp_of(file.stat(), now)
    file.write_bytes(ROWS + b"{}\n")
    longer = stamp_of(file.stat(), now)
    os.utime(file, (1_600_000_000, 1_600_000_000))
    older = stamp_of(file.stat(), now)

    assert len({before.state, longer.state, older.state}) == 3
    assert before.file == longer.file == older.file


def test_another_file_at_the_same_path_has_another_stamp(file):
    before = stamp_of(file.stat())
    kept = file.rename(file.with_name("kept"))
    file.write_bytes(ROWS)

    assert stamp_of(file.stat()).file != before.file == stamp_of(kept.stat()).file


def test_a_pipe_has_no_stamp(tmp_path, monkeypatch):
    read_end, write_end = os.pipe()
    os.write(write_end, b"{}\n")
    os.close(write_end)
    with os.fdopen(read_end) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with Source("-", options()) as source:
            assert source.identity.stamp is None


# -- whether a path still names the file -----------------------------------------------------------


def test_a_file_that_has_grown_is_the_same_file(file):
    stamp = stamp_of(file.stat(), settled_time(file))
    with file.open("ab") as end:
        end.write(b"{}\n")

    assert still_has(str(file), stamp)


@pytest.mark.parametrize("how", ["gone", "renamed", "replaced", "shorter"])
def test_a_removed_or_shorter_file_is_not_the_same_file(file, how):
    stamp = stamp_of(file.stat(), settled_time(file))
    if how == "gone":
        file.unlink()
    elif how == "shorter":
        os.truncate(file, 10)
    else:
        file.rename(file.with_name("other"))
        if how == "replaced":
            file.write_bytes(ROWS)

    assert not still_has(str(file), stamp)


def test_an_invalid_path_is_not_the_same_file(file):
    stamp = stamp_of(file.stat())

    assert not still_has("https://example.com/a.jsonl", stamp)
    assert not still_has("a\0b", stamp)
