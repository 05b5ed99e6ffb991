import pytest

from miso_upload.sources.stream import ByteStream


@pytest.fixture
def opened(tmp_path):
    """Open a stream over bytes in a file."""
    streams = []

    def open_file(data, encoding=None, name="input"):
        (tmp_path / name).write_bytes(data)
        streams.append(ByteStream(str(tmp_path / name), encoding))
        return streams[-1]

    yield open_file
    for stream in streams:
        stream.close()
