"""Defines the values that flow through the pipeline: Block, Slice, Batch, Rejection, Receipt.

    source ──Block──▶ transform ──Batch──▶ delivery ──Receipt──▶ ledger

They are plain values without behavior, and can be sent to another process. Lines are counted from
1. Offsets are bytes of the decoded (decompressed, UTF-8) stream. Elements of a JSON array need not
be on lines of their own, so there "line" is the number of the element.
"""

from miso_upload.records.batch import Batch, Receipt, Record, Selection
from miso_upload.records.block import Block, Leftover
from miso_upload.records.findings import MAX_NAMES, Findings, Tally
from miso_upload.records.position import SourceIdentity, Span, Stamp
from miso_upload.records.rejection import Reason, Rejection
from miso_upload.records.slice import RowFormat, Slice

__all__ = [
    "MAX_NAMES",
    "Batch",
    "Block",
    "Findings",
    "Leftover",
    "Reason",
    "Receipt",
    "Record",
    "Rejection",
    "RowFormat",
    "Selection",
    "Slice",
    "SourceIdentity",
    "Span",
    "Stamp",
    "Tally",
]
