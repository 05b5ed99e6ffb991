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

TYPE_CHECKING = False  # as in `typing`
if TYPE_CHECKING:
    from typing import Any

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

_MODULES = {
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
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- any of the names below
    """Import a name on first use, because the help needs only the options."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
