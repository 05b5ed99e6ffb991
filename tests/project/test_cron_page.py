"""The page on nightly runs shows the files that are beside it, and their commands run."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from configparser import RawConfigParser

import pytest

from miso_upload.sandbox import Sandbox
from tests.helpers.paths import ROOT
from tests.helpers.processes import shell_command

PAGE = (ROOT / "docs" / "cron.md").read_text(encoding="utf-8")
FILES = ROOT / "docs" / "cron"
NAMES = ["crontab", "miso-upload.service", "miso-upload.timer", "logrotate", "shop.toml"]
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


class Machine:
    """A machine below a directory: its logs, key and state, and what cron and systemd give."""

    def __init__(self, place, sandbox):
        self.place, self.sandbox = place, sandbox
        self.logs = place / "var" / "log" / "shop"
        self.key = place / "etc" / "miso-upload" / "key"
        self.state = place / "var" / "lib" / "miso-upload"
        for directory in (self.key.parent, self.state):
            directory.mkdir(parents=True)
        self.logs.mkdir(parents=True)
        self.use_key(sandbox.key)
        shutil.copyfile(FILES / "shop.toml", self.key.parent / "shop.toml")

    def use_key(self, key):
        """Let the service and the server have this key."""
        self.sandbox._endpoint._key = key.encode()
        self.key.write_text(key)
        (self.key.parent / "miso-key").write_text(key)

    def rows(self, last, first=1):
        """Let the log have the visits from `first` to `last`."""
        lines = map(visit, range(first, last + 1))
        (self.logs / "access.log").write_text("".join(lines), encoding="utf-8")

    def run(self, command):
        """Run a command line by a shell with no more than cron and systemd give."""
        command = re.sub(r"(?<![\w}])/(?=var|etc)", f"{self.place}/", command)
        command = command.replace("miso-upload", shell_command(), 1)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.place),
            "PYTHONPATH": str(ROOT),
            "MISO_UPLOAD_STATE_DIR": str(self.state),
            "MISO_UPLOAD_SERVER": self.sandbox.url,
            "STATE_DIRECTORY": str(self.state),
            "CREDENTIALS_DIRECTORY": str(self.key.parent),
        }
        return subprocess.run(
            ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True,
            check=False, cwd="/", timeout=120,
        )  # fmt: skip

    def arrived(self):
        """Return how often each visit is at the server."""
        return Counter(record["product_ids"][0] for record in self.sandbox.records())


@pytest.fixture
def machine(tmp_path):
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        yield Machine(tmp_path, sandbox)


def visit(number):
    """Return a line of a log in the combined format."""
    minutes, seconds = divmod(number, 60)
    return (
        f"192.0.2.7 - - [02/Mar/2026:10:{minutes:02}:{seconds:02} +0000] "
        f'"GET /products/sku-{number} HTTP/1.1" 200 2326 "-" "Browser/1.0"\n'
    )


def advice_of(heading):
    """Return the command lines in a section of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^    (miso-upload .*)$", section, re.MULTILINE)


def said(done):
    """Return the exit code of a command, and all that it said."""
    return done.returncode, done.stdout, done.stderr


needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="it has neither cron nor systemd")


@needs_shell
@pytest.mark.parametrize("name", ["crontab", "miso-upload.service"])
def test_the_command_sends_each_row_once_and_says_nothing(machine, name):
    for count in (29, 40):
        machine.rows(count)
        assert said(machine.run(command_of(name))) == (0, "", "")

    assert machine.arrived() == Counter(f"sku-{number}" for number in range(1, 41))
    assert (machine.state / "report.json").exists()


@needs_shell
@pytest.mark.parametrize("name", ["crontab", "miso-upload.service"])
def test_the_advice_about_a_new_key_works(machine, name):
    advice, _ = advice_of("A new key")
    machine.rows(29)
    assert said(machine.run(command_of(name))) == (0, "", "")
    machine.use_key("the-key-after-the-rotation")
    machine.rows(35)

    stopped = machine.run(command_of(name))
    assert stopped.returncode == 2
    assert "--target production" in stopped.stderr
    assert "--rotated-key" in stopped.stderr
    assert machine.run(advice).returncode == 0
    machine.rows(40)
    assert said(machine.run(command_of(name))) == (0, "", "")

    assert machine.arrived() == Counter(f"sku-{number}" for number in range(1, 41))


