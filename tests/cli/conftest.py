import pytest

from miso_upload.sandbox import Sandbox

KEY = "key-that-must-not-be-seen"


@pytest.fixture
def sandbox():
    """Return a mock server that knows `KEY`."""
    with Sandbox(key=KEY) as running:
        yield running
