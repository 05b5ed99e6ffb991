"""Opens inputs, decompresses and decodes them, detects their format, and cuts them into blocks."""

from miso_upload.sources.first_rows import first_rows
from miso_upload.sources.inputs import expand_inputs
from miso_upload.sources.options import SETTLE_AFTER, ReadingOptions
from miso_upload.sources.rotation import first_time, in_rotation_order, superseded
from miso_upload.sources.source import Source

__all__ = [
    "SETTLE_AFTER",
    "ReadingOptions",
    "Source",
    "expand_inputs",
    "first_rows",
    "first_time",
    "in_rotation_order",
    "superseded",
]
