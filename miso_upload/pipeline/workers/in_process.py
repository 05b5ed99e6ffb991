"""Transforms blocks in the main process, and decides on the number of workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.workers.pool import Result, Transform, Work, WorkerPool

_SMALL = 24 * 2**20
"""Inputs with fewer bytes are finished before a second process has started."""
_MOST = 8
"""More workers than this are faster than any reader and any upload."""


def worker_count(asked: int | Literal["auto"], sizes: Iterable[int | None]) -> int:
    """Return how many worker processes to use for inputs of these sizes.

    `auto` uses every processor, but no workers on a single processor or for small inputs.
    """
    if asked != "auto":
        return asked
    processors = _processors()
    known = list(sizes)
    if processors == 1 or (None not in known and sum(size or 0 for size in known) < _SMALL):
        return 0
    return min(processors, _MOST)


class InProcess:
    """Transforms blocks in the main process."""

    def run(
        self, transform: Transform, work: Iterable[Work], path: str | None = None
    ) -> Iterator[Result]:
        """Yield the batch of each block, in order."""
        del path
        for block, leftover in work:
            yield transform(block), leftover

    def close(self) -> None:
        """Do nothing, because there are no processes to end."""


def transformer_of(count: int, stop: StopSignal) -> InProcess | WorkerPool:
    """Return a transformer with `count` worker processes; 0 means the main process."""
    if not count:
        return InProcess()
    # Imported late, because only large inputs need it.
    from miso_upload.pipeline.workers.pool import WorkerPool  # noqa: PLC0415

    return WorkerPool(count, stop)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
