"""Cuts the bytes of a source into rows and parses them, in each supported format.

Each format has a module. `base` defines their common interface, and `detection` chooses one.
"""

from miso_upload.sources.formats.base import Cut, Format, Limits, Tail
from miso_upload.sources.formats.detection import check_used, detect_format

__all__ = [
    "Cut",
    "Format",
    "Limits",
    "Tail",
    "check_used",
    "detect_format",
]
