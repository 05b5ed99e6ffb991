"""What the loop is given: inputs, and stages that it hands work to.

One stage makes batches of blocks, the other sends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from miso_upload.ledger import Ledger
    from miso_upload.ledger.rejects_file import RejectsFile
    from miso_upload.records import Batch, Block, Leftover, Receipt, Selection
    from miso_upload.sources import Source


class Input(NamedTuple):
    """One input and how its rows become records.

    Attributes:
        name: As the user wrote it.
        open: Opens it for reading.
        prepare: Returns the transform for it, once it is open.
        rejects: Where its rejected rows go, if anywhere.
        job: Returns the job fingerprint; two sources with the same one make the same records of the
            same rows.
    """

    name: str
    open: Callable[[], Source]
    prepare: Callable[[Source], Callable[[Block], Batch]]
    rejects: RejectsFile | None
    job: Callable[[Source], str]


class Delivers(Protocol):
    """What takes batches to their end; `Deliverer`, or a stand-in."""

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Send the selected records of `batch`, by default all, and return the outcome."""


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
        known: A ledger that only says which records Miso has, for a run that sends nothing.
        in_flight: Deliveries at once; 0 delivers each batch before the next is read.
    """

    transforms: Transforms
    deliverer: Delivers
    known: Ledger | None = None
    in_flight: int = 0
