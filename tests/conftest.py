"""Fixtures that several parts of the suite need."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.helpers")

from tests.helpers.golden import without_what_varies  # noqa: E402 -- registered above
from tests.helpers.paths import ROOT, SHARED_DATA  # noqa: E402 -- registered above
from tests.helpers.processes import run_program  # noqa: E402 -- registered above

# How long an example takes depends on what else the machine does, and is no result of a test.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_configure():
    """Hear Ctrl-C in what tests start, also where the suite itself runs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_options_from_outside(monkeypatch, tmp_path):
    """Keep what the developer's environment says about uploads, and their ledgers, out of tests."""
    for name in list(os.environ):
        if name.startswith("MISO_") and name != "MISO_UPLOAD_CLIENTS_PYTHON":
            monkeypatch.delenv(name)
    monkeypatch.setenv("MISO_UPLOAD_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def golden(snapshot, tmp_path, tmp_path_factory):
    """Return what the golden file of a test has: `assert done.stderr == golden`.

    `make golden` writes the files. A text is compared without what varies, as `golden.py` lists it.
    """
    directories = [(tmp_path, "TMP"), (tmp_path_factory.getbasetemp(), "TMP"), (ROOT, "ROOT")]

    def comparable(*, data, path):
        return without_what_varies(data, directories) if isinstance(data, str) else data

    return snapshot.with_defaults(matcher=comparable)


@pytest.fixture
def shared_data():
    """Real files of other people, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real files are not here: ../shared/data is absent")
    return SHARED_DATA


@pytest.fixture
def run():
    """Run the program to its end in a process of its own."""
    return run_program
