"""What a golden file does not hold: what varies from run to run and from machine to machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from miso_upload import __version__

VARYING = [
    (re.compile(r"\[SSL: .*?\(_ssl\.c:\d+\)"), "REASON OF OPENSSL"),
    (re.compile(r"\b(localhost_)\d+(-.*?)-[0-9a-f]{12}(?=\.ledger)"), r"\1PORT\2-HASH"),
    (re.compile(r"(?<=localhost_PORT-key-)[0-9a-f]{12}\b"), "HASH"),
    (re.compile(r"\b(\w+\.(?:invalid|test|example)):\d{4,5}\b"), r"\1:PORT"),
    (re.compile(r"\b(127\.0\.0\.1|localhost|\[::1\]):\d{4,5}\b"), r"\1:PORT"),
    # A duration with a fraction was measured, and one of some hours was counted from a date.
    (re.compile(r"\b[\d,]+\.\d+ (s|seconds?)\b"), r"SECONDS \1"),
    (re.compile(r"\b(\d+,|\d{2,})\d{3} (s|seconds?)\b"), r"SECONDS \2"),
    (re.compile(r"\b[\d,]+(\.\d+)?( rows)?/s\b"), r"RATE\2/s"),
    (re.compile(r"\b\d+%(?= of )"), "SHARE"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "ADDRESS"),
    (re.compile(r"(?<= at )\S+\.py:\d+( < \S+\.py:\d+)*"), "LINES"),
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
