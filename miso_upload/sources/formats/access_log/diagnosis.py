"""Explains why a line matches no layout: where it is cut off, or which field is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.records import Reason
from miso_upload.values.display import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.sources.formats.access_log.layout import Piece

NO_LOG_LINE = Reason("the line", "is not an access log line")
_CUT_AFTER_KNOWN = "is cut off in the middle of a field after the known fields"
_TOO_LONG = "continues after the last field of the layout"
_ENOUGH = 4
"""How many fields must match for a line to count as a damaged line of a layout; one less if a time
is among them, or if the line is cut off in the time."""
_MOST_OF_A_NAME = 60
_NEVER_CLOSED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+\\?\Z')
_WORDS = {
    "timestamp": "time",
    "user_agent": "user agent",
    "bytes": "size",
    "forwarded_for": "forwarded address",
    "request_time": "request time",
}


class _Walk(NamedTuple):
    """How far a line matches a layout.

    Attributes:
        at: The position after the last match.
        fields: How many fields matched.
        last: The name of the last field that matched.
        timed: Whether one of them was a time.
        missing: The first piece that does not match; None at the end of the layout.
    """

    at: int = 0
    fields: int = 0
    last: str = ""
    timed: bool = False
    missing: Piece | None = None


def mismatch(layouts: Iterable[Sequence[Piece]], line: str) -> Reason:
    """Return why `line` matches none of the layouts, which are given by their pieces.

    The reason is that of the layout that matches furthest.
    """
    walks = [_along(pieces, line, _Walk()) for pieces in layouts]
    furthest = max(walks, key=lambda walk: (walk.fields, walk.at))
    missing = furthest.missing
    rest = line[furthest.at :]
    in_time = missing is not None and missing.name == "timestamp" and _is_cut(missing, rest)
    if furthest.fields < _ENOUGH - (in_time or furthest.timed):
        return NO_LOG_LINE
    if missing is None:
        is_cut = _NEVER_CLOSED.match(rest.removeprefix(" ")) is not None
        return Reason("the line", _CUT_AFTER_KNOWN if is_cut else _TOO_LONG)
    if missing.name:
        name = _word(missing.name)
        if not rest:
            return Reason("the line", f"is cut off before the {name}")
        if not any(missing.starts) and not rest.startswith('"') and " " in rest:
            return Reason("the line", _TOO_LONG)
        if _is_cut(missing, rest):
            has_end = rest.startswith('"') or missing.name == "timestamp"
            return Reason(
                "the line", f"is cut off {'in the middle of' if has_end else 'at'} the {name}"
            )
        return Reason("the line", f"is missing the {name}")
    if missing.starts[0].startswith(rest):
        return Reason("the line", f"is cut off after the {_word(furthest.last)}")
    return Reason("the line", f"does not match the layout after the {_word(furthest.last)}")


def _word(name: str) -> str:
    return _WORDS.get(name) or printable(name.removeprefix("@"), _MOST_OF_A_NAME)


def _is_cut(piece: Piece, rest: str) -> bool:
    """Return whether a field begins in `rest` and does not end in it."""
    if rest.startswith('"'):
        return _NEVER_CLOSED.match(rest) is not None
    return not any(start and start in rest for start in piece.starts)


def _along(pieces: Sequence[Piece], line: str, walk: _Walk) -> _Walk:
    for piece in pieces:
        found = piece.match(line, walk.at)
        if piece.inner and (found is None or found.end() == walk.at):
            inner = _along(piece.inner, line, walk)
            if inner.at > walk.at and inner.missing is not None:
                return inner
            continue
        if found is None:
            return walk._replace(missing=piece)
        timed = walk.timed or piece.name == "timestamp"
        fields = walk.fields + bool(piece.name)
        walk = _Walk(found.end(), fields, piece.name or walk.last, timed)
    return walk
