"""Marks records as accepted without sending them, for `miso-upload remember`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.delivery.request_bodies import selected_bodies
from miso_upload.records import Receipt

if TYPE_CHECKING:
    from miso_upload.records import Batch, Selection


class RememberDeliverer:
    """Replaces `Deliverer` if Miso has the records already and the ledger should know it."""

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Return all selected records as accepted."""
        return Receipt(accepted=sum(map(len, selected_bodies(batch, selection))))
