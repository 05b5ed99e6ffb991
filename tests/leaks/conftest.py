import pytest

from leaks.servers import Server
from leaks.traces import Stage


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.fixture
def server():
    with Server().running() as running:
        yield running
