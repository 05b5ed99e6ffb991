"""Parsed rows, and what parses them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import TypeAlias

    from miso_upload.records.block import Block
    from miso_upload.records.rejection import Reason, Rejection

    IsRecord: TypeAlias = Callable[[Any], bool]
    """Whether a row would become a record, as far as its type, timestamp and id go."""


@dataclass(slots=True)
class Slice:
    """A few hundred parsed rows, with the line of each, and those that would not parse.

    `warnings` are what is odd about how they had to be read, each with its line. `skipped` are the
    kinds of lines that are no rows, such as comments, one entry a line.
    """

    rows: list[Any]
    lines: Sequence[int]
    rejections: list[Rejection] = field(default_factory=list)
    warnings: list[tuple[Reason, int]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class RowFormat(Protocol):
    """Parses the rows of a block; a small value that can be sent to a worker process."""

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """Return the JSON texts of the rows at `lines` as they are in `block`, by line.

        Formats whose rows are not JSON have none.
        """

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """Parse the rows of `block`, in order; blank lines are neither rows nor rejections.

        Args:
            block: What to parse.
            is_record: Says whether a row would become a record, for formats in which a line may be
                a row or a part of one; None takes all that has the shape of a row for one.
        """
