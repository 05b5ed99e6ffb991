"""Sources: inputs opened, decompressed, decoded, recognised by content, cut into blocks."""

from miso_upload.sources.fingerprint import Stamp
from miso_upload.sources.first_rows import first_rows
from miso_upload.sources.inputs import expand_inputs
from miso_upload.sources.names import STDIN, is_remote, local_name, shown_name
from miso_upload.sources.rotation import first_time, in_rotation_order
from miso_upload.sources.source import Identity, ReadingOptions, Source, Span

__all__ = [
    "STDIN",
    "Identity",
    "ReadingOptions",
    "Source",
    "Span",
    "Stamp",
    "expand_inputs",
    "first_rows",
    "first_time",
    "in_rotation_order",
    "is_remote",
    "local_name",
    "shown_name",
]
