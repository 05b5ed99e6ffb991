"""Distributes blocks to worker processes and returns their batches in order."""

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

    Transform = Callable[[Block], Batch]
    Work = tuple[Block, Leftover | None]
    Result = tuple[Batch, Leftover | None]

_PROGRAM = "from miso_upload.pipeline.workers.process import main; main()"
_SECRETS = ("MISO_API_KEY", "MISO_ANONYMOUS_ID_SALT")
_POLL_SECONDS = 0.2


class WorkerPool:
    """Transforms blocks in worker processes, a few blocks ahead of the caller.

    Args:
        count: The number of processes.
        stop: Set when the run is to stop.
    """

    def __init__(self, count: int, stop: StopSignal) -> None:
        self._stop = stop
        self._ahead = count + 1
        self._queue: SimpleQueue[_PendingTask | None] = SimpleQueue()
        self._processes = [_start() for _ in range(count)]
        self._threads = [
            Thread(target=self._serve, args=(process,), name="worker", daemon=True)
            for process in self._processes
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self, transform: Transform, work: Iterable[Work], path: str | None = None
    ) -> Iterator[Result]:
        """Yield the batch of each block, in order.

        Args:
            transform: Transforms a block; it is sent to each worker once.
            work: The blocks.
            path: The file that contains the blocks at their offsets, so that workers can read them
                themselves; None if the blocks have to be sent.

        Raises:
            WorkerError: A worker process ended unexpectedly.
            ChangedSourceError: A block in the file has changed since it was read.
        """
        pending: deque[_PendingTask] = deque()
        broken: BaseException | None = None
        blocks = iter(work)
        while True:
            try:
                block, leftover = next(blocks)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 -- raised after the batches before it
                broken = error
                break
            pending.append(self._begin(transform, block, leftover, path))
            if len(pending) > self._ahead:
                result = self._wait(pending.popleft())
                if result is None:
                    return
                yield result
        while pending:
            result = self._wait(pending.popleft())
            if result is None:
                return
            yield result
        if broken is not None:
            raise broken

    def close(self) -> None:
        """Kill the processes; nobody needs the tasks that they still work on."""
        for _ in self._processes:
            self._queue.put(None)
        for process, thread in zip(self._processes, self._threads, strict=True):
            process.kill()
            process.wait()
            thread.join()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # unflushed data is not needed either
                    cast("IO[bytes]", pipe).close()

    def _begin(
        self, transform: Transform, block: Block, leftover: Leftover | None, path: str | None
    ) -> _PendingTask:
        place = None
        if path is not None and block.fault is None:
            place = range_of(path, block.start, block.data)
            block = replace(block, data=b"")
        pending = _PendingTask(Task(block, place, transform), leftover)
        self._queue.put(pending)
        return pending

    def _wait(self, pending: _PendingTask) -> Result | None:
        """Return the result of a task; None if the run is to stop before it is finished."""
        while not pending.finished.wait(_POLL_SECONDS):
            if self._stop.is_set():
                return None
        if pending.done.error is not None:
            raise pending.done.error
        if pending.done.batch is None:
            raise RuntimeError("a worker returned neither a batch nor an error")
        return pending.done.batch, pending.leftover

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Give one process task after task, until there are no more."""
        tasks, results = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        known: Transform | None = None
        while (pending := self._queue.get()) is not None:
            task = pending.task
            if task.transform is known:
                task = task._replace(transform=None)
            known = pending.task.transform
            try:
                write_frame(tasks, task)
                pending.done = read_frame(results)
            except (EOFError, OSError):
                pending.done = Done(None, _died(process))
            except Exception as error:  # noqa: BLE001 -- raised again in `_wait`
                pending.done = Done(None, error)
            pending.finished.set()


class _PendingTask:
    """A task, and its result once it is finished."""

    __slots__ = ("done", "finished", "leftover", "task")

    def __init__(self, task: Task, leftover: Leftover | None) -> None:
        self.task = task
        self.leftover = leftover
        self.finished = Event()
        self.done = Done(None)


def _start() -> subprocess.Popen[bytes]:
    """Start a worker with the same Python and modules, but without the user's secrets.

    It is not in the terminal's process group, so Ctrl-C reaches only the main process, which stops
    gracefully and ends its workers.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    group: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        return subprocess.Popen(  # noqa: S603 -- our own code
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            **group,
        )
    except OSError as error:
        raise WorkerError(
            f"cannot start a worker process ({error.strerror}). Possible fix: --workers 0"
        ) from None


def _died(process: subprocess.Popen[bytes]) -> WorkerError:
    code = process.wait()
    how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
    return WorkerError(
        f"a worker process {how}, possibly because memory ran out. Progress is saved; rerun the "
        "same command to resume. Possible fix: --workers 0"
    )
