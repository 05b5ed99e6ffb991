"""The program, loaded once: a process that forks for each run of it.

A run that starts with `python -m miso_upload` takes half a second of CPU time to load. A fork of
this process takes none, and is a process like any other: it reads its own arguments, environment
and streams, it can be killed, and the next run knows only what is on disk.

`tests/helpers/processes.py` starts this module and talks to it. A request is JSON: `args`, `cwd`,
`environ`, `umask`, and perhaps

- `step`, `count`, `moment`: the run sends itself SIGKILL `before` or `after` that call of the step,
  or `half` through it; with the moment `meddle` it lives, and `script` runs before the call;
- `prelude`: Python that runs first;
- `most_bytes`: no file may become larger, as if the disk were full.

The answer is the process id in one line, and the exit code in the next.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import itertools
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

# What most runs import. Libraries that may start threads are left to the runs that need them.
NOT_LOADED = ("miso_upload.spark", "miso_upload.sources.remote", "miso_upload.sources.tables")


def load():
    """Import the program, and nothing that may have threads."""
    package = importlib.import_module("miso_upload")
    for found in pkgutil.walk_packages(package.__path__, "miso_upload.", onerror=lambda _: None):
        if not found.name.startswith(NOT_LOADED):
            importlib.import_module(found.name)
    gc.collect()
    gc.freeze()


def find(step):
    """Return what holds the function that `step` names, as in `package.module:Class.method`."""
    module, _, path = step.partition(":")
    holder = importlib.import_module(module)
    *holders, name = path.split(".")
    for each in holders:
        holder = getattr(holder, each)
    return holder, name


def die():
    """End this process as SIGKILL does."""
    os.kill(os.getpid(), signal.SIGKILL)


def at(step, count, moment, script=""):
    """Have the process die, or something else happen, at the `count`th call of a step."""
    holder, name = find(step)
    whole = getattr(holder, name)
    calls = itertools.count(1)

    def mortal(*args, **options):
        last = next(calls) == count
        if last and moment == "meddle":
            exec(script, {"Path": Path, "os": os})
        if last and moment == "before":
            die()
        if last and moment == "half":
            whole(args[0], args[1][: len(args[1]) // 2])
            die()
        result = whole(*args, **options)
        if last and moment == "after":
            die()
        return result

    setattr(holder, name, mortal)


def open_streams():
    """Open the streams as Python does at its start: those of before belong to other files."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        stream = open(  # noqa: SIM115 -- open as long as the process
            number,
            "w" if number else "r",
            buffering=1 if number == 2 or os.isatty(number) else -1,
            encoding=before.encoding,
            errors=before.errors,
            closefd=False,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run(job):
    """Be the program."""
    open_streams()
    os.chdir(job["cwd"])
    os.umask(job["umask"])
    os.environ.clear()
    os.environ.update(job["environ"])
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["miso-upload", *job["args"]]
    sys.path[0] = job["cwd"]  # as after `python -m`
    main = importlib.import_module("miso_upload.__main__")
    sys.modules["__main__"] = main
    if "most_bytes" in job:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (job["most_bytes"], job["most_bytes"]))
    exec(job.get("prelude", ""), {"Path": Path, "os": os})
    if job.get("step"):
        at(job["step"], job["count"], job["moment"], job.get("script", ""))
    main.main()


def end(code):
    """End as Python does, but without taking apart all that was loaded."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    os._exit(code)


def run_and_end(job):
    """Be the program, and end as it does."""
    code = 0
    try:
        run(job)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 -- shown, as Python would
        sys.excepthook(*sys.exc_info())
        code = 1
    end(code)


def received(connection):
    """Return a request, and the descriptors of the three streams of the run."""
    text, streams, _, _ = socket.recv_fds(connection, 65_536, 3)
    while more := connection.recv(65_536):
        text += more
    return json.loads(text), streams


def serve(listener):
    """Fork for each connection, until stdin ends; return the request in the process of a run."""
    running = {}
    woken, wakes = os.pipe()
    for descriptor in (woken, wakes):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([listener, woken, 0], [], [])
        if woken in ready:
            os.read(woken, 4_096)
            report_ends(running)
        if 0 in ready:
            return None
        if listener not in ready:
            continue
        connection, _ = listener.accept()
        job, streams = received(connection)
        child = os.fork()
        if not child:
            for other in (connection, listener, *running.values()):
                other.close()
            take_over(streams, woken, wakes)
            return job
        for stream in streams:
            os.close(stream)
        running[child] = connection
        send(connection, child)


def take_over(streams, *others):
    """Use the streams of a run, and leave what is the server's."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in {*streams, *others} - {0, 1, 2}:
        os.close(descriptor)


def report_ends(running):
    """Tell how the runs ended that have ended."""
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        connection = running.pop(child)
        send(connection, os.waitstatus_to_exitcode(status))
        connection.close()


def send(connection, number):
    """Send a number to the test, which may have ended."""
    with suppress(OSError):
        connection.sendall(f"{number}\n".encode())


def main():
    """Listen at the path that is the first argument; print a line when ready."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    print("ready", flush=True)
    if (job := serve(listener)) is not None:
        run_and_end(job)


if __name__ == "__main__":
    main()
