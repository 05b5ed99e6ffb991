"""Defines the interfaces of the loop: inputs, and the stages that do the work.

One stage transforms blocks into batches, the other delivers batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from miso_upload.transform.scope import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from miso_upload.ledger import Ledger
    from miso_upload.ledger.rejects_file import RejectsFile
    from miso_upload.records import Batch, Block, Leftover, Receipt, Selection
    from miso_upload.sources import Source
    from miso_upload.transform.scope import Scope


class Input(NamedTuple):
    """One input and its transform.

    Attributes:
        name: The name, as the user wrote it.
        open: Opens the input for reading.
        prepare: Returns the transform for the opened input.
        rejects: The rejects file for its rows, if any.
        fingerprint: Returns the job fingerprint: sources with equal fingerprints make equal records
            of equal rows.
    """

    name: str
    open: Callable[[], Source]
    prepare: Callable[[Source], Callable[[Block], Batch]]
    rejects: RejectsFile | None
    fingerprint: Callable[[Source], str]


class BatchDeliverer(Protocol):
    """Delivers batches; `Deliverer`, or a stand-in for it."""

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Send the selected records of `batch`, by default all, and return the receipt."""


class Transformer(Protocol):
    """Transforms blocks into batches; `InProcess`, or a `WorkerPool`."""

    def run(
        self,
        transform: Callable[[Block], Batch],
        work: Iterable[tuple[Block, Leftover | None]],
        path: str | None,
    ) -> Iterator[tuple[Batch, Leftover | None]]:
        """Yield the batch of each block, in order, with the leftover that came with the block."""


class Stages(NamedTuple):
    """The stages that do the work of the loop.

    Attributes:
        transformer: Transforms blocks into batches.
        deliverer: Delivers batches.
        known: The ledger in which a dry run looks up the records that Miso has, if any.
        concurrency: The number of deliveries in flight; 0 delivers each batch before the next is
            read.
        scope: Which records the run sends.
    """

    transformer: Transformer
    deliverer: BatchDeliverer
    known: Ledger | None = None
    concurrency: int = 0
    scope: Scope = WHOLE
