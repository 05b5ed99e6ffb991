"""Writes the report file atomically."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import LedgerError
from miso_upload.report.json import summary_json
from miso_upload.values.file_identity import identity_of
from miso_upload.values.json import encode_pretty
from miso_upload.values.replacement import Replacement

if TYPE_CHECKING:
    from miso_upload.report.summary import Summary

_BESIDE = ".miso-upload-report."
"""The prefix of the temporary file."""


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
    """Replace the content of a file in one step."""
    replacement = Replacement(path, _BESIDE)
    try:
        replacement.file.write(text)
        replacement.commit()
    finally:
        replacement.discard()
