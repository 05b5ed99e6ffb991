"""Delivering nothing, for a dry run: what would be sent is counted and stays pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.delivery.selected import selected_parts
from miso_upload.records import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miso_upload.delivery.parts import Part
    from miso_upload.records import Batch, Selection


class Rehearsal:
    """Stands in the place of `Deliverer` where nothing may be sent.

    Args:
        most_bytes: The largest request body.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Return how many requests and bytes the records would take; all of them are pending."""
        selected = selected_parts(batch, selection)
        parts = [part for each in selected for part in each.fitting(self._most_bytes)]
        return Receipt(
            # The lines of a whole batch are a range, which the ledger writes at once.
            pending=selected[0].lines if len(selected) == 1 else _lines(selected),
            requests=len(parts),
            bytes_sent=sum(part.size for part in parts),
        )


def _lines(parts: Iterable[Part]) -> list[int]:
    return [line for part in parts for line in part.lines]
