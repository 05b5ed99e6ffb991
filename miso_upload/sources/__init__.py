"""Opens inputs, decompresses and decodes them, detects their format, and cuts them into blocks."""

from __future__ import annotations

from miso_upload.values.lazy_exports import lazy_exports

TYPE_CHECKING = False  # as in `typing`
if TYPE_CHECKING:
    from miso_upload.sources.inputs import expand_inputs
    from miso_upload.sources.options import ReadingOptions
    from miso_upload.sources.source import Source

__all__ = [
    "ReadingOptions",
    "Source",
    "expand_inputs",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "ReadingOptions": "options",
        "Source": "source",
        "expand_inputs": "inputs",
    },
)
