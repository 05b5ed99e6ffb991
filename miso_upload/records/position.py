"""Identifies the file behind a source, and the spans that were read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Stamp(NamedTuple):
    """The file behind an input, and its state.

    Attributes:
        file: Device and inode.
        state: Size and times; None if equal times would not prove that nothing changed.
    """

    file: str
    state: str | None


class SourceIdentity(NamedTuple):
    """Hints by which a later run recognizes an input; no hint is proof.

    Attributes:
        key: Its absolute path or URL.
        stamp: The file and its state; None if they are not known, for example for a pipe.
        head: A checksum of its first bytes; None if the input is too short.
        preamble: A checksum of everything before the first row.
    """

    key: str
    stamp: Stamp | None
    head: bytes | None
    preamble: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """A byte range of a source that an earlier run read as one block.

    Attributes:
        checksum: The checksum of its bytes; empty for an unreadable row, which is never in memory
            as a whole.
    """

    start: int
    end: int
    first_line: int
    checksum: bytes
