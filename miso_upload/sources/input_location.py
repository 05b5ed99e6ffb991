"""Defines the interface of the location of an input."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from miso_upload.records import Stamp


class InputLocation(Protocol):
    """The location of an input."""

    shown: str
    """The input's name in messages."""
    ours: bool
    """Whether the file that `open` returned must be closed."""
    can_reopen: bool
    """Whether opening the input again yields the same bytes. Known after `open`."""

    def open(self) -> IO[bytes]:
        """Return the input's raw bytes as an unbuffered file.

        Raises:
            SourceError: The input cannot be opened.
        """

    def size(self) -> int | None:
        """Return the size in bytes, or None if it is not known."""

    def stamp(self) -> Stamp | None:
        """Return the identity and version of an object, after `open`.

        None if the location has no version. The stamp of a local file is taken from its descriptor.
        """

    def written_at(self) -> float | None:
        """Return when a remote object was last modified, in seconds since 1970, if known."""


class Unversioned:
    """The part of a location that is the same for all inputs without a version of their own."""

    def size(self) -> int | None:
        """See `InputLocation.size`."""
        return None

    def stamp(self) -> Stamp | None:
        """See `InputLocation.stamp`."""
        return None

    def written_at(self) -> float | None:
        """See `InputLocation.written_at`."""
        return None
