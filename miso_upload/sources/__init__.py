"""Sources: inputs opened, decompressed, decoded, recognised by content, cut into blocks."""

from miso_upload.sources.fingerprint import Head
from miso_upload.sources.inputs import STDIN, expand_inputs
from miso_upload.sources.source import ReadingOptions, Source, Span

__all__ = ["STDIN", "Head", "ReadingOptions", "Source", "Span", "expand_inputs"]
