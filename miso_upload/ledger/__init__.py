"""Stores which spans of which sources were sent, and the outcome of every row.

Each target has one SQLite file. A span of a source goes through these states:

    intended ──▶ settled     every row is accepted, rejected or skipped
        │  └───▶ unknown     Miso may have some of the rows
        │  └───▶ pending     Miso certainly does not have some of the rows; the next run sends them
        └──────▶ abandoned   unknown, and the user chose not to resend

`intended` is on disk before the first byte is sent. A span that a crash leaves in that state may
have been sent, so its records count as unknown from the start, and the next run treats the span as
unknown. The spans of a source have no gaps, so nothing after the last span was ever sent.
"""

from __future__ import annotations

from miso_upload.values.lazy_exports import lazy_exports

TYPE_CHECKING = False  # as in `typing`
if TYPE_CHECKING:
    from miso_upload.ledger.copying import copy_ledger, move_ledger, repair_ledger
    from miso_upload.ledger.entries import LedgerSpan, Scan, Settlement
    from miso_upload.ledger.labels import KEYS, SECRET, Label, read_label
    from miso_upload.ledger.ledger import Ledger

__all__ = [
    "KEYS",
    "SECRET",
    "Label",
    "Ledger",
    "LedgerSpan",
    "Scan",
    "Settlement",
    "copy_ledger",
    "move_ledger",
    "read_label",
    "repair_ledger",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "KEYS": "labels",
        "Label": "labels",
        "Ledger": "ledger",
        "LedgerSpan": "entries",
        "SECRET": "labels",
        "Scan": "entries",
        "Settlement": "entries",
        "copy_ledger": "copying",
        "move_ledger": "copying",
        "read_label": "labels",
        "repair_ledger": "copying",
    },
)
