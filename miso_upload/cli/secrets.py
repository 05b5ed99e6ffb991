"""The key and the salt: where they come from, and who else can read them there."""

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
    """Return what a file holds, or else a variable.

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
        # The name is not repeated: it may be the secret itself, given in the wrong place.
        raise ConfigurationError(
            f"{option}: the file cannot be read ({problem}); give the name of a file that holds "
            "the secret"
        ) from None


@contextmanager
def kept_from_others() -> Iterator[None]:
    """Take the secrets out of the environment for a while.

    Whatever is started meanwhile, and a function of the user's, has no business with them.
    """
    held = {name: os.environ.pop(name) for name in (KEY, SALT) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)


def is_exposed(path: Path | None) -> bool:
    """Return whether other users can read a file of the user's own.

    Not so where somebody else owns it: container systems mount secrets for all of a container.
    """
    try:
        about = path.stat() if path is not None and sys.platform != "win32" else None
    except (OSError, ValueError):
        return False
    if about is None or not stat.S_ISREG(about.st_mode):
        return False
    return sys.platform != "win32" and about.st_uid == os.getuid() and bool(about.st_mode & 0o077)
