"""What the loop hands work to: one stage makes batches of blocks, the other sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from miso_upload.records import Batch, Block, Leftover, Receipt


class Delivers(Protocol):
    """What takes batches to their end; `Deliverer`, or a stand-in."""

    def deliver(self, batch: Batch, leftover: Leftover | None = None) -> Receipt:
        """Send the records of `batch` and return what became of them."""


class Transforms(Protocol):
    """What makes batches of blocks: `InProcess`, or a `WorkerPool`."""

    def run(
        self,
        transform: Callable[[Block], Batch],
        work: Iterable[tuple[Block, Leftover | None]],
        path: str | None,
    ) -> Iterator[tuple[Batch, Leftover | None]]:
        """Yield what each block becomes, in order, and the leftover that came with it."""


class Stages(NamedTuple):
    """What does the work that the loop hands out.

    Attributes:
        transforms: Makes batches of blocks.
        deliverer: Sends batches.
    """

    transforms: Transforms
    deliverer: Delivers
