"""Delivery that sends nothing: Miso has the records already, and the ledger is to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.delivery.selected import selected_parts
from miso_upload.records import Receipt

if TYPE_CHECKING:
    from miso_upload.records import Batch, Selection


class Remembering:
    """Stands in the place of `Deliverer` where records are only noted as sent."""

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Return all selected records as accepted."""
        return Receipt(accepted=sum(map(len, selected_parts(batch, selection))))
