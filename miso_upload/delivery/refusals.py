"""Reading a 422: which records Miso refused, and why.

A line reads `data.<index>[.<path>] [(<value>)] is invalid. <message>`. Only its beginning is relied
on: the wording varies, a value can hold anything (brackets, newlines, text that looks like another
line), and the path is absent where the record as a whole is meant. The rest is split for people to
read, by plain searches only: a value may be megabytes long.
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
    """Return the reasons that a 422 gives, by the index of the record in a request of `count`.

    Lines that cannot be read, or that name no record of the request, are left out: what they mean
    is asked again with the next request. Never raises.
    """
    reasons: dict[int, list[Reason]] = {}
    for line in lines if isinstance(lines, list) else ():
        found = _INDEX.match(line) if isinstance(line, str) else None
        if found and int(found[1]) < count:
            reasons.setdefault(int(found[1]), []).append(_reason(line[found.end() :]))
    return reasons


def _reason(rest: str) -> Reason:
    end = rest.rfind(_END_OF_VALUE)
    if end >= 0:
        path, _, value = rest[:end].partition("(")
        shown, said = f"({_short(value)})", rest[end + len(_END_OF_VALUE) :]
    else:
        path, found, said = rest.partition(_IS_INVALID)
        shown = ""
        if not found:
            return Reason("Miso:", _short(rest.strip(" .")) or "refused the record")
    about = _short(path.removeprefix(".").strip()) or "the record"
    said = _short(said.removeprefix(".").strip())
    return Reason(f"Miso: {about}", f"is invalid. {said}".strip(), shown)


def _short(text: str) -> str:
    return printable(text[:_MOST_READ])
