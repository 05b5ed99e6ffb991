"""Keeping worker processes busy, and what they made in the order of the source."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Any, cast

from miso_upload.errors import WorkerError
from miso_upload.pipeline.workers.frames import read_frame, write_frame
from miso_upload.pipeline.workers.process import Done, Task
from miso_upload.sources.reread import range_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.records import Batch, Block, Leftover

    Transforms = Callable[[Block], Batch]
    Work = tuple[Block, Leftover | None]
    Made = tuple[Batch, Leftover | None]

_PROGRAM = "from miso_upload.pipeline.workers.process import main; main()"
_SECRETS = ("MISO_API_KEY", "MISO_ANONYMOUS_ID_SALT")
_POLL_SECONDS = 0.2


class WorkerPool:
    """Transforms blocks in processes of their own, a few blocks ahead of what is asked for.

    Args:
        count: How many processes.
        stop: Set when nothing more is wanted.
    """

    def __init__(self, count: int, stop: StopSignal) -> None:
        self._stop = stop
        self._ahead = count + 1
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._processes = [_start() for _ in range(count)]
        self._threads = [
            Thread(target=self._serve, args=(process,), name="worker", daemon=True)
            for process in self._processes
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self, transform: Transforms, work: Iterable[Work], path: str | None = None
    ) -> Iterator[Made]:
        """Yield what each block becomes, in order.

        Args:
            transform: What to do with each block; it is sent to each worker once.
            work: The blocks.
            path: The file in which the blocks stand at their offsets, so that workers can read them
                there; None where they have to be sent.

        Raises:
            WorkerError: A worker process ended before its work did.
            ChangedSourceError: A block in the file is not what it was a moment ago.
        """
        under_way: deque[_Job] = deque()
        broken: BaseException | None = None
        blocks = iter(work)
        while True:
            try:
                block, leftover = next(blocks)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 -- raised when all before it was yielded
                broken = error
                break
            under_way.append(self._begin(transform, block, leftover, path))
            if len(under_way) > self._ahead:
                made = self._wait(under_way.popleft())
                if made is None:
                    return
                yield made
        while under_way:
            made = self._wait(under_way.popleft())
            if made is None:
                return
            yield made
        if broken is not None:
            raise broken

    def close(self) -> None:
        """End the processes; what they are still doing is of no use to anyone."""
        for _ in self._processes:
            self._jobs.put(None)
        for process, thread in zip(self._processes, self._threads, strict=True):
            process.kill()
            process.wait()
            thread.join()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what was to be flushed into it is of no use either
                    cast("IO[bytes]", pipe).close()

    def _begin(
        self, transform: Transforms, block: Block, leftover: Leftover | None, path: str | None
    ) -> _Job:
        place = None
        if path is not None and block.fault is None:
            place = range_of(path, block.start, block.data)
            block = replace(block, data=b"")
        job = _Job(Task(block, place, transform), leftover)
        self._jobs.put(job)
        return job

    def _wait(self, job: _Job) -> Made | None:
        """Return what a job came to; None if the run is to stop before that is known."""
        while not job.finished.wait(_POLL_SECONDS):
            if self._stop.is_set():
                return None
        if job.done.error is not None:
            raise job.done.error
        if job.done.batch is None:
            raise RuntimeError("a worker returned neither a batch nor an error")
        return job.done.batch, job.leftover

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Give one process a job after the other, until there are no more."""
        tasks, results = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        known: Transforms | None = None
        while (job := self._jobs.get()) is not None:
            task = job.task
            if task.transform is known:
                task = task._replace(transform=None)
            known = job.task.transform
            try:
                write_frame(tasks, task)
                job.done = read_frame(results)
            except (EOFError, OSError):
                job.done = Done(None, _died(process))
            except Exception as error:  # noqa: BLE001 -- raised again where it is waited for
                job.done = Done(None, error)
            job.finished.set()


class _Job:
    """A task, and what came of it once it is finished."""

    __slots__ = ("done", "finished", "leftover", "task")

    def __init__(self, task: Task, leftover: Leftover | None) -> None:
        self.task = task
        self.leftover = leftover
        self.finished = Event()
        self.done = Done(None)


def _start() -> subprocess.Popen[bytes]:
    """Start a worker: the same Python with the same modules, and without the user's secrets.

    It is no member of the terminal's process group, so that Ctrl-C reaches only the program, which
    ends in good order and its workers with it.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    apart: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        return subprocess.Popen(  # noqa: S603 -- our own code
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            **apart,
        )
    except OSError as error:
        raise WorkerError(
            f"no worker process can be started ({error.strerror}); --workers 0 does without"
        ) from None


def _died(process: subprocess.Popen[bytes]) -> WorkerError:
    code = process.wait()
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return WorkerError(
        f"a worker process {how}, perhaps because memory ran out; the position is kept: run the "
        "same command again, perhaps with --workers 0"
    )
