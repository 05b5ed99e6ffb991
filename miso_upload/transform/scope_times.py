"""Reads the times that limit the scope of a run: dates, RFC 3339 timestamps, and periods."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from miso_upload.errors import ConfigurationError
from miso_upload.values.rfc3339 import parse_rfc3339
from miso_upload.values.timestamps import TimestampReader

_PERIOD = re.compile(r"([0-9]{1,6})([hdw])")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def scope_time(given: object) -> str:
    """Return the text of a time that limits the scope; TOML and Python may hold a date.

    Raises:
        ValueError: It is not a time.
    """
    if isinstance(given, date):  # a datetime is a date too
        given = given.isoformat()
    text = given.strip() if isinstance(given, str) else ""
    if _PERIOD.fullmatch(text) or parse_rfc3339(text) is not None or _is_local(text):
        return text
    raise ValueError(
        "must be a date such as 2025-03-01, a timestamp such as 2025-03-01T10:00:00Z, or a period "
        f"before now such as 90d, 12h or 2w, but is {given!r}"
    )


def time_of(text: str, zone: str | None, now: datetime) -> datetime:
    """Return the time that a text from `scope_time` means.

    Args:
        text: The text.
        zone: The time zone of texts without one; None for UTC. A date means its first instant.
        now: The time that a period ends at.

    Raises:
        ConfigurationError: The time is before the year 1, or the zone has no such time.
    """
    found = _PERIOD.fullmatch(text)
    try:
        if found is not None:
            return now - int(found[1]) * _UNITS[found[2]]
        time = parse_rfc3339(text)
        if time is None:
            reading = TimestampReader(zone or "UTC").read(text)
            time = parse_rfc3339(reading.text or "")
            if time is None:
                raise ConfigurationError(f"{text} {reading.problem}")
        return time.astimezone(UTC)
    except OverflowError:
        raise ConfigurationError(f"{text} is before the year 1; choose a later time") from None


def _is_local(text: str) -> bool:
    if _LOCAL.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
