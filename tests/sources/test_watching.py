import gzip
import os

import pytest

from miso_upload.errors import ChangedSourceError
from miso_upload.sources.stream import READ_BYTES, ByteStream

SIZE = 3 * READ_BYTES


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "input"
    file.write_bytes(b"old\n" * (SIZE // 4))
    return file


@pytest.fixture
def started(path):
    """Return an input whose first part was read."""
    stream = ByteStream(str(path))
    stream.read()
    yield stream
    stream.close()


def read_on(stream):
    while stream.read():
        pass


@pytest.mark.parametrize("size", [0, 4, READ_BYTES - 1])
def test_a_file_truncated_before_the_read_position_is_detected(path, started, size, golden):
    os.truncate(path, size)

    with pytest.raises(ChangedSourceError) as caught:
        read_on(started)

    assert str(caught.value) == golden
    with pytest.raises(ChangedSourceError):
        started.read()


def test_a_file_truncated_after_the_read_position_is_read_to_its_end(path, started):
    os.truncate(path, SIZE - 4)

    read_on(started)

    assert started.position == SIZE - 4
    assert started.grew
    assert started.what_happened() is None


@pytest.mark.parametrize("offset", [0, READ_BYTES - 4])
def test_overwritten_bytes_before_the_read_position_are_detected(path, started, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"new\n")

    with pytest.raises(ChangedSourceError):
        read_on(started)


def test_a_file_rewritten_with_the_same_bytes_is_unchanged(path, started):
    data = path.read_bytes()
    path.write_bytes(data)

    read_on(started)

    assert started.position == SIZE


def test_rows_appended_during_the_read_are_read(path, started):
    with path.open("ab") as file:
        file.write(b"more\n")

    read_on(started)

    assert started.position == SIZE + 5
    assert started.grew
    assert started.what_happened() is None


def test_an_unmodified_file_has_no_note(started):
    read_on(started)

    assert not started.grew
    assert started.what_happened() is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.unlink(), id="removed"),
        pytest.param(lambda path: path.with_name("other").replace(path), id="replaced"),
        pytest.param(lambda path: os.utime(path, (1, 1)), id="written"),
        pytest.param(lambda path: os.truncate(path, 8), id="cut"),
    ],
)
def test_what_happened_to_a_file_is_reported(path, started, change, golden):
    path.with_name("other").write_bytes(b"")
    read_on(started)

    change(path)

    assert started.what_happened() == golden


def test_seeking_back_in_a_replaced_file_is_refused(tmp_path, golden):
    path = tmp_path / "input.gz"
    path.write_bytes(gzip.compress(b"old\n" * 100))
    stream = ByteStream(str(path))
    read_on(stream)
    path.with_name("new").write_bytes(gzip.compress(b"new\n" * 100))
    path.with_name("new").replace(path)

    with pytest.raises(ChangedSourceError) as caught:
        stream.seek(0)

    assert str(caught.value) == golden
    stream.close()


def test_of_a_pipe_nothing_is_told():
    read, write = os.pipe()
    os.write(write, b"a\n")
    os.close(write)
    stream = ByteStream(f"/dev/fd/{read}")

    read_on(stream)

    assert stream.what_happened() is None
    assert not stream.grew
    stream.close()
    os.close(read)
