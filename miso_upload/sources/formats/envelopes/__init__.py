"""Reads lines that a log collector has wrapped, such as those of Docker, Kubernetes or syslog.

An *envelope* is what a collector writes around each line of a log: a JSON object, or a prefix.
`kinds` defines the known envelopes, `recognition` finds the one that a source has, and `format`
takes it off each line before another format reads the lines.
"""

from miso_upload.sources.formats.envelopes.format import Enveloped
from miso_upload.sources.formats.envelopes.recognition import envelopes_of

__all__ = ["Enveloped", "envelopes_of"]
