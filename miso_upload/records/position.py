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


_MARK = "\n--pass-name "
"""Stands between a path or URL and the name of a pass. No option makes an input with this name."""


def key_of_pass(path: str, name: str) -> str:
    """Return the key of a source that is read in a pass of its own; the path itself for none."""
    return path + _MARK + name if name else path


def path_and_pass(key: str) -> tuple[str, str]:
    """Return the path or URL of a key, and the name of its pass; empty for none."""
    path, _, name = key.partition(_MARK)
    return path, name


class SourceIdentity(NamedTuple):
    """Hints by which a later run recognizes an input; no hint is proof.

    Attributes:
        key: Its absolute path or URL, with the name of its pass if it has one.
        stamp: The file and its state; None if they are not known, for example for a pipe.
        head: A checksum of its first bytes; None if the input is too short.
        preamble: A checksum of everything before the first row.
    """

    key: str
    stamp: Stamp | None
    head: bytes | None
    preamble: bytes

    def of_pass(self, name: str) -> SourceIdentity:
        """Return the identity of the input in a pass of this name, which is resumed on its own."""
        return self._replace(key=key_of_pass(self.key, name))


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
