"""What the search for leaks sees, and what it must not take for a leak."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from tests.helpers import traces as traces_module
from tests.helpers.processes import started
from tests.helpers.traces import KEY, Traces, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")

PARENT = """
import os, subprocess, sys
subprocess.run([sys.executable, "-c", "print(flush=True); input()"], env=eval(sys.argv[1]))
"""


@pytest.mark.parametrize("given", [{"GIVEN": KEY}, {"GIVEN": "nothing"}])
def test_a_key_in_the_environment_of_a_child_is_found(given):
    command = [sys.executable, "-c", PARENT, repr(given)]
    found = Traces()
    with (
        started(
            command, env={**os.environ, "MISO_API_KEY": KEY}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process,
        watched(process.pid, command, found),
    ):  # fmt: skip
        process.stdout.readline()
        deadline = time.monotonic() + 30
        while not any(place.startswith("environ") for place in found.places):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.stdin.close()
        process.wait(30)

    leaks = {place.partition(" of")[0] for place, _ in found.of((KEY,))}
    assert leaks == ({"environ", "cmdline"} if given["GIVEN"] == KEY else set())


def test_a_program_that_is_still_being_started_is_not_taken_for_its_own_child(monkeypatch):
    """Between the end of `fork` and that of `exec`, its command line is empty."""
    answers = iter([b"", b"program\0"])
    ended = threading.Event()
    monkeypatch.setattr(traces_module, "_children", lambda _: ended.set() or [])
    monkeypatch.setattr(
        traces_module,
        "_read",
        lambda _, what: KEY.encode() if what == "environ" else next(answers, b"program\0"),
    )
    found = Traces()

    traces_module._watch(1, ["program"], found, ended)

    assert found.of((KEY,)) == []
