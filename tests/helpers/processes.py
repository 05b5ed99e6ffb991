"""The program in processes of its own: run to its end, or started and watched."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.helpers.paths import ROOT

COMMAND = (sys.executable, "-m", "miso_upload")
# Elsewhere, libraries of the system may not survive a fork: only runs that die need one there.
FORKS = sys.platform == "linux"
DIES = {"step", "prelude", "most_bytes"}


def _at_start(environment):
    """Return the variables that Python reads once, as it starts."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(("PYTHON", "LC_", "LANG", "LD_", "MALLOC_"))
    }


_OF_SERVER = _at_start(os.environ)


@contextmanager
def started(command, **options):
    """Start a process that does not outlive the context, even if a test fails within it."""
    with subprocess.Popen([*map(str, command)], **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def started_program(*args, **options):
    """Start the program; it does not outlive the context."""
    with start_program(*args, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def start_program(*args, **options):
    """Start the program, and return a process with the methods of `subprocess.Popen`.

    Where possible it is a fork of one that has loaded the program already; see `fork_server.py`.

    Args:
        *args: Arguments of the program.
        **options: `cwd`, `env`, `stdin`, `stdout`, `stderr`, `text`, as for `subprocess.Popen`,
            and what `fork_server.py` knows of a run that dies.
    """
    env = options.get("env") or os.environ
    if (FORKS or DIES & set(options)) and _at_start(env) == _OF_SERVER:
        return ForkedProgram([*map(str, args)], **options)
    return subprocess.Popen([*COMMAND, *map(str, args)], **options)


def run_program(*args, input=None, timeout=120, **options):  # noqa: A002 -- as `subprocess.run`
    """Run the program to its end, and return what `subprocess.run` returns, as text."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with started_program(*args, **options) as process:
        out, err = process.communicate(input, timeout=timeout)
    return subprocess.CompletedProcess([*COMMAND, *args], process.returncode, out, err)


class ForkServer:
    """The process that has loaded the program."""

    def __init__(self):
        self._folder = tempfile.mkdtemp(prefix="fork-")
        self.address = str(Path(self._folder) / "socket")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.fork_server", self.address],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the fork server does not start")

    def close(self):
        """End it."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)


def shell_command():
    """Return what starts the program in a command line, as quickly as it can be."""
    if not FORKS:
        return shlex.join(COMMAND)
    script = Path(__file__).with_name("quick_program.py")
    return shlex.join([sys.executable, "-IS", str(script), fork_server().address])


@functools.cache
def fork_server():
    """Return the fork server of this process, which ends with it."""
    server = ForkServer()
    atexit.register(server.close)
    return server


class ForkedProgram:
    """A run of the program, with the part of `subprocess.Popen` that tests use."""

    def __init__(  # noqa: PLR0913 -- those of Popen
        self, args, *, cwd=None, env=None, stdin=None, stdout=None, stderr=None, text=False, **job
    ):
        self.args = args
        self.returncode = None
        ours, theirs = [], []
        self.stdin = self._stream(stdin, 0, text, ours, theirs)
        self.stdout = self._stream(stdout, 1, text, ours, theirs)
        if stderr == subprocess.STDOUT:
            self.stderr = None
            theirs.append(theirs[1])
        else:
            self.stderr = self._stream(stderr, 2, text, ours, theirs)
        request = {
            "args": args,
            "cwd": str(cwd or Path.cwd()),
            "environ": dict(os.environ if env is None else env),
            "umask": _umask(),
            **job,
        }
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(fork_server().address)
        data = json.dumps(request).encode()
        sent = socket.send_fds(self._connection, [data[:1]], theirs)
        self._connection.sendall(data[sent:])
        self._connection.shutdown(socket.SHUT_WR)
        for number in set(ours):
            os.close(number)
        self._told = self._connection.makefile("r")
        self.pid = int(self._told.readline())

    def _stream(self, given, number, text, ours, theirs):
        """Note the descriptor of the run's stream, and return our end of a pipe."""
        if given is None:
            theirs.append(number)
        elif given == subprocess.DEVNULL:
            theirs.append(os.open(os.devnull, os.O_RDWR))
            ours.append(theirs[-1])
        elif given == subprocess.PIPE:
            reads, writes = os.pipe()
            theirs.append(writes if number else reads)
            ours.append(theirs[-1])
            mode = ("r" if number else "w") + ("" if text else "b")
            return os.fdopen(reads if number else writes, mode, encoding="utf-8" if text else None)
        else:
            theirs.append(given if isinstance(given, int) else given.fileno())
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self.wait()
        self._told.close()
        self._connection.close()

    def poll(self):
        """Return the exit code, or None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout=None):
        """Wait for the end, and return the exit code."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._told.readline())
        return self.returncode

    def send_signal(self, number):
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self):
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def communicate(self, input=None, timeout=None):  # noqa: A002 -- as `subprocess.Popen`
        """Write `input`, read both streams to their end, wait, and return what they had."""
        read = {}
        threads = [
            threading.Thread(target=lambda s=s: read.update({s: s.read()}), daemon=True)
            for s in (self.stdout, self.stderr)
            if s is not None
        ]
        if self.stdin is not None:
            threads.append(threading.Thread(target=self._feed, args=(input,), daemon=True))
        for thread in threads:
            thread.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            for thread in threads:
                thread.join(10)
        return read.get(self.stdout), read.get(self.stderr)

    def _feed(self, data):
        with suppress(BrokenPipeError, OSError):
            if data:
                self.stdin.write(data)
            self.stdin.close()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
