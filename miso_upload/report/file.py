"""Writes the report file atomically."""

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
"""The prefix of the temporary file; with the report's name in it, the name could be too long."""


def write_report(path: str, summary: Summary) -> None:
    """Write the report to a file; if that fails, a file that exists stays as it was.

    Raises:
        LedgerError: The file cannot be written.
    """
    text = encode_pretty(summary_json(summary))
    try:
        file = Path(path).resolve()
        if identity_of(path) is None:
            Path(path).write_bytes(text)  # a pipe or a device
        elif file.exists() and not os.access(file.parent, os.W_OK):
            file.write_bytes(text)  # the directory is read-only
        else:
            _replace(file, text)
    except OSError as error:
        raise LedgerError(
            f"--report {path}: cannot write the file ({error.strerror}). The ledger has the "
            "results of the upload: run 'miso-upload status' to see them"
        ) from None


def _replace(path: Path, text: bytes) -> None:
    """Replace the content of a file atomically.

    Only its owner can read a new file; an existing file keeps its owner and its mode.
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
    """Give a new file the owner and the mode of the file that it replaces, if any."""
    if sys.platform != "win32" and path.exists():
        about = path.stat()
        with suppress(OSError):
            os.fchown(descriptor, about.st_uid, about.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(about.st_mode))
