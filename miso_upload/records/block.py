"""A run of complete rows, and which of them are still to be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from miso_upload.records.rejection import Reason


@dataclass(frozen=True, slots=True)
class Block:
    """A run of complete rows, exactly as they stand in the source.

    One block becomes one request, so its span `[start, end)` is also the unit of the checkpoint.
    """

    seq: int
    start: int
    end: int
    first_line: int
    lines: int
    data: bytes
    fault: Reason | None = None
    """Why this span cannot be read as a row (too long, say); `data` is then its beginning."""
    header: bytes = b""
    """The directive that is in force where it begins, in formats that have such (see `Format`)."""


class Leftover(NamedTuple):
    """Which records of a block are still to be sent, by their lines.

    Attributes:
        unknown: They were sent before, and nobody knows what became of them.
        pending: They were certainly not taken.
        everything: All records of the block were perhaps sent: the run before this one died.
    """

    unknown: frozenset[int] = frozenset()
    pending: frozenset[int] = frozenset()
    everything: bool = False
