"""Row formats: where a row ends in the bytes of a source, and what it says.

Each format has a module; `base` says what they have in common, `detection` chooses one.
"""

from miso_upload.sources.formats.base import Cut, Format, Limits, Tail
from miso_upload.sources.formats.detection import detect_format

__all__ = [
    "Cut",
    "Format",
    "Limits",
    "Tail",
    "detect_format",
]
