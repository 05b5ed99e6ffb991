"""Transforming blocks in this process, and when there is no need for others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.pipeline.workers.pool import Made, Transforms, Work

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


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
