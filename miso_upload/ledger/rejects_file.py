"""The rejects file: every rejected row, with its place and the reasons, once.

A line is JSON: `{"source", "line", "by", "reasons", "row"}`, or the same without the row, which may
hold a visitor's address. Control characters are written as escapes. The ledger knows how long the
file was when a run first opened it, and commits each batch's rejections together with the file's
new length. So what a run that died wrote behind that length was not committed, and is cut off.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from miso_upload.errors import LedgerError
from miso_upload.values.display import as_text, one_line
from miso_upload.values.input_names import REJECTS_SUFFIX, local_name
from miso_upload.values.json import JSONDecodeError, JSONEncodeError, decode, encode, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.records import Rejection

_SPACES = bytes.maketrans(b"\t\r\n", b"   ")
_OURS = b'{"source":'
_HASH_DIGITS = 16
_USUAL_LONGEST_NAME = 255


class RejectsFile:
    """A rejects file to add to; it is created when there is something to write.

    Args:
        path: Where it is.
        known: How many of its bytes are to stay, if the ledger knows (see `Ledger.rejects_length`).
        ours: The name is one that only we give, so what stands in it is of another target, or from
            before a restart, and is replaced. A file that the user named is only added to.
        rows: Whether the rows themselves are written.
    """

    def __init__(
        self, path: Path, known: int | None = None, *, ours: bool = False, rows: bool = True
    ) -> None:
        self.path = path
        self._rows = rows
        self._ours = ours
        self._known = 0 if known is None and ours else known
        self._before = 0
        self._file: int | None = None
        self._mode: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether rejections can be added."""
        return self._file is not None

    def open(self) -> int:
        """Open the file, and return its length for the ledger to know before anything is added.

        Raises:
            LedgerError: It cannot be written.
        """
        with self._guarded():
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            if self._mode is not None and sys.platform != "win32":
                os.fchmod(self._file, self._mode)
            length = os.lseek(self._file, 0, os.SEEK_END)
            known = self._known
            if known is not None and length > known and _is_ours(self._file, known):
                os.ftruncate(self._file, known)
            return os.lseek(self._file, 0, os.SEEK_END)

    def restart(self, source: str) -> None:
        """Remove the file, since the rows in it are about to be read and validated again.

        A file that the user named stays, as does one with lines of another source or of this run.
        """
        if not self._ours or self._file is not None:
            return
        start = one_line(encode({"source": readable(source)}).decode()).encode()[:-1]
        with self._guarded(), suppress(FileNotFoundError):
            with self.path.open("rb") as file:
                if not all(line.startswith(start) for line in file):
                    return
            # The file that takes its place has the mode that the user may have given to this one.
            self._mode = stat.S_IMODE(self.path.stat().st_mode)
            self.path.unlink()
            self._known = 0

    def add(self, source: str, rejections: Iterable[Rejection]) -> int:
        """Write `rejections` of `source` and return the file's length, when they are on disk.

        Raises:
            LedgerError: They cannot be written; then nothing of them is.
        """
        text = b"".join(rejection_line(source, each, row=self._rows) for each in rejections)
        if self._file is None:
            self.open()
        with self._guarded():
            return self._append(text)

    def take_back(self) -> None:
        """Cut off what was added last: the ledger could not commit it."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, self._before)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LedgerError(
                f"the rejects file {self.path} cannot be written ({error.strerror}). The rows are "
                "in the ledger: 'miso-upload rejects FILE' prints them; or name another file with "
                "--rejects and run the same command again"
            ) from None

    def _append(self, text: bytes) -> int:
        """Write `text` at the end, all of it or nothing, and return where it ends."""
        descriptor = cast("int", self._file)
        self._before = before = os.lseek(descriptor, 0, os.SEEK_END)
        if before and _read_at(descriptor, before - 1, 1) != b"\n":
            text = b"\n" + text
        try:
            left = memoryview(text)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            self.take_back()
            raise
        return before + len(text)


def _is_ours(descriptor: int, length: int) -> bool:
    """Return whether what stands behind `length` looks like a line of ours, or a piece of one."""
    return _OURS.startswith(_read_at(descriptor, length, len(_OURS)))


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def rejection_line(source: str, rejection: Rejection, *, row: bool = True) -> bytes:
    """Return the line of the rejects file for one rejection, with its row or without.

    A row that is JSON is written as the text that it is in the source.
    """
    reasons = [reason.text for reason in rejection.reasons]
    line: dict[str, Any] = {
        "source": source,
        "line": rejection.line,
        "by": rejection.by,
        "reasons": reasons,
    }
    raw = _json_on_one_line(rejection.text) if row and rejection.text is not None else None
    if raw is not None:
        start = encode(readable(line)).removesuffix(b"}")
        return one_line((start + b',"row":' + raw + b"}").decode()).encode() + b"\n"
    if row:
        line["row"] = rejection.row
    try:
        text = encode(line)
    except JSONEncodeError:
        # What could be read but not be written again is kept as text: better seen than lost.
        text = encode(readable({**line, "row": as_text(rejection.row)} if row else line))
    return one_line(text.decode()).encode() + b"\n"


def _json_on_one_line(text: bytes) -> bytes | None:
    """Return a JSON text on one line, or None if it is not JSON."""
    try:
        decode(text)
    except JSONDecodeError:
        return None
    # In JSON, these stand between tokens only.
    return text.translate(_SPACES).strip()


def rejects_path(source: str) -> Path:
    """Return where the rejects of an input go unless the user says otherwise.

    Those of a remote input go to the working directory. A name that would be longer than names can
    be is cut, with a part of its hash in place of what is left out.
    """
    path = Path(local_name(source))
    name = os.fsencode(path.name)
    most = _longest_name(path.parent) - len(REJECTS_SUFFIX)
    if len(name) <= most:
        return path.with_name(path.name + REJECTS_SUFFIX)
    digest = "-" + hashlib.sha256(name).hexdigest()[:_HASH_DIGITS]
    kept = name[: most - len(digest)].decode(errors="ignore")
    return path.with_name(kept + digest + REJECTS_SUFFIX)


def _longest_name(directory: Path) -> int:
    """Return how many bytes the name of a file in a directory may have."""
    if sys.platform != "win32":
        with suppress(OSError, ValueError):
            return os.pathconf(directory, "PC_NAME_MAX")
    return _USUAL_LONGEST_NAME
