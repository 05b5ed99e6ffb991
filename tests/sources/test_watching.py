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
def begun(path):
    """The input, of which the first part was read."""
    stream = ByteStream(str(path))
    stream.read()
    yield stream
    stream.close()


def read_on(stream):
    while stream.read():
        pass


@pytest.mark.parametrize("size", [0, 4, READ_BYTES - 1])
def test_a_file_that_is_cut_before_where_it_is_read_is_noticed(path, begun, size, golden):
    os.truncate(path, size)

    with pytest.raises(ChangedSourceError) as caught:
        read_on(begun)

    assert str(caught.value) == golden
    with pytest.raises(ChangedSourceError):
        begun.read()


def test_a_file_that_is_cut_behind_where_it_is_read_is_read_to_its_end(path, begun):
    os.truncate(path, SIZE - 4)

    read_on(begun)

    assert begun.position == SIZE - 4
    assert begun.grew
    assert begun.what_happened() is None


@pytest.mark.parametrize("place", [0, READ_BYTES - 4])
def test_a_file_that_is_written_over_where_it_was_read_is_noticed(path, begun, place):
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"new\n")

    with pytest.raises(ChangedSourceError):
        read_on(begun)


def test_what_is_rewritten_with_the_same_is_the_same(path, begun):
    data = path.read_bytes()
    path.write_bytes(data)

    read_on(begun)

    assert begun.position == SIZE


def test_what_is_added_while_it_is_read_is_read(path, begun):
    with path.open("ab") as file:
        file.write(b"more\n")

    read_on(begun)

    assert begun.position == SIZE + 5
    assert begun.grew
    assert begun.what_happened() is None


def test_a_file_that_nobody_touches_has_nothing_befallen(begun):
    read_on(begun)

    assert not begun.grew
    assert begun.what_happened() is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.unlink(), id="removed"),
        pytest.param(lambda path: path.with_name("other").replace(path), id="replaced"),
        pytest.param(lambda path: os.utime(path, (1, 1)), id="written"),
        pytest.param(lambda path: os.truncate(path, 8), id="cut"),
    ],
)
def test_what_happened_to_a_file_is_reported(path, begun, change, golden):
    path.with_name("other").write_bytes(b"")
    read_on(begun)

    change(path)

    assert begun.what_happened() == golden


def test_another_file_under_the_name_is_not_gone_back_in(tmp_path, golden):
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
