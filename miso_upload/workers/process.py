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

from miso_upload.sources.again import read_again
from miso_upload.workers.frames import read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.records import Batch, Block
    from miso_upload.sources.again import Place

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
    place: Place | None
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
            write_frame(results, _done(task, transform))
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
            block = replace(block, data=read_again(task.place))
        return Done(transform(block))
    except Exception as error:  # noqa: BLE001 -- raised again where the result is waited for
        return Done(None, error)
