"""The interface that a run reports its progress to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Batch, Receipt
    from miso_upload.report.summary import Summary


class Listener:
    """Receives the events of a run; each method does nothing unless overridden.

    The pipeline's thread makes all calls except `waiting`.
    """

    def started(self, inputs: Sequence[tuple[str, int | None]]) -> None:
        """The run starts with these inputs: their names, and their sizes in bytes if known."""

    def reading(self, name: str, position: int) -> None:
        """Reading has reached `position` of the input `name`, in bytes before decompression."""

    def transformed(self, batch: Batch) -> None:
        """A block was transformed into a batch."""

    def sending(self, deliveries: int) -> None:
        """The number of deliveries in flight has changed to `deliveries`."""

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """The outcome of a batch is known and noted in the ledger."""

    def waiting(self, seconds: float, why: str) -> None:
        """A request will be resent in `seconds`; delivery threads call this."""

    def noted(self, text: str) -> None:
        """The user should know `text`, which is not an error."""

    def stopping(self, why: str) -> None:
        """Reading has stopped; requests in flight are still finished."""

    def finished(self, summary: Summary) -> None:
        """The run is over."""
