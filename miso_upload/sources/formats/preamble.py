"""Finds what comes before the header of a delimited file: `sep=` lines, comments and titles."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.base import LOOKED_AT
from miso_upload.sources.formats.first_row import DELIMITERS, LONG_DELIMITERS
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.sources.options import ReadingOptions

_SEP = re.compile(rb'("?)sep=([^\r\n"]{1,4})\1[ \t]*+\r?(?:\n|\Z)', re.IGNORECASE)
_BLANK = re.compile(rb"(?:[ \t]*+\r?\n)*+")
_LOOKED_AT_LINES = 20
_FEWEST = 2
"""How many lines after a title must be alike: a header and a row."""
_COMMENT_MARKS = (b"#", b"//", b"--", b"%")


class Preamble(NamedTuple):
    """What comes before a header: where it ends, and the delimiter that a `sep=` line names."""

    end: int
    delimiter: str | None


def after_preamble(peek: Callable[[int], bytes], start: int, wanted: ReadingOptions) -> Preamble:
    """Return what comes before the first row: comments, and a line `sep=;`.

    Args:
        peek: Returns this many bytes of the beginning, or all bytes if there are fewer.
        start: The offset of the text.
        wanted: The user's options.
    """
    comment = (wanted.comment or "").encode()
    delimiter = None
    while True:
        data = peek(start + LOOKED_AT)
        found = _BLANK.match(data, start)
        at = found.end() if found else start
        sep = _SEP.match(data, at)
        if sep is not None and delimiter is None:
            start, delimiter = sep.end(), sep[2].decode(errors="replace")
        elif comment and data.startswith(comment, at) and data.find(b"\n", at) >= 0:
            start = data.find(b"\n", at) + 1
        else:
            return Preamble(start, delimiter)


def skipped_lines(peek: Callable[[int], bytes], start: int, lines: int, most: int) -> int:
    """Return the offset after the first `lines` lines, which may have `most` bytes."""
    for _ in range(lines):
        data = peek(start + LOOKED_AT)
        if data.find(b"\n", start) < 0:
            data = peek(start + most + 1)
        start = data.find(b"\n", start) + 1 or len(data)
    return start


def check_titles(name: str, head: bytes, start: int) -> None:
    """Check that the first line is a header, and not a title or a comment above it.

    Raises:
        ConfigurationError: The first line has fewer cells than all others, which are alike.
    """
    sample = head[start:]
    whole = sample.split(b"\n")[:-1] or [sample]
    lines = [(i, line) for i, line in enumerate(whole) if line.strip()][:_LOOKED_AT_LINES]
    if not lines:
        return
    first = lines[0][1].lstrip()
    mark = next((each for each in _COMMENT_MARKS if first.startswith(each)), None)
    above = _titles([line for _, line in lines], mark or b"")
    if not above:
        return
    number = 1 + head.count(b"\n", 0, start)
    before = number - 1 + lines[above][0]
    fixes = [f"--skip-lines {before}"]
    if mark is not None and all(line.startswith(mark) for _, line in lines[:above]):
        fixes.insert(0, f"--comment '{mark.decode()}'")
    raise ConfigurationError(
        f"{name}: line {number + lines[0][0]} has fewer cells than the lines from line "
        f"{before + 1} on, so it seems to be a title or a comment, and not the header "
        f"({counted(above, 'line')} like that). Possible fix: {', or '.join(fixes)}"
    )


def _titles(lines: list[bytes], mark_of_comments: bytes) -> int:
    """Return how many lines are above the header; 0 if the first line may be the header."""
    above = next((i for i, line in enumerate(lines) if not line.startswith(mark_of_comments)), 0)
    if mark_of_comments:
        # Comments can be in the middle too, and contain any number of delimiters.
        rest = [line for line in lines[above:] if not line.startswith(mark_of_comments)]
        return above if rest and _is_table(lines[0], rest) else 0
    tables = [_widths(lines, delimiter) for delimiter in (*DELIMITERS, *LONG_DELIMITERS)]
    if any(set(widths) == {widths[0]} != {1} for widths in tables):
        # One delimiter splits the first line as it splits all others. Another one that splits only
        # the others separates the items of lists.
        return 0
    widest = max(widths[0] for widths in tables)
    for widths in tables:
        usual, times = Counter(widths).most_common(1)[0]
        above = widths.index(usual)
        is_wider = usual > max(widest, *widths[:above], 0) and times >= _FEWEST
        is_even = times == len(widths) - above and b'"' not in b"".join(lines[above:])
        if above and is_wider and is_even:
            return above
    return 0


def _widths(lines: list[bytes], delimiter: str) -> list[int]:
    """Return the number of cells of each line; a delimiter at its end ends the last cell."""
    mark = delimiter.encode()
    return [line.rstrip(b"\r").removesuffix(mark).count(mark) + 1 for line in lines]


def _is_table(first: bytes, rest: list[bytes]) -> bool:
    """Return whether lines have the same number of cells, and another one than the first line."""
    for delimiter in (*DELIMITERS, *LONG_DELIMITERS):
        widths = set(_widths(rest, delimiter))
        if len(rest) >= _FEWEST and len(widths) == 1 and widths != {1}:
            return first.count(delimiter.encode()) + 1 not in widths
    return False


__all__ = ["Preamble", "after_preamble", "check_titles", "skipped_lines"]
