"""Parses a 422 answer: which records Miso refused, and why.

A line has the form `data.<index>[.<path>] [(<value>)] is invalid. <message>`. The parser relies
only on its start, because the wording varies, a value can contain anything (brackets, newlines,
text that looks like another line), and a line about the whole record has no path. The rest is
split only for display, with plain searches, because a value may be megabytes long.
"""

from __future__ import annotations

import re
from typing import Any

from miso_upload.records import Reason
from miso_upload.values.display import printable

_INDEX = re.compile(r"\s*data\.(\d{1,9})(?![^.\s(])", re.ASCII)
_IS_INVALID = " is invalid"
_END_OF_VALUE = ")" + _IS_INVALID
_MOST_READ = 2_000


def read_refusal(lines: Any, count: int) -> dict[int, list[Reason]]:  # noqa: ANN401 -- as sent
    """Return the reasons in a 422 answer, by the index of the record in the request.

    Lines that cannot be parsed or have an unknown index are ignored; the answer to the next request
    will show which record they are about. Never raises.

    Args:
        lines: The lines, as Miso sent them.
        count: How many records the request had.
    """
    reasons: dict[int, list[Reason]] = {}
    for line in lines if isinstance(lines, list) else ():
        found = _INDEX.match(line) if isinstance(line, str) else None
        if found and int(found[1]) < count:
            reasons.setdefault(int(found[1]), []).append(_reason(line[found.end() :]))
    return reasons


def _reason(text: str) -> Reason:
    """Return the reason in a line, given without `data.<index>`."""
    end = text.rfind(_END_OF_VALUE)
    if end >= 0:
        path, _, value = text[:end].partition("(")
        shown, message = f"({_short(value)})", text[end + len(_END_OF_VALUE) :]
    else:
        path, found, message = text.partition(_IS_INVALID)
        shown = ""
        if not found:
            message = _short(text.strip(" ."))
            return Reason("Miso:", message) if message else Reason("Miso", "refused the record")
    about = _short(path.removeprefix(".").strip()) or "the record"
    message = _short(message.removeprefix(".").strip())
    return Reason(f"Miso: {about}", f"is invalid. {message}".strip(), shown)


def _short(text: str) -> str:
    return printable(text[:_MOST_READ])
