"""Tells whether two paths refer to the same file."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path
from typing import TypeAlias

Identity: TypeAlias = tuple[object, ...]
"""Equal for two paths if and only if they refer to the same file."""

_DESCRIPTORS = ("/dev/", "/proc/")
"""Paths below these name devices, and files that the caller has already opened."""


def identity_of(path: str | os.PathLike[str]) -> Identity | None:
    """Return the identity of a file, which is the same for all of its names and links.

    An existing file is identified by device and inode, any other by its directory and name.

    Returns:
        None unless it is a regular file: for `/dev/null`, a pipe or a directory.
    """
    text = os.path.abspath(os.fspath(path))  # noqa: PTH100 -- keeps links as they are
    if text.startswith(_DESCRIPTORS):
        return None
    try:
        about = Path(text).stat()
    except (OSError, ValueError):
        return _identity_of_new(text)
    return _identity(about, text)


def identity_of_descriptor(descriptor: int) -> Identity | None:
    """Return the identity of an open file; None if it is closed or not a regular file."""
    try:
        about = os.fstat(descriptor)
    except OSError:
        return None
    return _identity(about, "") if about.st_ino else None


def _identity(about: os.stat_result, path: str) -> Identity | None:
    if not stat.S_ISREG(about.st_mode):
        return None
    # Some file systems of Windows have no inode numbers.
    if about.st_ino:
        return about.st_dev, about.st_ino
    return (os.path.normcase(os.path.realpath(path)),)


def _identity_of_new(path: str) -> Identity:
    """Return the identity of a file that does not exist yet; `path` may be a link to it."""
    try:
        resolved = Path(os.path.realpath(path))
        about = resolved.parent.stat()
    except (OSError, ValueError):
        return (path,)
    name = os.path.normcase(resolved.name)
    if ignores_case(resolved.parent):
        name = unicodedata.normalize("NFC", name).casefold()
    # Without an inode number, only the path identifies the directory.
    where = (about.st_dev, about.st_ino) if about.st_ino else (str(resolved.parent),)
    return *where, name


def ignores_case(directory: Path) -> bool:
    """Return whether the directory's file system ignores the case of names."""
    for parent in (directory, *directory.parents):
        other = parent.with_name(parent.name.swapcase()) if parent.name else parent
        if other != parent:
            try:
                return other.samefile(parent)
            except OSError:
                return False
    return False
