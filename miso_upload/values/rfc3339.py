"""Parses RFC 3339 date-times, which is how records write their timestamps."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


def parse_rfc3339(text: str) -> datetime | None:
    """Return an RFC 3339 date-time as a `datetime`; None if `text` is not one.

    A leap second is returned as the second after it, since `datetime` has no leap seconds.
    """
    if RFC3339.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _parse_unusual_rfc3339(text.upper())


def _parse_unusual_rfc3339(text: str) -> datetime | None:
    """Parse what `datetime` does not: text that had lower-case letters, and leap seconds."""
    is_leap = text[17:19] == "60"
    if is_leap:
        text = f"{text[:17]}59{text[19:]}"
    try:
        parsed = datetime.fromisoformat(text)
        if not is_leap:
            return parsed
        if parsed.astimezone(UTC).strftime("%H:%M") == "23:59":
            return parsed + timedelta(seconds=1)
    except (ValueError, OverflowError):
        pass
    return None
