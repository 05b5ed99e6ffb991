"""Defines the interface of row formats: cutting a stream into blocks, and parsing blocks."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records import Block, Reason, Slice
    from miso_upload.records.slice import IsRecord

SLICE_ROWS = 256
"""The number of rows that are parsed, validated and encoded at once.

Slices of 50 to 2,000 rows were measured to be twice as fast as whole blocks, which do not fit into
the processor's caches. A bad row also slows down only its own slice.
"""

SLICE_BYTES = 2**22
"""The limit for the text of a slice of several rows, so that wide rows are in smaller slices: the
objects of short values take twenty times the memory of their text."""
SLICE_CELLS = 2**19
"""The limit for the cells of a slice, because each cell is an object, however short it is."""


class Tail(Enum):
    """What follows the buffered bytes."""

    COMING = auto()
    """More bytes follow, so nothing is decided that they could change."""
    WAITING = auto()
    """Nothing follows yet; an incomplete row is left for a later run."""
    LAST = auto()
    """Nothing follows; the input is complete."""


LOOKED_AT = 65_536
"""The bytes in which the format is detected, unless a header or a first line is longer."""


class Limits(NamedTuple):
    """Limits for the size of blocks and rows.

    Attributes:
        rows: The most rows in a block.
        row_bytes: The most bytes in a row; a longer row is rejected without being held in memory.
        block_bytes: The most bytes in a block of several rows, so that wide rows are in smaller
            blocks.
    """

    rows: int
    row_bytes: int
    block_bytes: int

    def capped(self, most: int | None) -> Limits:
        """Return limits with at most `most` rows; None is no limit."""
        return self if most is None else self._replace(rows=min(self.rows, most))


class RowEnd(Protocol):
    """Finds the end of a row that is too long to be held in memory."""

    def find(self, data: bytes) -> int | None:
        """Return the end of the row in `data`; None if the row continues after `data`."""


class Cut(NamedTuple):
    """The size of the next block in the buffered bytes.

    Attributes:
        size: The bytes of the block; 0 if the source is damaged from here on.
        elements: The number of array elements or lines in the block; 0 if it is not counted yet.
        fault: Why the block cannot be read as a row, if so.
        rest: Finds the end of the fault if it is not buffered yet.
    """

    size: int
    elements: int = 0
    fault: Reason | None = None
    rest: RowEnd | None = None


class Format(Protocol):
    """A row format. It is a small value that can be sent to a worker process.

    The end of a row depends only on the bytes from its beginning on. Reading can therefore resume
    at the end of any block, and the rows do not depend on how blocks are cut. The values of a row
    can also depend on the last directive before it: a line that describes the lines after it. A
    block contains the directive that is in force at its beginning.
    """

    @property
    def name(self) -> str:
        """The name for `--format`."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns of each row, if the source names them only once."""

    @property
    def repeated(self) -> tuple[str, ...]:
        """The names that several columns of a header have, so that these columns are ignored."""

    @property
    def preset(self) -> str | None:
        """The preset that applies below the user's mapping; None if there is none."""

    @property
    def by_line(self) -> bool:
        """Whether every row ends at a newline."""

    @property
    def comma_ends_row(self) -> bool:
        """Whether a comma that follows a block only ends the last row of the block."""

    @property
    def has_directives(self) -> bool:
        """Whether the source may contain directives."""

    @property
    def skips_directives(self) -> bool:
        """Whether directives after the first row are counted as skipped lines."""

    @property
    def remark(self) -> str:
        """A note on a detected property of the rows that may be wrong; usually empty."""

    def directive(self, data: bytes) -> bytes:
        """Return the last directive in `data`, which starts at a line; empty if there is none."""

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """Return the size of the next block in `data`, which starts at a row and is not empty.

        Returns:
            None if more bytes are needed, or if there is no further row.
        """

    def ends_well(self, rest: bytes) -> bool:
        """Return whether a complete source can end with `rest` after its last block."""

    def texts(self, block: Block, lines: Collection[int]) -> dict[int, bytes]:
        """Return the JSON texts of the rows at `lines`, by line.

        Formats whose rows are not JSON return none.
        """

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """Parse the rows of `block`, in order; blank lines are neither rows nor rejections.

        Args:
            block: The block to parse.
            is_record: Returns whether a row would make a record, for formats in which a line can be
                a row or a part of one. Without it, every text in the form of a row is a row.
        """
