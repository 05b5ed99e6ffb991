"""Reading a 422: which records Miso refused, and why.

A line reads `data.<index>[.<path>] [(<value>)] is invalid. <message>`. Only its beginning is relied
on: the wording varies, a value can hold anything (brackets, newlines, text that looks like another
line), and the path is absent where the record as a whole is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from miso_upload.quoting import printable
from miso_upload.records import Reason

_INDEX = re.compile(r"\s*data\.(\d{1,9})(?![^.\s(])", re.ASCII)
_REST = re.compile(
    r"\.?(?P<path>.*?)\s*(?P<value>\(.*\))?\s*is invalid\.?\s*(?P<said>.*)", re.DOTALL
)


@dataclass(slots=True)
class Refusal:
    """What could be read from a 422.

    Attributes:
        reasons: For each refused record, by its index in the request, Miso's reasons.
        complete: Every line could be read, so a record that is not named is not refused.
    """

    reasons: dict[int, list[Reason]] = field(default_factory=dict)
    complete: bool = False


def read_refusal(lines: Any, count: int) -> Refusal:  # noqa: ANN401 -- as Miso sent it
    """Return what `lines`, the `data` of a 422 for `count` records, say. Never raises."""
    refusal = Refusal()
    if not isinstance(lines, list):
        return refusal
    read = 0
    for line in lines:
        found = _INDEX.match(line) if isinstance(line, str) else None
        if found and int(found[1]) < count:
            read += 1
            reason = _reason(line[found.end() :])
            refusal.reasons.setdefault(int(found[1]), []).append(reason)
    refusal.complete = bool(lines) and read == len(lines)
    return refusal


def _reason(rest: str) -> Reason:
    found = _REST.fullmatch(rest)
    if found is None:
        return Reason("Miso:", printable(rest.strip(" .")) or "refused the record")
    about = printable(found["path"].strip()) or "the record"
    said = printable(found["said"].strip())
    return Reason(f"Miso: {about}", f"is invalid. {said}".strip(), printable(found["value"] or ""))
