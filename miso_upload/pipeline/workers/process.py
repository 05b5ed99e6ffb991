"""Runs in a worker process: reads tasks, transforms blocks and writes results until the pipe ends.

The pipe ends when the main process ends, however it ends, so no worker outlives it.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.pipeline.workers.frames import read_frame, write_frame
from miso_upload.sources.reread import read_range
from miso_upload.values.display import as_text
from miso_upload.values.json import JSONEncodeError, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.records import Batch, Block, Rejection
    from miso_upload.sources.reread import FileRange

_RARELY = (50_000, 20, 50)
"""Rows have no reference cycles, so the collector is needed only for the user's own code."""


class Task(NamedTuple):
    """A block to transform.

    Attributes:
        block: The block, without data if `place` is set.
        place: Where the worker can read the data of the block, if it can.
        transform: The transform, unless it is that of the block before.
    """

    block: Block
    place: FileRange | None
    transform: Callable[[Block], Batch] | None


class Done(NamedTuple):
    """The result of a task: a batch or an error."""

    batch: Batch | None
    error: Exception | None = None


def main() -> None:
    """Work until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb")
    # Output of the user's code must not get between the results.
    os.dup2(2, 1)
    transform: Callable[[Block], Batch] | None = None
    gc.freeze()
    gc.set_threshold(*_RARELY)
    try:
        while True:
            task: Task = read_frame(tasks)
            transform = task.transform or transform or _no_transform
            done = _done(task, transform)
            try:
                write_frame(results, done)
            except RecursionError:
                write_frame(results, _flattened(done))
    except (EOFError, OSError):
        # Nobody waits for results any more, so skip flushing them at exit.
        sys.stderr.flush()
        os._exit(0)


def _no_transform(_: Block) -> Batch:
    raise RuntimeError("the first task of a worker has no transform")


def _done(task: Task, transform: Callable[[Block], Batch]) -> Done:
    try:
        block = task.block
        if task.place is not None:
            block = replace(block, data=read_range(task.place))
        return Done(transform(block))
    except Exception as error:  # noqa: BLE001 -- raised again in the main process
        return Done(None, error)


def _flattened(done: Done) -> Done:
    """Return a result whose rejected rows are text if they are too deeply nested for a pickle.

    The rejects file contains such rows as text anyway.
    """
    if done.batch is None:
        return done
    rejections = tuple(map(_with_flat_row, done.batch.rejections))
    return Done(replace(done.batch, rejections=rejections))


def _with_flat_row(rejection: Rejection) -> Rejection:
    try:
        encode(rejection.row)
    except JSONEncodeError:
        return replace(rejection, row=as_text(rejection.row))
    return rejection
