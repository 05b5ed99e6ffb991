"""Returns the canonical form of a record: equal bytes for equal content.

`docs/content-keys.md` is the definition. This module follows it step by step and is the reference;
`canonical_lines` is a faster way to the same bytes. A change of one byte here would make every
record of every ledger unknown, so `tests/content_keys/vectors.json` fixes the results.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.values.regular_times import EPOCH_ORDINAL
from miso_upload.values.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from miso_upload.records import Record

SMALLEST_PLAIN = Decimal("0.000001")
"""Smaller numbers are written with an exponent."""
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NAME = itemgetter(0)
_SECONDS = slice(17, 19)
"""Where the seconds of an RFC 3339 timestamp are."""


class Instant(NamedTuple):
    """A point in time.

    Attributes:
        text: The time in UTC, to the millisecond, as in the canonical form.
        day: Days since 1970-01-01 UTC.
    """

    text: str
    day: int


def canonical(record: Record) -> bytes:
    """Return the canonical form of a record."""
    changed = dict(record)
    instant = instant_of(record.get("timestamp"))
    if instant is not None:
        changed["timestamp"] = instant.text
    if "miso_id" in record:
        changed["miso_id"] = canonical_id(record["miso_id"])
    return canonical_value(changed)


def canonical_id(value: object) -> object:
    """Return a UUID in lower case, and anything else as it is."""
    return value.lower() if isinstance(value, str) and _UUID.fullmatch(value) else value


def canonical_value(value: object) -> bytes:
    """Return the canonical form of a JSON value that is not a record; no text is special."""
    return _text(value).encode(errors="surrogatepass")


def instant_of(timestamp: object) -> Instant | None:
    """Return the instant of a timestamp, truncated to the millisecond.

    Returns:
        None if the timestamp is not an RFC 3339 date-time, is a leap second, or is outside of the
        years 1 to 9999 in UTC.
    """
    if not isinstance(timestamp, str):
        return None
    parsed = parse_rfc3339(timestamp)
    if parsed is None or timestamp[_SECONDS] == "60":
        return None
    try:
        utc = parsed.astimezone(UTC)
    except OverflowError:
        return None
    timespec = "milliseconds" if utc.microsecond >= 1000 else "seconds"  # noqa: PLR2004
    text = utc.replace(tzinfo=None).isoformat(timespec=timespec)
    return Instant(f"{text}Z", utc.toordinal() - EPOCH_ORDINAL)


def _text(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        members = sorted(value.items(), key=_NAME)
        return "{" + ",".join(f"{_text(name)}:{_text(inner)}" for name, inner in members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    return _number(value)


def _number(value: float) -> str:
    """Return the text of a number: all digits of an integer, else the shortest form."""
    if isinstance(value, int):
        return int.__repr__(value)
    if not math.isfinite(value):
        return "null"  # as in the record that is sent
    if value.is_integer():
        return int.__repr__(int(value))
    shortest = Decimal(float.__repr__(value))
    if abs(shortest) >= SMALLEST_PLAIN:
        return format(shortest, "f")
    sign, digits, _ = shortest.as_tuple()
    first, *others = map(str, digits)
    point = "." if others else ""
    return f"{'-' if sign else ''}{first}{point}{''.join(others)}e{shortest.adjusted()}"
