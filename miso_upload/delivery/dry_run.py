"""Counts the requests and bytes that a dry run would send, without sending them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.delivery.request_bodies import selected_bodies
from miso_upload.records import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miso_upload.delivery.request_bodies import RequestBody
    from miso_upload.records import Batch, Selection


class DryRunDeliverer:
    """Replaces `Deliverer` in a dry run.

    Args:
        max_bytes: The largest request body.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Return a receipt with the requests and bytes; all records are pending."""
        selected = selected_bodies(batch, selection)
        bodies = [body for each in selected for body in each.split_to(self._max_bytes)]
        return Receipt(
            # The lines of a whole batch are a range, which the ledger writes fast.
            pending=selected[0].lines if len(selected) == 1 else _lines(selected),
            requests=len(bodies),
            bytes_sent=sum(body.size for body in bodies),
        )


def _lines(bodies: Iterable[RequestBody]) -> list[int]:
    return [line for body in bodies for line in body.lines]
