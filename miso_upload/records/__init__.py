"""The nouns that travel through the pipeline: Block, Slice, Batch, Rejection, Receipt.

    source ──Block──▶ transform ──Batch──▶ delivery ──Receipt──▶ ledger

All of them are plain values that can cross a process boundary; none of them does any work.
Lines are counted from 1, offsets are bytes in the decoded (decompressed, UTF-8) stream. In a JSON
array, whose elements need not stand on lines of their own, "line" means the element's number.
"""

from miso_upload.records.batch import Batch, Receipt, Record, Selection
from miso_upload.records.block import Block, Leftover
from miso_upload.records.findings import MOST_NAMES, Findings, Tally
from miso_upload.records.position import Identity, Span, Stamp
from miso_upload.records.rejection import Reason, Rejection
from miso_upload.records.slice import RowFormat, Slice

__all__ = [
    "MOST_NAMES",
    "Batch",
    "Block",
    "Findings",
    "Identity",
    "Leftover",
    "Reason",
    "Receipt",
    "Record",
    "Rejection",
    "RowFormat",
    "Selection",
    "Slice",
    "Span",
    "Stamp",
    "Tally",
]
