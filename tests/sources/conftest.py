import pytest

from miso_upload.sources.stream import ByteStream


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a stream over bytes in a file."""
    streams = []

    def open_file(data, encoding=None, name="input"):
        (tmp_path / name).write_bytes(data)
        streams.append(ByteStream(str(tmp_path / name), encoding))
        return streams[-1]

    yield open_file
    for stream in streams:
        stream.close()


@pytest.fixture(scope="session")
def _store():
    pytest.importorskip("moto")
    from tests.helpers.remote_servers import s3_server

    with s3_server() as bucket:
        yield bucket


@pytest.fixture
def s3(_store, monkeypatch):
    """Return a bucket of an S3 server; its credentials are in the environment."""
    for name, value in _store.environment.items():
        monkeypatch.setenv(name, value)
    return _store


@pytest.fixture
def web():
    """Return the address of a web server, and the pages that it serves."""
    from tests.helpers.remote_servers import web_server

    with web_server() as served:
        yield served
