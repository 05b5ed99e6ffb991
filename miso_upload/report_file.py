"""The report as a file: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.encoding import encode_pretty
from miso_upload.errors import LedgerError

if TYPE_CHECKING:
    from miso_upload.report import Summary

_BESIDE = ".miso-upload-report."
"""What the file is called while it is written: with the report's own name before it, it could be
longer than names can be."""


def write_report(path: str, summary: Summary) -> None:
    """Write the report to a file, whole or not at all; what keeps it from that is a problem."""
    text = encode_pretty(summary.as_json())
    try:
        file = Path(path).resolve()
        if file.exists() and not (file.is_file() and os.access(file.parent, os.W_OK)):
            file.write_bytes(text)  # a pipe, a device, or a file that can have none beside it
        else:
            _replace(file, text)
    except OSError as error:
        summary.problems.append(
            LedgerError(
                f"--report {path}: cannot be written ({error.strerror}); the upload is noted in "
                "the ledger all the same ('miso-upload status')"
            )
        )


def _replace(path: Path, text: bytes) -> None:
    """Let a file hold `text`, for its owner to read; it is as it was until all is on disk."""
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=_BESIDE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
