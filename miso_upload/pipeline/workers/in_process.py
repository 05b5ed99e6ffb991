"""Transforming blocks in this process, and when there is no need for others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.workers.pool import Made, Transforms, Work, WorkerPool

_SMALL = 24 * 2**20
"""Inputs of fewer bytes are done before a second process would have come up."""
_MOST = 8
"""More workers than this outrun any reader, and any upload."""


def worker_count(asked: int | Literal["auto"], sizes: Iterable[int | None]) -> int:
    """Return how many worker processes to use for inputs of these sizes; 0 is none at all.

    `auto` uses every processor, but none where there is one only, or little to do.
    """
    if asked != "auto":
        return asked
    processors = _processors()
    known = list(sizes)
    if processors == 1 or (None not in known and sum(size or 0 for size in known) < _SMALL):
        return 0
    return min(processors, _MOST)


class InProcess:
    """Transforms blocks where it is called."""

    def run(
        self, transform: Transforms, work: Iterable[Work], path: str | None = None
    ) -> Iterator[Made]:
        """Yield what each block becomes, in order."""
        del path
        for block, leftover in work:
            yield transform(block), leftover

    def close(self) -> None:
        """Do nothing; there is nothing to end."""


def transforms_of(count: int, stop: StopSignal) -> InProcess | WorkerPool:
    """Return what transforms blocks in `count` worker processes, or in this one if it is 0."""
    if not count:
        return InProcess()
    # Imported for large inputs only.
    from miso_upload.pipeline.workers.pool import WorkerPool  # noqa: PLC0415

    return WorkerPool(count, stop)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
