import pytest

from miso_upload.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _real_sockets(socket_enabled, monkeypatch):
    """The sandbox is talked to over a real socket, also where the rest of the suite may not."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox
