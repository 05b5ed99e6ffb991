"""Signals at any time, streams that are closed or full, a terminal that goes away."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from miso_upload.sandbox import Faults
from tests.helpers.crashes import BAD, GOOD, ROWS
from tests.helpers.paths import ROOT
from tests.helpers.processes import COMMAND, started_program
from tests.helpers.rows import counts_in, last_line

if sys.platform == "win32":
    pytest.skip("signals and terminals are those of POSIX", allow_module_level=True)

import pty
import termios

STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

KNOCKS = """
import os, sys

class Knocks:
    def find_spec(self, name, *_):
        if name == os.environ["KNOCK_AT"]:
            os.kill(os.getpid(), int(os.environ["KNOCK_WITH"]))

sys.meta_path.insert(0, Knocks())
"""


LONG_RUN_WITH_SHORT_PATIENCE = """
from miso_upload.pipeline import loop
from miso_upload.report import text

text._LONG = 0.0
loop._SECONDS_TO_FINISH = 0.1
"""


@pytest.fixture
def environ(case, sandbox, monkeypatch):
    """Return the environment of a process of its own that uploads the history."""
    return {
        **os.environ,
        "MISO_API_KEY": sandbox.key,
        "MISO_UPLOAD_STATE_DIR": str(case.place / "state"),
    }


def arguments(case, sandbox, *options):
    options = ("--chunk-size", "3", "--concurrency", "1", "--max-reject-rate", "1", *options)
    return [str(case.history), "--server", sandbox.url, *options]


def command(case, sandbox, *options):
    return [*COMMAND, *arguments(case, sandbox, *options)]


@pytest.fixture
def start(case, sandbox, environ):
    """Start an upload, and come back when Miso has something to think about."""
    stack = ExitStack()

    def start_it(latency):
        sandbox.faults = Faults(latency=latency)
        process = stack.enter_context(
            started_program(
                *arguments(case, sandbox),
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        while not case.arrived():
            time.sleep(0.01)
        sandbox.faults = Faults()
        return process

    with stack:
        yield start_it


def finish(case):
    again = case.upload()
    assert again.code in (0, 1), again
    case.must_be_whole()


@pytest.mark.parametrize(
    ("module", "number"),
    [
        *(
            (module, signal.SIGINT)
            for module in (
                "miso_upload.cli",
                "click",
                "miso_upload.pipeline.run",
                "requests",
                "xxhash",
            )
        ),
        ("click", signal.SIGTERM),
        ("click", signal.SIGHUP),
    ],
)
def test_a_signal_during_start_up_ends_the_program_silently(
    module, number, case, sandbox, environ, tmp_path
):
    (tmp_path / "knocks").mkdir()
    (tmp_path / "knocks" / "sitecustomize.py").write_text(KNOCKS)
    environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(tmp_path / "knocks")))
    environ |= {"KNOCK_AT": module, "KNOCK_WITH": str(int(number))}

    done = subprocess.run(
        command(case, sandbox), env=environ, capture_output=True, timeout=60, check=False
    )

    # A shell shows it as 130, 143 or 129.
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")
    assert not (case.place / "state").exists()
    finish(case)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_lets_requests_in_flight_finish(number, case, start, golden):
    process = start(latency=0.5)

    process.send_signal(number)
    shown, said = process.communicate(timeout=20)

    assert process.returncode == 128 + number
    assert last_line(said) == golden
    assert "Traceback" not in said
    assert counts_in(shown)[-2:] == [0, 0]
    assert case.status()["duplicates"] == 0
    assert len(case.arrived()) == case.status()["accepted"] < len(GOOD)
    finish(case)
    assert max(case.arrived().values()) == 1


@pytest.mark.parametrize("number", STOPS)
def test_a_second_signal_ends_the_run_at_once(number, case, start, golden):
    process = start(latency=60)

    process.send_signal(number)
    assert process.stderr.readline() == golden
    assert process.stderr.readline() == golden
    process.send_signal(number)
    _, said = process.communicate(timeout=20)

    assert (process.returncode, said) == (128 + number, "")
    assert case.status()["unknown"] == 3
    finish(case)
    assert case.status()["duplicates"] == 3


def test_a_run_stopped_before_the_first_answer_writes_its_report(case, sandbox, environ, golden):
    sandbox.faults = Faults(latency=60)
    report = case.place / "report.json"
    with started_program(
        *arguments(case, sandbox, "--report", report),
        prelude=LONG_RUN_WITH_SHORT_PATIENCE,
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not case.arrived():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        shown, said = process.communicate(timeout=20)

    assert process.returncode == 143, said
    assert shown == golden
    written = json.loads(report.read_text())
    assert (written["exit_code"], written["requests"]) == (143, 0)
    assert written["seconds_per_request"] is None
    sandbox.faults = Faults()
    finish(case)


def test_a_signal_after_the_end_of_the_run_changes_nothing(case, golden):
    done = case.upload(
        step="miso_upload.cli.upload:conclude", count=1, moment="meddle",
        script="os.kill(os.getpid(), 2)",
    )  # fmt: skip

    assert done.code == -signal.SIGINT
    assert len(done.err.splitlines()) == 1
    assert done.err == golden
    case.must_be_whole()


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        (">&-", 1),
        ("2>&-", 1),
        ("<&- >&- 2>&-", 1),
        ("| true", 1),
        ("2>&1 | true", 1),
        ("2>/dev/full", 1),
        (">/dev/full", 3),
    ],
)
def test_a_closed_or_full_stream_changes_nothing_about_the_upload(
    streams, code, case, sandbox, environ, golden
):
    line = f"{shlex.join(map(str, command(case, sandbox, '--json')))} {streams}"
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    if code == 3:
        assert last_line(done.stderr) == golden
    case.must_be_whole()


@pytest.mark.parametrize("args", [["schema"], ["rejects", "history.jsonl"], ["--help"]])
def test_a_result_that_cannot_be_written_is_an_error(args, case, environ, golden):
    case.upload()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "miso_upload", *args], cwd=case.place, env=environ,
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.returncode == 3
    assert done.stderr == golden
    assert "Traceback" not in done.stderr


PROMPT = b": "
"""How a question ends, whatever its words are."""


class Terminal:
    """A terminal with the program in it."""

    def __init__(self, args, environ, *, ignore=()):
        self.pid, self.screen = pty.fork()
        if not self.pid:
            for number in ignore:
                signal.signal(number, signal.SIG_IGN)
            os.execve(sys.executable, [*map(str, args)], environ)

    def wait(self, *, seconds=60.0, meanwhile=lambda: None):
        """Return how the program ended; a program that does not end fails the test."""
        late = time.monotonic() + seconds
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            if time.monotonic() > late:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                pytest.fail(f"the program at the terminal did not end in {seconds:.0f} s")
            meanwhile()
            time.sleep(0.1)
        return os.waitstatus_to_exitcode(ended[1])

    def press(self, keys):
        """Return how the program ended at these keys, pressed again until it does.

        Python looks for signals before it waits for a line, not as it begins to: a Ctrl-C of
        that very moment is seen at the next key only.
        """
        return self.wait(meanwhile=lambda: os.write(self.screen, keys))

    def until(self, text, *, pressing=b"", seconds=60.0):
        """Return what the terminal shows, to this text; a text that does not come is a failure."""
        shown = b""
        late = time.monotonic() + seconds
        while not (shown.endswith(PROMPT) if text == PROMPT else text in shown):
            if time.monotonic() > late:
                pytest.fail(f"the terminal did not show {text!r} in {seconds:.0f} s")
            os.write(self.screen, pressing)
            # A key is pressed again only where nothing at all came of it.
            if select.select([self.screen], [], [], 2.0)[0]:
                pressing = b""
                shown += os.read(self.screen, 1_000)
        return shown

    def close(self):
        """Take the terminal away."""
        os.close(self.screen)


@pytest.mark.parametrize(("ignore", "code"), [((), 129), ((signal.SIGHUP,), 1)])
def test_a_closed_terminal(ignore, code, case, sandbox, environ):
    """It stops in good order, or goes on where SIGHUP is ignored, as under nohup."""
    sandbox.faults = Faults(latency=0.3)
    report = case.place / "report.json"
    terminal = Terminal(command(case, sandbox, "--report", report), environ, ignore=ignore)
    while not case.arrived():
        time.sleep(0.01)

    terminal.close()

    assert terminal.wait() == code
    assert json.loads(report.read_text())["exit_code"] == code
    assert case.status()["unknown"] == 0
    assert (case.status()["rows"] == ROWS) is (code == 1)
    sandbox.faults = Faults()
    finish(case)
    assert max(case.arrived().values()) == 1
    assert sorted(case.rejected_rows()) == list(BAD)


def test_ctrl_c_at_the_prompt_for_the_key_leaves_the_terminal_as_it_was(case, sandbox, environ):
    del environ["MISO_API_KEY"]
    terminal = Terminal(command(case, sandbox), environ)
    shown = terminal.until(PROMPT)
    while termios.tcgetattr(terminal.screen)[3] & termios.ECHO:
        time.sleep(0.01)

    shown += terminal.until(b"miso-upload: ", pressing=b"\x03")

    assert termios.tcgetattr(terminal.screen)[3] & termios.ECHO
    assert terminal.wait() == 130
    assert b"Traceback" not in shown
    terminal.close()


@pytest.fixture
def asked(case, sandbox, environ):
    """Return a terminal at which a run asks about a new key, and what it shows until then."""
    case.rows(4)
    case.upload()
    case.rows(ROWS)
    environ["MISO_API_KEY"] = "a-new-key"
    sandbox._endpoint._key = b"a-new-key"
    terminal = Terminal(command(case, sandbox), environ)
    yield terminal, terminal.until(PROMPT)
    terminal.close()


def test_a_new_key_is_asked_about_at_a_terminal(asked, case):
    terminal, shown = asked
    (name,) = set(re.findall(rb"key-[0-9a-f]{12}", shown))

    os.write(terminal.screen, name + b"\n")
    terminal.until(f"{ROWS} ".encode())

    assert terminal.wait() == 1
    assert set(case.arrived()) == set(GOOD)
    assert max(case.arrived().values()) == 1


def test_a_new_target_name_is_confirmed_at_a_terminal(asked, case):
    terminal, _ = asked

    os.write(terminal.screen, b"staging\n")
    assert b"staging" in terminal.until(PROMPT)
    os.write(terminal.screen, b"no\n")

    assert b"Traceback" not in terminal.until(b"--new-target NAME")
    assert terminal.wait() == 2


@pytest.mark.parametrize(("keys", "code"), [(b"\n", 2), (b"\x03", 130)])
def test_a_question_about_a_new_key_can_be_cancelled(asked, case, keys, code):
    terminal, _ = asked

    assert terminal.press(keys) == code
    assert max(case.arrived().values()) == 1
