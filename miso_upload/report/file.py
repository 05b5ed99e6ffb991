"""The report as a file: whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import LedgerError
from miso_upload.report.json import summary_json
from miso_upload.values.file_identity import identity_of
from miso_upload.values.json import encode_pretty

if TYPE_CHECKING:
    from miso_upload.report.summary import Summary

_BESIDE = ".miso-upload-report."
"""What the file is called while it is written: with the report's own name before it, it could be
longer than names can be."""


def write_report(path: str, summary: Summary) -> None:
    """Write the report to a file, whole or not at all.

    Raises:
        LedgerError: It cannot be written.
    """
    text = encode_pretty(summary_json(summary))
    try:
        file = Path(path).resolve()
        if identity_of(path) is None:
            Path(path).write_bytes(text)  # a pipe or a device
        elif file.exists() and not os.access(file.parent, os.W_OK):
            file.write_bytes(text)  # no file can be made beside it
        else:
            _replace(file, text)
    except OSError as error:
        raise LedgerError(
            f"--report {path}: cannot be written ({error.strerror}); the upload is noted in "
            "the ledger all the same ('miso-upload status')"
        ) from None


def _replace(path: Path, text: bytes) -> None:
    """Let a file hold `text`; it is as it was until all is on disk.

    A new file is for its owner to read; one that is there keeps its owner and its mode.
    """
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=_BESIDE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _take_mode_of(path, descriptor)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _take_mode_of(path: Path, descriptor: int) -> None:
    """Give a new file the owner and the mode of the one that it replaces, if there is one."""
    if sys.platform != "win32" and path.exists():
        about = path.stat()
        with suppress(OSError):
            os.fchown(descriptor, about.st_uid, about.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(about.st_mode))
