"""The program, loaded once: each line on stdin is a run of it, in a process of its own.

A run that is begun by `python -m miso_upload` takes half a second to load; a child that is split
off from this process takes none, and is a process like any other: it can be killed at a step of its
work, and the next run knows only what it left on disk.

A line in is JSON: `args`, `cwd`, `environ`, `out` and `err` (files for what it says), and perhaps

- `step`, `count`, `moment`: it sends itself SIGKILL `before` or `after` that call of the step, or
  `half` through it; with the moment `meddle` it lives, and `script` is run before the call;
- `prelude`: Python that is run before all;
- `most_bytes`: no file may become larger, as if the disk were full.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import resource
import signal
import sys
from pathlib import Path

import miso_upload.__main__
import miso_upload.cli.commands
import miso_upload.delivery.client
import miso_upload.pipeline.run
import miso_upload.pipeline.status
import miso_upload.report.progress


def find(step):
    """Return what holds the function that `step` names, as in `package.module:Class.method`."""
    module, _, path = step.partition(":")
    place = importlib.import_module(module)
    *holders, name = path.split(".")
    for each in holders:
        place = getattr(place, each)
    return place, name


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at(step, count, moment, script=""):
    """Have the process die, or something else happen, at the `count`th call of a step."""
    place, name = find(step)
    whole = getattr(place, name)
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

    setattr(place, name, mortal)


def run(job):
    """Be the program, and never come back."""
    os.chdir(job["cwd"])
    os.environ.update(job["environ"])
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["miso-upload", *job["args"]]
    if "most_bytes" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["most_bytes"], job["most_bytes"]))
    exec(job.get("prelude", ""), {"Path": Path, "os": os})
    if job.get("step"):
        at(job["step"], job["count"], job["moment"], job.get("script", ""))
    code = 70
    try:
        miso_upload.__main__.main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 -- shown, as the interpreter would
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main():
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
