"""Reads the API key and the salt, and checks who else can read their files."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, SALT = "MISO_API_KEY", "MISO_ANONYMOUS_ID_SALT"


def read_secret(option: str, file: str | None, variable: str) -> str:
    """Return the content of a file, or of a variable if no file is given.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    if file is None:
        return os.environ.get(variable, "").strip()
    try:
        with open(file, encoding="utf-8") as held:  # noqa: PTH123 -- pathlib takes long to import
            return held.read().strip()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8"
        # Do not repeat the name: it may be the secret itself, given by mistake.
        raise ConfigurationError(
            f"{option}: cannot read the file ({problem}); name a file that contains the secret"
        ) from None


@contextmanager
def kept_from_others() -> Iterator[None]:
    """Remove the secrets from the environment within this context.

    The user's code and processes started in this context must not see them.
    """
    held = {name: os.environ.pop(name) for name in (KEY, SALT) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)


def is_exposed(path: Path | None) -> bool:
    """Return whether other users can read a file that the user owns.

    Files of other owners do not count: container systems mount secrets that every user of the
    container can read.
    """
    try:
        about = path.stat() if path is not None and sys.platform != "win32" else None
    except (OSError, ValueError):
        return False
    if about is None or not stat.S_ISREG(about.st_mode):
        return False
    return sys.platform != "win32" and about.st_uid == os.getuid() and bool(about.st_mode & 0o077)
