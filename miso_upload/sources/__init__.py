"""Sources: inputs opened, decompressed, decoded, recognised by content, cut into blocks."""

from miso_upload.sources.fingerprint import Identity, Stamp
from miso_upload.sources.first_rows import first_rows
from miso_upload.sources.inputs import expand_inputs
from miso_upload.sources.names import STDIN, is_remote, local_name, shown_name
from miso_upload.sources.options import SETTLE_AFTER, ReadingOptions, Span
from miso_upload.sources.rotation import first_time, in_rotation_order, superseded
from miso_upload.sources.source import Source
from miso_upload.sources.waiting_rows import SETTLE_BEHIND_NEWER, WaitingRow

__all__ = [
    "SETTLE_AFTER",
    "SETTLE_BEHIND_NEWER",
    "STDIN",
    "Identity",
    "ReadingOptions",
    "Source",
    "Span",
    "Stamp",
    "WaitingRow",
    "expand_inputs",
    "first_rows",
    "first_time",
    "in_rotation_order",
    "is_remote",
    "local_name",
    "shown_name",
    "superseded",
]
