"""Chooses the rows that a dry run examines if the user wants only a sample."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miso_upload.records import Slice

NOT_SAMPLED = "not in the sample"
"""The reason for rows that are outside because they are not in the sample."""
_BITS = 64
_MASK = 2**_BITS - 1


def take_sample(part: Slice, rate: float) -> list[int]:
    """Keep the rows of a slice that are in the sample, readable or not; return the other lines."""
    chosen = [_is_chosen(line, rate) for line in part.lines]
    left_out = [line for line, keep in zip(part.lines, chosen, strict=True) if not keep]
    part.rows, part.lines = list(compress(part.rows, chosen)), list(compress(part.lines, chosen))
    left_out += [each.line for each in part.rejections if not _is_chosen(each.line, rate)]
    part.rejections = [each for each in part.rejections if _is_chosen(each.line, rate)]
    return left_out


def _is_chosen(line: int, rate: float) -> bool:
    """Return whether a line is in the sample, which is the same in each run (SplitMix64)."""
    mixed = line * 0x9E3779B97F4A7C15 & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return bool((mixed ^ mixed >> 31) < rate * 2.0**_BITS)
