"""The page on nightly runs shows the files that are beside it, and their commands run."""

import re
import subprocess
import sys
from collections import Counter
from configparser import RawConfigParser

import pytest
from conftest import ROOT, row, write_rows

from miso_upload.sandbox import Sandbox

PAGE = (ROOT / "docs" / "cron.md").read_text(encoding="utf-8")
FILES = ROOT / "docs" / "cron"
NAMES = ["crontab", "miso-upload.service", "miso-upload.timer", "logrotate"]
UNITS = [name for name in NAMES if name.startswith("miso-upload")]
CODES = re.compile(r"^\| ([0-9, ]+) \|", re.MULTILINE)


def command_of(name):
    """Return the command line that cron or systemd runs."""
    text = (FILES / name).read_text()
    if name == "crontab":
        (line,) = re.findall(r"^[0-9* ]+ (miso-upload .*)$", text, re.MULTILINE)
        return line
    (line,) = re.findall(r"^ExecStart=\S+/(miso-upload .*)$", text, re.MULTILINE)
    return line


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_file_as_it_is(name):
    blocks = re.findall(r"```\w*\n(.*?)```", PAGE, re.DOTALL)
    shown = [block.removeprefix(f"# {name}\n") for block in blocks]

    assert (FILES / name).read_text(encoding="utf-8") in shown


@pytest.mark.parametrize("name", UNITS)
def test_units_have_known_sections_and_no_line_twice(name):
    unit = RawConfigParser(delimiters="=", strict=True)
    unit.read(FILES / name)

    assert set(unit.sections()) <= {"Unit", "Service", "Timer", "Install"}


@pytest.mark.skipif(sys.platform == "win32", reason="it has neither cron nor systemd")
@pytest.mark.parametrize("name", ["crontab", "miso-upload.service"])
def test_the_command_sends_each_row_once_and_says_nothing(tmp_path, name):
    logs = tmp_path / "var" / "log" / "shop"
    write_rows(logs / "access.log", map(row, range(1, 30)))
    key = tmp_path / "etc" / "miso-upload" / "key"
    state = tmp_path / "var" / "lib" / "miso-upload"
    for directory in (key.parent, state):
        directory.mkdir(parents=True)
    command = re.sub(r"(?<![\w}])/(?=var|etc)", f"{tmp_path}/", command_of(name))
    command = command.replace("miso-upload", f"{sys.executable} -m miso_upload", 1)
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        key.write_text(sandbox.key)
        (key.parent / "miso-key").write_text(sandbox.key)
        # No more than cron and systemd give.
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "MISO_UPLOAD_STATE_DIR": str(state),
            "MISO_UPLOAD_SERVER": sandbox.url,
            "STATE_DIRECTORY": str(state),
            "CREDENTIALS_DIRECTORY": str(key.parent),
        }
        for count in (29, 40):
            write_rows(logs / "access.log", map(row, range(1, count + 1)))
            done = subprocess.run(
                ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True,
                check=False, cwd="/", timeout=120,
            )  # fmt: skip
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        arrived = Counter(record["user_id"] for record in sandbox.records())

    assert arrived == Counter(f"user-{number}" for number in range(1, 41))
    assert (state / "report.json").exists()


def test_the_page_says_what_to_do_about_each_exit_code():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exit codes")[2]

    here = CODES.findall(PAGE.partition("## What each exit code means")[2])
    assert here == CODES.findall(readme)[: len(here)]
    assert here[-1] == "129, 130, 143"
