"""Sets of line numbers as short texts: `1-3,7` for 1, 2, 3 and 7."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def to_ranges(lines: Sequence[int]) -> str | None:
    """Return ascending `lines` as text; None if there are none."""
    if isinstance(lines, range) and lines:
        return _range(lines[0], lines[-1])
    parts: list[str] = []
    first = last = None
    for line in lines:
        if last is not None and line == last + 1:
            last = line
            continue
        if first is not None:
            parts.append(_range(first, last or first))
        first = last = line
    if first is not None:
        parts.append(_range(first, last or first))
    return ",".join(parts) or None


def from_ranges(text: str) -> Iterator[int]:
    """Yield the lines that `to_ranges` wrote."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
