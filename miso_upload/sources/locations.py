"""Where an input lies, and how its own bytes are come by: a file, standard input, an object."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

from miso_upload.errors import GoneSourceError, SourceError, UnreadableSourceError
from miso_upload.values.input_names import STDIN, is_remote, shown_name

if TYPE_CHECKING:
    from miso_upload.records import Stamp


class Place(Protocol):
    """Where an input lies."""

    shown: str
    """What it is called where people see it."""
    ours: bool
    """Whether what `open` returned is to be closed."""
    can_reopen: bool
    """Whether the same bytes come again when it is opened again. Known once it was opened."""

    def open(self) -> IO[bytes]:
        """Return the input's own bytes, without a buffer.

        Raises:
            SourceError: It cannot be opened.
        """

    def size(self) -> int | None:
        """Return how many bytes it has, or None if that is not known."""

    def stamp(self) -> Stamp | None:
        """Return which object it is and in which version, once it was opened.

        None where nothing but its bytes tells; local files tell it by their descriptor.
        """

    def written_at(self) -> float | None:
        """Return when what is no open file was last written, in seconds since 1970, if known."""


class LocalFile:
    """A file, a pipe or a device by name."""

    ours = True

    def __init__(self, name: str) -> None:
        self.shown = name
        self.can_reopen = False

    def open(self) -> IO[bytes]:
        """See `Place.open`."""
        try:
            raw = Path(self.shown).open("rb", buffering=0)  # noqa: SIM115 -- whoever asks closes it
        except FileNotFoundError as error:
            raise GoneSourceError(
                f"{unreadable(self.shown, error)}. If its log is being rotated, run the same "
                "command again"
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise unreadable(self.shown, error) from None
        self.can_reopen = stat.S_ISREG(os.fstat(raw.fileno()).st_mode)
        return raw

    def size(self) -> int | None:
        """See `Place.size`."""
        try:
            return Path(self.shown).stat().st_size or None
        except OSError:
            return None

    def stamp(self) -> Stamp | None:
        """See `Place.stamp`."""
        return None

    def written_at(self) -> float | None:
        """See `Place.written_at`."""
        return None


class StandardInput:
    """Standard input, without the buffer of Python's own, where that can be had."""

    ours = False
    can_reopen = False
    shown = shown_name(STDIN)

    def open(self) -> IO[bytes]:
        """See `Place.open`."""
        buffer = getattr(sys.stdin, "buffer", None)
        raw = cast("IO[bytes] | None", getattr(buffer, "raw", buffer))
        if raw is None or raw.closed:
            raise SourceError("stdin: is closed")
        return raw

    def size(self) -> int | None:
        """See `Place.size`."""
        return None

    def stamp(self) -> Stamp | None:
        """See `Place.stamp`."""
        return None

    def written_at(self) -> float | None:
        """See `Place.written_at`."""
        return None


def place_of(name: str, *, allow_insecure_http: bool = False) -> Place:
    """Return the place that a name stands for.

    Raises:
        SourceError: It is a URL that cannot be used.
        ConfigurationError: It is a URL, and what reads those is not installed.
    """
    if name == STDIN:
        return StandardInput()
    if is_remote(name):
        from miso_upload.sources.remote.object import RemoteObject  # noqa: PLC0415 -- an extra, and slow

        return RemoteObject(name, allow_insecure_http=allow_insecure_http)
    return LocalFile(name)


def unreadable(shown: str, error: Exception) -> UnreadableSourceError:
    """Return the error of an input that the operating system would not read."""
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return UnreadableSourceError(f"{shown}: cannot be read: {reason or type(error).__name__}")
