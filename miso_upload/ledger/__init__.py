"""The ledger: which stretches of which sources were sent, and what became of every row.

One SQLite file for each target. A span of a source goes through these states:

    intended ──▶ settled     every row is accepted, rejected or skipped
        │  └───▶ unknown     Miso may have taken some rows or not
        │  └───▶ pending     some rows were certainly not taken and are sent by the next run
        └──────▶ abandoned   unknown, and the user chose not to send again

`intended` is on disk before the first byte is sent, so what a crash leaves behind in that state may
have been sent: its records count as unknown from the start, and the next run finds it as unknown.
Spans of a source are without gaps, so whatever lies behind the last of them was never sent.
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


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the name stands for
    """Import what is asked for: the help needs no more than the options."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
