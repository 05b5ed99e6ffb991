"""Delivering nothing, for a dry run: what would be sent is counted and stays pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.delivery.parts import Part
from miso_upload.records import Receipt

if TYPE_CHECKING:
    from miso_upload.records import Batch, Leftover


class Rehearsal:
    """Stands in the place of `Deliverer` where nothing may be sent.

    Args:
        most_bytes: The largest request body.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes

    def deliver(self, batch: Batch, leftover: Leftover | None = None) -> Receipt:
        """Return how many requests and bytes the records would take; all of them are pending."""
        del leftover  # nothing is ever left over: a dry run remembers nothing
        whole = Part(batch.slices, batch.lines, batch.counts)
        parts = list(whole.fitting(self._most_bytes)) if len(whole) else []
        return Receipt(
            pending=batch.lines,
            requests=len(parts),
            bytes_sent=sum(part.size for part in parts),
        )
