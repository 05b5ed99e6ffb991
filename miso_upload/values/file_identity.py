"""Tells whether two paths mean the same file, whatever the file is called."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path
from typing import TypeAlias

Identity: TypeAlias = tuple[object, ...]
"""Equal for two paths if and only if they mean the same file."""

_DESCRIPTORS = ("/dev/", "/proc/")
"""Names below these stand for devices and for files that the caller has opened already."""


def identity_of(path: str | os.PathLike[str]) -> Identity | None:
    """Return what tells a file from all others, by whatever link or name it is reached.

    A file that exists is known by its device and inode, one that does not by its directory and
    name.

    Returns:
        None for what is no regular file, such as `/dev/null`, a pipe or a directory.
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
    """Return the same for an open file; None if it is no regular file or closed."""
    try:
        about = os.fstat(descriptor)
    except OSError:
        return None
    return _identity(about, "") if about.st_ino else None


def _identity(about: os.stat_result, path: str) -> Identity | None:
    if not stat.S_ISREG(about.st_mode):
        return None
    # Some file systems of Windows number no files.
    if about.st_ino:
        return about.st_dev, about.st_ino
    return (os.path.normcase(os.path.realpath(path)),)


def _identity_of_new(path: str) -> Identity:
    """Return the identity of a file that is still to be made, perhaps at the end of a link."""
    try:
        resolved = Path(os.path.realpath(path))
        about = resolved.parent.stat()
    except (OSError, ValueError):
        return (path,)
    name = os.path.normcase(resolved.name)
    if ignores_case(resolved.parent):
        name = unicodedata.normalize("NFC", name).casefold()
    # Of a directory that has no number, the path is all there is.
    where = (about.st_dev, about.st_ino) if about.st_ino else (str(resolved.parent),)
    return *where, name


def ignores_case(directory: Path) -> bool:
    """Return whether a directory is reached in capitals and in small letters alike."""
    for place in (directory, *directory.parents):
        other = place.with_name(place.name.swapcase()) if place.name else place
        if other != place:
            try:
                return other.samefile(place)
            except OSError:
                return False
    return False
