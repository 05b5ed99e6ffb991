"""Who wants to know how a run goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Batch, Receipt
    from miso_upload.report.summary import Summary


class Listener:
    """Is told what happens in a run; each method does nothing unless overridden.

    All calls come from the thread that runs the pipeline, except `waiting`.
    """

    def started(self, inputs: Sequence[tuple[str, int | None]]) -> None:
        """The run starts on these inputs, given with their sizes in bytes where known."""

    def reading(self, name: str, position: int) -> None:
        """Reading has got to `position` of the input `name`, in the input's own bytes."""

    def transformed(self, batch: Batch) -> None:
        """A block has become a batch."""

    def sending(self, deliveries: int) -> None:
        """So many deliveries are under way now."""

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """Miso's answer for a batch is known and in the ledger."""

    def waiting(self, seconds: float, why: str) -> None:
        """A request is sent again in `seconds`; called from delivery threads."""

    def noted(self, text: str) -> None:
        """Say something that the user should know and that is no error."""

    def stopping(self, why: str) -> None:
        """Reading has stopped; what is under way is finished."""

    def finished(self, summary: Summary) -> None:
        """The run is over."""
