"""What a golden file does not hold: what varies from run to run and from machine to machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from miso_upload import __version__

VARYING = [
    (re.compile(r"\b(127\.0\.0\.1|localhost|\[::1\]):\d{4,5}\b"), r"\1:PORT"),
    (re.compile(r"(?<=bytes, )[\d,]+(\.\d+)? s\b"), "SECONDS s"),
    (re.compile(r"(?<= in )[\d,]+(\.\d+)? s\b"), "SECONDS s"),
    (re.compile(r"\b[\d,]+(\.\d+)?( rows)?/s\b"), r"RATE\2/s"),
    (re.compile(r"\b\d+% of the time\b"), "SHARE of the time"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "ADDRESS"),
    (re.compile(rf"\bversion {re.escape(__version__)}\b"), "version VERSION"),
]
CLOCK = r"[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"


def without_what_varies(text, directories):
    """Return a text with a name instead of each directory, port, duration, rate and time of now.

    Args:
        text: What the program printed.
        directories: Pairs of a directory and its name, the innermost first.
    """
    for directory, name in directories:
        text = text.replace(str(directory), name)
    today = datetime.now(UTC).date()
    days = "|".join(str(today + timedelta(days=days)) for days in (-1, 0, 1))
    text = re.sub(rf"\b({days})({CLOCK})?", "NOW", text)
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return text
