"""The key and the salt: where they come from, and who else can read them there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def read_secret(option: str, path: Path | None, variable: str) -> str:
    """Return what a file holds, or else a variable; the variable is gone afterwards.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    # What this program starts, or a function of the user's, has no business with it.
    found = os.environ.pop(variable, "").strip()
    if path is None:
        return found
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8"
        # The name is not repeated: it may be the secret itself, given in the wrong place.
        raise ConfigurationError(
            f"{option}: the file cannot be read ({problem}); give the name of a file that holds "
            "the secret"
        ) from None


def is_exposed(path: Path | None) -> bool:
    """Return whether other users can read a file of the user's own.

    Not so where somebody else owns it: container systems mount secrets for all of a container.
    """
    try:
        about = path.stat() if path is not None and os.name == "posix" else None
    except (OSError, ValueError):
        return False
    if about is None or not stat.S_ISREG(about.st_mode):
        return False
    return about.st_uid == os.getuid() and bool(about.st_mode & 0o077)
