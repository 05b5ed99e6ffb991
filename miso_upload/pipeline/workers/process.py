"""What runs in a worker process: read a task, do it, write what came of it, until the pipe ends.

The pipe ends when the program does, however it ends, so that no worker outlives it.
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
"""Rows are trees, which need no collector to be freed; it is left to what a user's code makes."""


class Task(NamedTuple):
    """A block to be transformed.

    Attributes:
        block: Its data is left out where `place` says where it can be read.
        place: Where the data of the block lies, if it can be read from there.
        transform: What to do with it, where that is not what was done with the block before.
    """

    block: Block
    place: FileRange | None
    transform: Callable[[Block], Batch] | None


class Done(NamedTuple):
    """What became of a task: a batch, or why there is none."""

    batch: Batch | None
    error: Exception | None = None


def main() -> None:
    """Work until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb")
    # Whatever code of the user's prints must not get between the results.
    os.dup2(2, 1)
    transform: Callable[[Block], Batch] | None = None
    gc.freeze()
    gc.set_threshold(*_RARELY)
    try:
        while True:
            task: Task = read_frame(tasks)
            transform = task.transform or transform or _nothing_to_do
            done = _done(task, transform)
            try:
                write_frame(results, done)
            except RecursionError:
                write_frame(results, _flattened(done))
    except (EOFError, OSError):
        # Nobody waits for results any more; the interpreter need not try to flush them.
        sys.stderr.flush()
        os._exit(0)


def _nothing_to_do(_: Block) -> Batch:
    raise RuntimeError("the first task of a worker brings its transform")


def _done(task: Task, transform: Callable[[Block], Batch]) -> Done:
    try:
        block = task.block
        if task.place is not None:
            block = replace(block, data=read_range(task.place))
        return Done(transform(block))
    except Exception as error:  # noqa: BLE001 -- raised again where the result is waited for
        return Done(None, error)


def _flattened(done: Done) -> Done:
    """Return what was done with the rows that are nested too deeply for a pickle as text.

    That is what the rejects file has of them anyway.
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
