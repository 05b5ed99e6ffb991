"""The records of a batch that are to be sent, cut out of it without decoding the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.delivery.parts import Part
from miso_upload.records.unknown_outcomes import EARLIER_RUN

if TYPE_CHECKING:
    from miso_upload.records import Batch, Selection


def selected_parts(batch: Batch, selection: Selection | None) -> list[Part]:
    """Return the parts to send: what may be at Miso already apart from what certainly is not."""
    whole = Part.of(batch)
    if selection is None or selection.fresh is None:
        return [whole] if len(whole) else []
    parts = []
    if selection.doubtful:
        again = whole.at_indices(selection.doubtful)
        again.causes = (EARLIER_RUN,)
        parts.append(again)
    if selection.fresh:
        parts.append(whole.at_indices(selection.fresh))
    return parts
