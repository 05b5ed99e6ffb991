"""Sources: inputs opened, decompressed, decoded, recognised by content, cut into blocks."""

from miso_upload.sources.first_rows import first_rows
from miso_upload.sources.inputs import expand_inputs
from miso_upload.sources.options import SETTLE_AFTER, ReadingOptions
from miso_upload.sources.source import Source

__all__ = [
    "SETTLE_AFTER",
    "ReadingOptions",
    "Source",
    "expand_inputs",
    "first_rows",
]
