"""Defines a block of complete rows, and which of its records are still to be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miso_upload.records.rejection import Reason


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive complete rows, byte for byte as in the source.

    One block becomes one request, so its span `[start, end)` is also the unit of the checkpoint.
    """

    seq: int
    start: int
    end: int
    first_line: int
    lines: int
    data: bytes
    fault: Reason | None = None
    """Why this span cannot be read as a row, for example because it is too long; `data` then holds
    the start of the row."""
    carried: Mapping[str, Any] | None = None
    """The last values above the block in the columns of `carry_down`. None as a value means that a
    row in between could not be read."""
    header: bytes = b""
    """The directive in effect at the start of the block, in formats that have them (see `Format`).
    """


class Leftover(NamedTuple):
    """The records of a block that are still to be sent, by their lines.

    Attributes:
        unknown: Records that were sent before with an unknown outcome.
        pending: Records that Miso certainly does not have.
        everything: Whether all records of the block may have been sent, because an earlier run was
            killed.
    """

    unknown: frozenset[int] = frozenset()
    pending: frozenset[int] = frozenset()
    everything: bool = False
