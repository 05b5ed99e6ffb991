"""Runs the README's terminal sessions, so that what it shows is what happens.

`python tests/readme_sessions.py` writes what they print into the README; the suite compares.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from miso_upload.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SESSION = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
_SHOWN_URL = "http://127.0.0.1:8642"
# What differs from run to run.
_VARIES = (
    (re.compile(r"((?<=127\.0\.0\.1:)|(?<=localhost:))\d+"), "8642"),
    (re.compile(r"\d+\.\d s\b"), "0.1 s"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "2026-11-24T10:00:00+00:00"),
)


def replayed(text: str) -> str:
    """Return the README with the output of each session as it is now."""
    with tempfile.TemporaryDirectory() as place, Sandbox(key="sandbox") as sandbox:
        shutil.copytree(ROOT / "sample_data", Path(place) / "sample_data")
        return SESSION.sub(lambda found: replay(found[0], Path(place), sandbox.url), text)


def replay(session: str, place: Path, url: str) -> str:
    """Return a session with the output that it has now, run in `place`."""
    commands = [line for line in session.splitlines() if line.startswith("$ ")]
    if commands == ["$ miso-upload history.jsonl"]:
        return session
    return "".join(f"{line}\n{_output(line[2:], place, url)}" for line in commands)


def _output(command: str, place: Path, url: str) -> str:
    program = f"{sys.executable} -m miso_upload"
    command = command.replace("miso-upload sandbox", "miso-upload sandbox --port 0")
    command = re.sub(r"\bmiso-upload(?= )", program, command).replace(_SHOWN_URL, url)
    environment = {
        **os.environ,
        "MISO_API_KEY": "sandbox",
        "MISO_UPLOAD_STATE_DIR": str(place / "state"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        command, shell=True, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    shown = (done.stderr + done.stdout).replace(url, _SHOWN_URL)
    shown = shown.replace(url.removeprefix("http://"), _SHOWN_URL.removeprefix("http://"))
    shown = shown.replace(str(place / "state"), "~/.local/state/miso-upload")
    for pattern, instead in _VARIES:
        shown = pattern.sub(instead, shown)
    return shown


if __name__ == "__main__":
    README.write_text(replayed(README.read_text(encoding="utf-8")), encoding="utf-8")
