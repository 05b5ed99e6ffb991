"""Without the extra, what needs the sandbox says what to install; all else works without it."""

import os
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.rows import row, write_rows


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the program where neither starlette nor uvicorn is installed."""
    for name in ("starlette", "uvicorn"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    write_rows(tmp_path / "history.jsonl", [row(1)])

    def run(*args):
        return subprocess.run(
            [sys.executable, "-m", "miso_upload", *args],
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("args", [["history.jsonl", "--sandbox"], ["sandbox"]])
def test_without_the_extra_the_message_says_what_to_install(run, args):
    done = run(*args)

    assert done.returncode == 2
    assert "pip install 'miso-upload[sandbox]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_needs_no_extra(run):
    assert run("history.jsonl", "--dry-run").returncode == 0
