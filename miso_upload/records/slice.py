"""Defines a slice of parsed rows, and the interface of the formats that parse them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import TypeAlias

    from miso_upload.records.block import Block
    from miso_upload.records.rejection import Reason, Rejection

    IsRecord: TypeAlias = Callable[[Any], bool]
    """Returns whether a row has the type, timestamp and id that a record needs."""


@dataclass(slots=True)
class Slice:
    """A few hundred parsed rows with their lines, and the rows that could not be parsed.

    `warnings` are about how rows had to be parsed, each with its line. `skipped` names the kind of
    each line that is not a row, such as a comment.
    """

    rows: list[Any]
    lines: Sequence[int]
    rejections: list[Rejection] = field(default_factory=list)
    warnings: list[tuple[Reason, int]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class RowFormat(Protocol):
    """Parses the rows of a block. It is a small value that can be sent to a worker process."""

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """Return the JSON texts of the rows at `lines`, unchanged from `block`, by line.

        Formats whose rows are not JSON return an empty dict.
        """

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """Parse the rows of `block` in order. Blank lines are neither rows nor rejections.

        Args:
            block: The block to parse.
            is_record: Tells rows from parts of rows, in formats where a line may be either. None
                treats every line that looks like a row as one.
        """
