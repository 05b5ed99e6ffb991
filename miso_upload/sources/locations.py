"""Opens the raw bytes of an input: a local file, standard input, or a remote object."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from miso_upload.errors import GoneSourceError, SourceError, UnreadableSourceError
from miso_upload.sources.input_location import Unversioned
from miso_upload.sources.rows_input import RowsInput, RowsLocation
from miso_upload.values.input_names import STDIN, is_remote, shown_name

if TYPE_CHECKING:
    from miso_upload.sources.input_location import InputLocation


class LocalFile(Unversioned):
    """A file, a pipe or a device, by name."""

    ours = True

    def __init__(self, name: str) -> None:
        self.shown = name
        self.can_reopen = False

    def open(self) -> IO[bytes]:
        """See `InputLocation.open`."""
        try:
            raw = Path(self.shown).open("rb", buffering=0)  # noqa: SIM115 -- the caller closes it
        except FileNotFoundError as error:
            raise GoneSourceError(
                f"{unreadable(self.shown, error)}. If its log is being rotated, rerun the same "
                "command"
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise unreadable(self.shown, error) from None
        self.can_reopen = stat.S_ISREG(os.fstat(raw.fileno()).st_mode)
        return raw

    def size(self) -> int | None:
        """See `InputLocation.size`."""
        try:
            return Path(self.shown).stat().st_size or None
        except OSError:
            return None


class StandardInput(Unversioned):
    """Standard input, without Python's own buffer if possible."""

    ours = False
    can_reopen = False
    shown = shown_name(STDIN)

    def open(self) -> IO[bytes]:
        """See `InputLocation.open`."""
        buffer = getattr(sys.stdin, "buffer", None)
        raw = cast("IO[bytes] | None", getattr(buffer, "raw", buffer))
        if raw is None or raw.closed:
            raise SourceError("stdin: standard input is closed; name a file, or pipe the rows in")
        return raw


def location_of(name: str, *, allow_insecure_http: bool = False) -> InputLocation:
    """Return the location that a name means.

    Raises:
        SourceError: The name is a URL that cannot be used.
        ConfigurationError: The name is a URL, and the package that reads URLs is not installed.
    """
    if name == STDIN:
        return StandardInput()
    if isinstance(name, RowsInput):
        return RowsLocation(name)
    if is_remote(name):
        from miso_upload.sources.remote.object import RemoteObject  # noqa: PLC0415 -- an extra, and slow

        return RemoteObject(name, allow_insecure_http=allow_insecure_http)
    return LocalFile(name)


def unreadable(shown: str, error: Exception) -> UnreadableSourceError:
    """Return the error for an input that the operating system cannot read."""
    reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return UnreadableSourceError(f"{shown}: cannot be read: {reason or type(error).__name__}")
