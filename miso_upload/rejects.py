"""The rejects file: every row that was set aside, with where it stood and why, once.

A line is JSON: `{"source", "line", "by", "reasons", "row"}`. The file is written just before the
ledger commits the same rejections together with the file's length, so after a crash whatever stands
behind that length was not committed and is cut off.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.encoding import JSONEncodeError, encode
from miso_upload.errors import MisoUploadError
from miso_upload.sources.inputs import REJECTS_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miso_upload.records import Rejection

_OURS = b'{"source":'


class RejectsFile:
    """A rejects file to add to; it is created when there is something to write.

    Args:
        path: Where it is.
        known: The length that the ledger remembers of it, if it does.
        ours: The name is one that only we give, so what stands in it is of another target, or from
            before a restart, and is replaced. A file that the user named is only added to.
    """

    def __init__(self, path: Path, known: int | None = None, *, ours: bool = False) -> None:
        self.path = path
        self._known = 0 if known is None and ours else known
        self._file: int | None = None

    def add(self, source: str, rejections: Iterable[Rejection]) -> int:
        """Write `rejections` of `source` and return the file's length, when they are on disk.

        Raises:
            MisoUploadError: The file cannot be written.
        """
        text = b"".join(rejection_line(source, rejection) for rejection in rejections)
        try:
            if self._file is None:
                self._file = self._open()
            left = memoryview(text)
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
            return os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            raise MisoUploadError(
                f"the rejects file {self.path} cannot be written ({error.strerror}); name another "
                "with --rejects FILE and run the same command again"
            ) from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        length = os.lseek(descriptor, 0, os.SEEK_END)
        if self._known is not None and length > self._known and self._is_ours(descriptor):
            os.ftruncate(descriptor, self._known)
        os.lseek(descriptor, 0, os.SEEK_END)
        return descriptor

    def _is_ours(self, descriptor: int) -> bool:
        """Return whether what stands behind the known length looks like a line of ours."""
        os.lseek(descriptor, self._known or 0, os.SEEK_SET)
        return os.read(descriptor, len(_OURS)) == _OURS[: len(_OURS)]


def rejection_line(source: str, rejection: Rejection) -> bytes:
    """Return the line of the rejects file for one rejection."""
    line = {
        "source": source,
        "line": rejection.line,
        "by": rejection.by,
        "reasons": [reason.text for reason in rejection.reasons],
        "row": rejection.row,
    }
    try:
        return encode(line) + b"\n"
    except JSONEncodeError:
        # What could be read but not be written again is kept as text: better seen than lost.
        return encode({**line, "row": ascii(rejection.row)}) + b"\n"


def rejects_path(source: str) -> Path:
    """Return where the rejects of an input go unless the user says otherwise."""
    return Path(source + REJECTS_SUFFIX)