@needs_shell
def test_a_second_job_for_another_environment_may_keep_its_line(machine):
    _, second = advice_of("A new key")
    machine.rows(29)
    assert said(machine.run(command_of("crontab"))) == (0, "", "")
    machine.use_key("the-key-of-staging")
    (machine.key.parent / "staging-key").write_text("the-key-of-staging")

    assert machine.run(second).returncode == 0
    machine.rows(40)
    assert said(machine.run(second)) == (0, "", "")

    twice, once = range(1, 30), range(30, 41)
    assert machine.arrived() == Counter(f"sku-{number}" for number in (*twice, *twice, *once))


@needs_shell
def test_the_advice_about_an_edited_mapping_works(machine):
    (advice,) = advice_of("Editing the mapping")
    nightly, edit = command_of("crontab"), " --set duration=3"
    machine.rows(29)
    machine.run(nightly)
    machine.rows(35)

    stopped = machine.run(nightly + edit)
    assert stopped.returncode == 2
    assert "--changed-mapping continue" in stopped.stderr
    assert machine.run(advice + edit).returncode == 0
    machine.rows(40)
    assert said(machine.run(nightly + edit)) == (0, "", "")

    assert machine.arrived() == Counter(f"sku-{number}" for number in range(1, 41))
    assert sum("duration" in record for record in machine.sandbox.records()) == 11


@needs_shell
def test_a_cart_that_is_filled_by_post_is_kept(machine):
    post = visit(1).replace("GET /products/", "POST /cart/add/").replace(" 200 ", " 302 ")
    lines = [post, visit(2), visit(3).replace("GET", "HEAD"), visit(4).replace(" 200 ", " 404 ")]
    (machine.logs / "access.log").write_text("".join(lines), encoding="utf-8")

    assert said(machine.run(command_of("crontab"))) == (0, "", "")

    types = {record["product_ids"][0]: record["type"] for record in machine.sandbox.records()}
    assert types == {"sku-1": "add_to_cart", "sku-2": "product_detail_page_view"}


@needs_shell
def test_a_route_for_pages_that_were_skipped_stops_the_run_until_it_is_decided(machine):
    mapping, log = machine.key.parent / "shop.toml", machine.logs / "access.log"
    skipped = "".join(map(visit, range(11, 21))).replace("/products/", "/articles/")
    log.write_text("".join(map(visit, range(1, 11))) + skipped, encoding="utf-8")
    machine.run(command_of("crontab"))
    route = '[[routes]]\nmatch = "/articles/{product_ids}"\ntype = "read"\n\n'
    mapping.write_text(route + mapping.read_text(encoding="utf-8"), encoding="utf-8")

    stopped = machine.run(command_of("crontab"))
    decided = machine.run(command_of("crontab") + " --changed-mapping send")

    assert [each.returncode for each in (stopped, decided)] == [2, 0]
    assert machine.arrived() == Counter(f"sku-{number}" for number in range(1, 21))


@needs_shell
def test_a_rolling_export_is_sent_once_in_silence(machine):
    for first in (1, 11, 21):
        machine.rows(first + 19, first)
        assert said(machine.run(command_of("crontab"))) == (0, "", "")

    assert machine.arrived() == Counter(f"sku-{number}" for number in range(1, 41))


@needs_shell
def test_the_advice_about_another_machine_works(machine):
    out, back = advice_of("Another machine, and backups")
    machine.rows(29)
    machine.run(command_of("crontab"))

    assert machine.run(out).returncode == 0
    for path in (*machine.state.glob("*.ledger"), machine.state / "content.key"):
        path.unlink()
    assert machine.run(back).returncode == 0
    machine.rows(40)
    assert said(machine.run(command_of("crontab"))) == (0, "", "")

    assert machine.arrived() == Counter(f"sku-{number}" for number in range(1, 41))


def test_the_mapping_is_the_one_of_the_tutorial():
    tutorial = (ROOT / "docs" / "tutorials" / "web-logs-nightly.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\w+(?: [^\n]*)?\n(.*?)```", tutorial, re.DOTALL)

    assert (FILES / "shop.toml").read_text(encoding="utf-8") in blocks
    assert (FILES / "crontab").read_text(encoding="utf-8") in blocks


def test_the_page_says_what_to_do_about_each_exit_code():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exit codes")[2]

    here = CODES.findall(PAGE.partition("## What each exit code means")[2])
    assert here == CODES.findall(readme)[: len(here)]
    assert here[-1] == "129, 130, 143"
