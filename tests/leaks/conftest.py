import pytest

from tests.helpers.servers import Server
from tests.helpers.traces import Stage


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.fixture
def server():
    with Server().running() as running:
        yield running
