"""Which file a source is, and which stretch of it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Stamp(NamedTuple):
    """Which file an input is, and the state that the file is in, as far as that can be told.

    Attributes:
        file: Device and inode.
        state: Size and times; None where equal times would prove nothing.
    """

    file: str
    state: str | None


class Identity(NamedTuple):
    """What an input can be found again by; none of it proves anything.

    Attributes:
        key: Its absolute path, or its URL.
        stamp: Which file it is, and in which state; None where that cannot be told, as of a pipe.
        head: A checksum of its beginning; None where there is too little of it.
        preamble: A checksum of what stands before its first row.
    """

    key: str
    stamp: Stamp | None
    head: bytes | None
    preamble: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source that was made into a block before.

    Attributes:
        checksum: Of its bytes; none of a row that cannot be read, since it is not held whole.
    """

    start: int
    end: int
    first_line: int
    checksum: bytes
