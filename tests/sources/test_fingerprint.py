"""What an input is found again by, and what proves that it is unchanged."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.ledger.migration import old_digest
from miso_upload.sources import Source
from miso_upload.sources.fingerprint import head_checksum, stamp_of, still_has
from miso_upload.values.hashing import checksum
from tests.helpers.reading import options

ROWS = b"".join(b'{"row":%d}\n' % number for number in range(20_000))
SECOND = 10**9


def identity_of(path, data):
    path.write_bytes(data)
    with Source(str(path), options()) as source:
        return source.identity


def aged(path, seconds=10):
    """Return a moment at which the file was not written to for so long, in nanoseconds."""
    found = path.stat()
    return max(found.st_mtime_ns, found.st_ctime_ns) + seconds * SECOND


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(ROWS)
    return path


# -- checksums -------------------------------------------------------------------------------------


def test_a_checksum_is_short_and_tells_data_apart():
    assert len(checksum(b"a")) == 16
    assert checksum(b"a") != checksum(b"b")


def test_checksums_of_version_0_1_are_another_function():
    assert len(old_digest(b"a")) == 16
    assert old_digest(b"a") != checksum(b"a")


# -- the beginning ---------------------------------------------------------------------------------


@given(data=st.binary(max_size=4095))
def test_too_short_a_beginning_has_no_checksum(data):
    assert head_checksum(data) is None


@given(more=st.binary(max_size=100))
def test_only_the_first_4096_bytes_of_a_beginning_count(more):
    data = ROWS[:4096]

    assert head_checksum(data + more) == head_checksum(data) == checksum(data)


def test_a_file_is_looked_for_by_the_same_beginning_however_it_is_stored(tmp_path):
    plain = identity_of(tmp_path / "access.jsonl", ROWS)
    packed = identity_of(tmp_path / "access.jsonl.1.gz", gzip.compress(ROWS))
    utf_16 = identity_of(tmp_path / "b.jsonl", ROWS.decode().encode("utf-16"))

    assert plain.head == packed.head == utf_16.head == checksum(ROWS[:4096])


def test_a_file_that_has_grown_is_looked_for_by_the_same_beginning(tmp_path):
    before = identity_of(tmp_path / "a.jsonl", ROWS[:5000])
    now = identity_of(tmp_path / "a.jsonl", ROWS)

    assert (now.head, now.key, now.stamp.file) == (before.head, before.key, before.stamp.file)


def test_a_preamble_is_what_stands_before_the_first_row(tmp_path):
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


def test_a_file_that_nobody_touches_keeps_its_stamp(file):
    assert stamp_of(file.stat(), aged(file)) == stamp_of(file.stat(), aged(file, 100))


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_a_file_written_to_within_two_seconds_has_no_state_to_trust(file, seconds):
    stamp = stamp_of(file.stat(), aged(file, seconds))

    assert stamp.state is None
    assert stamp.file == stamp_of(file.stat(), aged(file)).file


def test_a_file_from_the_future_has_no_state_to_trust(file):
    assert stamp_of(file.stat(), aged(file, -100)).state is None


def test_a_file_whose_inode_changed_within_two_seconds_has_no_state_to_trust(file):
    """Whoever restores its time of writing changes that of its inode."""
    os.utime(file, (1_600_000_000, 1_600_000_000))

    assert stamp_of(file.stat(), file.stat().st_ctime_ns + SECOND).state is None


def test_another_size_or_time_is_another_state(file):
    now = aged(file, 1000)
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


# -- whether a file is still where it was ----------------------------------------------------------


def test_a_file_that_has_grown_is_still_there(file):
    stamp = stamp_of(file.stat(), aged(file))
    with file.open("ab") as end:
        end.write(b"{}\n")

    assert still_has(str(file), stamp)


@pytest.mark.parametrize("how", ["gone", "renamed", "replaced", "shorter"])
def test_a_file_that_is_gone_or_shorter_is_not_still_there(file, how):
    stamp = stamp_of(file.stat(), aged(file))
    if how == "gone":
        file.unlink()
    elif how == "shorter":
        os.truncate(file, 10)
    else:
        file.rename(file.with_name("other"))
        if how == "replaced":
            file.write_bytes(ROWS)

    assert not still_has(str(file), stamp)


def test_what_is_no_path_is_not_there(file):
    stamp = stamp_of(file.stat())

    assert not still_has("https://example.com/a.jsonl", stamp)
    assert not still_has("a\0b", stamp)
