"""Encodes sets of line numbers as short texts: `1-3,7` for 1, 2, 3 and 7."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def to_ranges(lines: Sequence[int]) -> str | None:
    """Return ascending `lines` as text; None if there are none."""
    if isinstance(lines, range) and lines and lines.step == 1:
        return _run(lines[0], lines[-1])  # fast path for the common case
    return ",".join(_runs(lines)) or None


def from_ranges(text: str) -> Iterator[int]:
    """Yield the line numbers in a text from `to_ranges`."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _runs(lines: Sequence[int]) -> Iterator[str]:
    """Yield each run of consecutive lines as text."""
    start = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or lines[end] != lines[end - 1] + 1:
            yield _run(lines[start], lines[end - 1])
            start = end


def _run(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
