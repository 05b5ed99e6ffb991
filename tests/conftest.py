"""What several parts of the suite need: rows, and the program as a real process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from golden import without_what_varies
from hypothesis import HealthCheck, settings

from miso_upload.transform.mapping import Mapped

# How long an example takes depends on what else the machine does, and is no result of a test.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


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


@contextmanager
def started(command, **options):
    """Start a process that does not outlive the context, even if a test fails within it."""
    with subprocess.Popen([*map(str, command)], **options) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def run():
    """Run the program to its end in a process of its own."""

    def run_program(*args, **options):
        options.setdefault("timeout", 120)
        return subprocess.run(
            [sys.executable, "-m", "miso_upload", *map(str, args)],
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    return run_program


def last_line(text):
    """Return the last line: of a run that stops, why. What comes before it is a matter of time."""
    return text.splitlines()[-1]


def counts_in(summary):
    """Return the numbers of a summary's first line, in its order: rows read, accepted and so on.

    So a test can assert what was counted without the words around it.
    """
    line = summary.partition("\n")[0]
    return [int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*", line)]


def row(number, **changes):
    """Return a valid record that no other number has."""
    return {
        "type": "product_detail_page_view",
        "timestamp": f"2024-05-{number % 28 + 1:02}T10:00:00Z",
        "user_id": f"user-{number}",
        "product_ids": [f"sku-{number}"],
        **changes,
    }


def write_rows(path, rows):
    """Write rows as JSON Lines; text is written as it is."""
    lines = (each if isinstance(each, str) else json.dumps(each) for each in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def outcomes_of(mapped):
    """Return what `Mapper.map_row` would have returned of each row that was mapped with others."""
    return [
        mapped.not_mapped[i] if i in mapped.not_mapped else Mapped(record, derived)
        for i, (record, derived) in enumerate(zip(mapped.records, mapped.derived, strict=True))
    ]
