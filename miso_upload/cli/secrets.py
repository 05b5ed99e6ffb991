"""Keeps secrets from other processes, and checks who else can read their files."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from miso_upload.values.secrets import KEY, SALT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
