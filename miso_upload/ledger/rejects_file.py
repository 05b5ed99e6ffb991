"""Writes the rejects file, which has each rejected row once, with its source, line and reasons.

A line is JSON: `{"source", "line", "by", "reasons", "row"}`. If elements of a row are rejected, the
line also has their numbers, as `elements`, and each reason begins with its element. If a group of
rows is rejected, `lines` and `row` are lists of its lines and rows. The row may be left out,
because it may contain a visitor's address. Control characters are escaped. The ledger stores the
length of the file when a run opens it, and commits each batch's rejections together with the new
length. Bytes after that length were written by a run that died before its commit, so they are
truncated.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from miso_upload.errors import LedgerError
from miso_upload.records.element import element_of, line_of
from miso_upload.values.display import as_text, one_line
from miso_upload.values.input_names import REJECTS_SUFFIX, local_name
from miso_upload.values.json import JSONDecodeError, JSONEncodeError, decode, encode, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miso_upload.records import Rejection

_SPACES = bytes.maketrans(b"\t\r\n", b"   ")
_LINE_START = b'{"source":'
_HASH_DIGITS = 16
_USUAL_NAME_MAX = 255


class RejectsFile:
    """A rejects file to append to. It is created on the first write.

    Args:
        path: The path of the file.
        known: How many of its bytes to keep; None if the ledger does not know the file (see
            `Ledger.rejects_length`).
        ours: Whether miso-upload chose the name. Old content is then from another target, or from
            before a restart, and is replaced. A file that the user named is only appended to.
        rows: Whether to write the rows themselves.
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
        """Whether the file is open."""
        return self._file is not None

    def open(self) -> int:
        """Open the file, and return its length, which the ledger must store before the first `add`.

        Raises:
            LedgerError: The file cannot be written.
        """
        with self._guarded():
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            if self._mode is not None and sys.platform != "win32":
                os.fchmod(self._file, self._mode)
            length = os.lseek(self._file, 0, os.SEEK_END)
            known = self._known
            if known is not None and length > known and _has_line_at(self._file, known):
                os.ftruncate(self._file, known)
            return os.lseek(self._file, 0, os.SEEK_END)

    def restart(self, source: str) -> None:
        """Remove the file, because its rows are about to be read and validated again.

        A file stays if the user named it, or if it has lines of another source or of this run.
        """
        if not self._ours or self._file is not None:
            return
        start = one_line(encode({"source": readable(source)}).decode()).encode()[:-1]
        with self._guarded(), suppress(FileNotFoundError):
            with self.path.open("rb") as file:
                if not all(line.startswith(start) for line in file):
                    return
            # The new file gets the same mode, because the user may have changed it.
            self._mode = stat.S_IMODE(self.path.stat().st_mode)
            self.path.unlink()
            self._known = 0

    def add(self, source: str, rejections: Iterable[Rejection]) -> int:
        """Write `rejections` of `source` to disk, and return the file's new length.

        Raises:
            LedgerError: They cannot be written; none of them is in the file then.
        """
        text = b"".join(
            rejection_line(source, *each, row=self._rows) for each in by_row(rejections)
        )
        if self._file is None:
            self.open()
        with self._guarded():
            return self._append(text)

    def take_back(self) -> None:
        """Remove the last added rejections, because the ledger could not commit them."""
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
                f"Cannot write the rejects file {self.path} ({error.strerror}). Name another file "
                "with --rejects and rerun the same command. 'miso-upload rejects FILE' prints the "
                "rejected rows that are already in the ledger."
            ) from None

    def _append(self, text: bytes) -> int:
        """Append `text`, all of it or nothing, and return the new length."""
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


def _has_line_at(descriptor: int, offset: int) -> bool:
    """Return whether the bytes at `offset` start like a line of a rejects file."""
    return _LINE_START.startswith(_read_at(descriptor, offset, len(_LINE_START)))


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def by_row(rejections: Iterable[Rejection]) -> Iterator[list[Rejection]]:
    """Yield the rejections that share a line of the file.

    They are about elements of the same row. Miso's rejections have a line each, because they
    contain the record that was sent.
    """
    for _, same in groupby(rejections, key=lambda each: (line_of(each.line), each.by)):
        found = list(same)
        if found[0].by == "miso":
            yield from ([each] for each in found)
        else:
            yield found


def rejection_line(source: str, *rejections: Rejection, row: bool = True) -> bytes:
    """Return the line of the rejects file for rejections that `by_row` put together.

    A JSON row is written with its text in the source.

    Args:
        source: The name of the source.
        rejections: At least one rejection.
        row: Whether to write the row.
    """
    rejection = rejections[0]
    elements = [element_of(each.line) for each in rejections]
    reasons = [
        f"{element.label}: {reason.text}" if element.label else reason.text
        for element, each in zip(elements, rejections, strict=True)
        for reason in each.reasons
    ]
    line: dict[str, Any] = {
        "source": source,
        "line": elements[0].line,
        "by": rejection.by,
        "reasons": reasons,
    }
    numbers = [element.number for element in elements if element.number]
    if numbers:
        line["elements"] = numbers
    if rejection.lines:
        line["lines"] = rejection.lines
    raw = _json_on_one_line(rejection.text) if row and rejection.text is not None else None
    if raw is not None:
        start = encode(readable(line)).removesuffix(b"}")
        return one_line((start + b',"row":' + raw + b"}").decode()).encode() + b"\n"
    if row:
        line["row"] = rejection.row
    try:
        text = encode(line)
    except JSONEncodeError:
        # A row that can be read but not encoded again is written as text, so that it is not lost.
        text = encode(readable({**line, "row": as_text(rejection.row)} if row else line))
    return one_line(text.decode()).encode() + b"\n"


def _json_on_one_line(text: bytes) -> bytes | None:
    """Return a JSON text on one line, or None if it is not JSON."""
    try:
        decode(text)
    except JSONDecodeError:
        return None
    # In valid JSON, unescaped tabs and line breaks occur only between tokens.
    return text.translate(_SPACES).strip()


def rejects_path(source: str) -> Path:
    """Return the default path for the rejects of an input.

    Rejects of a remote input go to the working directory. A name that is too long for the file
    system is cut, and ends with a part of its hash.
    """
    path = Path(local_name(source))
    name = os.fsencode(path.name)
    limit = _name_max(path.parent) - len(REJECTS_SUFFIX)
    if len(name) <= limit:
        return path.with_name(path.name + REJECTS_SUFFIX)
    digest = "-" + hashlib.sha256(name).hexdigest()[:_HASH_DIGITS]
    kept = name[: limit - len(digest)].decode(errors="ignore")
    return path.with_name(kept + digest + REJECTS_SUFFIX)


def _name_max(directory: Path) -> int:
    """Return the maximum length of a file name in a directory, in bytes."""
    if sys.platform != "win32":
        with suppress(OSError, ValueError):
            return os.pathconf(directory, "PC_NAME_MAX")
    return _USUAL_NAME_MAX
