"""Writes records to a file instead of sending them: one JSON object a line, perhaps gzipped."""

from __future__ import annotations

import gzip
import sys
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

from miso_upload.delivery.request_bodies import ENVELOPE_START, selected_bodies
from miso_upload.errors import OutputError
from miso_upload.records import Receipt
from miso_upload.values.file_identity import identity_of
from miso_upload.values.input_names import STDIN
from miso_upload.values.replacement import Replacement

if TYPE_CHECKING:
    from typing import BinaryIO

    from miso_upload.delivery.request_bodies import RequestBody
    from miso_upload.records import Batch, Selection

STDOUT = STDIN
"""The name of standard output is that of standard input."""
_BESIDE = ".miso-upload-records."


class RecordFileDeliverer:
    """Replaces `Deliverer` if records are written to a file.

    The file appears when it is complete. Records go to standard output and to pipes at once.

    Args:
        name: The file, or `-` for standard output; a name with the ending `.gz` is gzipped.

    Raises:
        OutputError: The file cannot be created.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._replacement: Replacement | None = None
        try:
            self._below = self._opened()
        except OSError as error:
            raise self._failed(error) from None
        self._file: BinaryIO = self._below
        if name.endswith(".gz"):
            zipped = gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._below, mtime=0)
            self._file = cast("BinaryIO", zipped)

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Write the selected records of `batch`; return a receipt in which they are pending."""
        lines: list[int] = []
        for body in selected_bodies(batch, selection):
            lines += body.lines
            try:
                self._file.write(_json_lines(body))
            except OSError as error:
                return Receipt(pending=list(batch.lines), stop=self._failed(error))
        return Receipt(pending=lines)

    def finish(self) -> None:
        """Complete the file.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            if self._file is not self._below:
                self._file.close()
            self._below.flush()
            if self._replacement is not None:
                self._replacement.commit()
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Delete the file, unless it is complete."""
        if self._replacement is not None:
            self._replacement.discard()
        elif self._below is not sys.stdout.buffer:
            with suppress(OSError):
                self._below.close()

    def _opened(self) -> BinaryIO:
        if self._name == STDOUT:
            return sys.stdout.buffer
        path = Path(self._name)
        if identity_of(path) is None:
            return path.open("wb")  # a pipe or a device
        self._replacement = Replacement(path, _BESIDE)
        return self._replacement.file

    def _failed(self, error: OSError) -> OutputError:
        where = "to standard output" if self._name == STDOUT else self._name
        return OutputError(
            f"cannot write {where}: {error.strerror}. Free some space or name another file, and "
            "rerun the same command"
        )


def _json_lines(body: RequestBody) -> bytes:
    """Return the records of a body, one a line, as the transform encoded them."""
    text = body.encoded()[ENVELOPE_START:]
    begins = accumulate((length + 1 for length in body.lengths), initial=0)
    return b"".join(text[begin : end - 1] + b"\n" for begin, end in pairwise(begins))
