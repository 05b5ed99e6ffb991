"""What every row format can do: cut a stream into blocks, and parse a block into slices."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records import Block, Reason, Slice
    from miso_upload.records.slice import IsRecord

SLICE_ROWS = 256
"""How many rows are parsed, judged and encoded in one go.

Slices of 50 to 2,000 rows were measured to be twice as fast as whole blocks, which fall out of the
processor's caches; and one bad row costs a closer look at its slice only.
"""

SLICE_BYTES = 2**22
"""How many bytes of text a slice may have unless it is a single row, so that wide rows make smaller
slices: as objects, the smallest values take twenty times as much memory as their text."""
SLICE_CELLS = 2**19
"""The same for rows of cells, each of which is an object however short it is."""


class Tail(Enum):
    """What follows the bytes at hand."""

    COMING = auto()
    """More bytes, so nothing is decided that they could change."""
    WAITING = auto()
    """Nothing yet: a row whose end is not there is left for another time."""
    LAST = auto()
    """Nothing ever: what is there is all there is."""


LOOKED_AT = 65_536
"""How much of the beginning the format is told from, unless a header or a first line is longer."""


class Limits(NamedTuple):
    """How large a block and a row may grow.

    Attributes:
        rows: Rows in a block, at most.
        row_bytes: Bytes in a row, at most; a longer one is set aside without being held in memory.
        block_bytes: Bytes in a block, at most, so that wide rows make smaller blocks; a single row
            may be larger.
    """

    rows: int
    row_bytes: int
    block_bytes: int


class RowEnd(Protocol):
    """Looks for the end of a row that is too long to be held in memory."""

    def find(self, data: bytes) -> int | None:
        """Return where in `data` the row ends; None if it goes on in the bytes that follow."""


class Cut(NamedTuple):
    """The size of the next block in the bytes at hand.

    Attributes:
        size: Bytes that belong to it; none where the source is broken from here on.
        elements: How many array elements these bytes are, or lines; 0 if lines are not counted yet.
        fault: Why they cannot be read as a row, if so.
        rest: Finds the end of the fault where it is not at hand yet.
    """

    size: int
    elements: int = 0
    fault: Reason | None = None
    rest: RowEnd | None = None


class Format(Protocol):
    """A row format; a small value that can be sent to a worker process.

    Where a row ends depends on the bytes from its beginning on and on nothing before, so reading
    can go on from the end of any block, and however blocks are cut, the rows are the same. What a
    row says may also depend on the last directive before it: a line by which the source says how
    the lines behind it are to be read. A block carries the one that is in force where it begins.
    """

    @property
    def name(self) -> str:
        """What `--format` calls it."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns that each row has, if the source names them once for all."""

    @property
    def preset(self) -> str | None:
        """The preset that lies under the user's mapping for such rows; None for nothing."""

    @property
    def by_line(self) -> bool:
        """Whether every row ends at a newline."""

    @property
    def has_directives(self) -> bool:
        """Whether there may be directives, so that they must be looked for."""

    @property
    def remark(self) -> str:
        """What was found out of the rows that the user may see otherwise; most often nothing."""

    def directive(self, data: bytes) -> bytes:
        """Return the last directive in `data`, which starts at a line; nothing if it has none."""

    def cut(self, data: bytes, limits: Limits, tail: Tail) -> Cut | None:
        """Return how much of `data`, which starts at a row and is not empty, is the next block.

        Returns:
            None where that cannot be told without more bytes, or where no further row is there.
        """

    def ends_well(self, rest: bytes) -> bool:
        """Return whether a source may end with `rest` behind its last block."""

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
