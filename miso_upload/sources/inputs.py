"""Expands the names on the command line into inputs: patterns, directories and URLs."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import SourceError
from miso_upload.sources.rows_input import RowsInput
from miso_upload.values.display import counted
from miso_upload.values.file_identity import identity_of
from miso_upload.values.input_names import REJECTS_SUFFIX, STDIN, is_remote, shown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def expand_inputs(
    names: Iterable[str], *, own: Collection[str] = (), allow_insecure_http: bool = False
) -> tuple[list[str], list[str]]:
    """Return the inputs that `names` mean, and notes on the files that were left out.

    A name with `*`, `?` or `[` that is not a file is a pattern. A directory means its files,
    without hidden ones and without subdirectories. Both are expanded in sorted order, and each file
    is read once.

    Pipes, sockets and devices are read only if they are named explicitly. A file whose metadata
    cannot be read is an input nevertheless, so that opening it reports the reason.

    A rejects file that matches a pattern like `*.jsonl` is not an input, because it contains
    rejected rows. A URL is expanded by its store.

    Args:
        names: The names on the command line.
        own: Files that the run itself reads or writes; patterns and directories exclude them.
        allow_insecure_http: Whether a store may be listed over plain HTTP.

    Raises:
        SourceError: A name is not a file, or a pattern or directory yields no file.
        ConfigurationError: A name is a URL, and the package that reads URLs is not installed.
    """
    ours = {identity_of(path) for path in own} - {None}
    left_out: dict[str, None] = {}
    inputs: dict[str, None] = {}
    for name in names:
        files, notes = _matches(name, allow_insecure_http)
        left_out.update(dict.fromkeys(notes))
        for path in files:
            if path.endswith(REJECTS_SUFFIX):
                note = f"{shown_name(path)}: skipped, because it is a rejects file of miso-upload"
                left_out[note] = None
            elif path != name and ours and identity_of(path) in ours:
                note = f"{path}: skipped, because this run uses it for another purpose"
                left_out[note] = None
            else:
                inputs[path] = None
    return list(inputs), list(left_out)


def _matches(name: str, allow_insecure_http: bool) -> tuple[list[str], list[str]]:  # noqa: FBT001
    """Return the files that a name means, and notes on the others."""
    if name == STDIN or isinstance(name, RowsInput):
        return [name], []
    if is_remote(name):
        return _remote(name, allow_insecure_http), []
    try:
        # An empty path would mean the working directory.
        mode = Path(name).stat().st_mode if name else 0
    except (OSError, ValueError) as error:
        if glob.has_magic(name):
            return _files_like(name)
        if isinstance(error, PermissionError):
            raise SourceError(f"{name}: cannot be read: {error.strerror}") from None
        mode = 0
    if not mode:
        raise SourceError(f"{name}: no such file")
    return _files_in(name) if stat.S_ISDIR(mode) else ([name], [])


def _remote(name: str, allow_insecure_http: bool) -> list[str]:  # noqa: FBT001
    from miso_upload.sources.remote.stores import expand_url  # noqa: PLC0415 -- an extra, and slow

    return expand_url(name, allow_insecure_http=allow_insecure_http)


def _files_like(pattern: str) -> tuple[list[str], list[str]]:
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 -- keeps the names as written
    kinds = {path: _kind(path) for path in found}
    files = [path for path, kind in kinds.items() if kind == _FILE]
    # Opening a directory that cannot be listed reports why its files are not read.
    files += _closed_directories(pattern)
    notes = [_left_out(path, kind) for path, kind in kinds.items() if kind not in _USUAL]
    if not files:
        raise SourceError("\n".join([f"{pattern}: no file matches this pattern", *notes]))
    return files, notes


def _closed_directories(pattern: str) -> list[str]:
    """Return the directories that a pattern leads through and that cannot be listed."""
    closed: dict[str, None] = {}
    parts = Path(pattern).parts
    for depth in range(1, len(parts)):
        before, following = os.path.join(*parts[:depth]), parts[depth]  # noqa: PTH118
        wanted = os.X_OK | (os.R_OK if glob.has_magic(following) else 0)
        for path in glob.iglob(before, recursive=True):  # noqa: PTH207 -- the names as written
            if os.path.isdir(path) and not os.access(path, wanted):  # noqa: PTH112
                closed[path] = None
    return list(closed)


def _files_in(directory: str) -> tuple[list[str], list[str]]:
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 -- keeps the names as written
    except OSError as error:
        raise SourceError(f"{directory}: cannot be read: {error.strerror}") from None
    files, notes, left_out = [], [], Counter[str]()
    for name in names:
        path = os.path.join(directory, name)  # noqa: PTH118 -- as it is written
        kind = _FILE if name.startswith(".") else _kind(path)
        if name.startswith("."):
            left_out["hidden file"] += 1
        elif kind == _FILE:
            files.append(path)
        elif kind == _DIRECTORY:
            left_out["directory"] += 1
        else:
            notes.append(_left_out(path, kind))
    if not files:
        raise SourceError(
            "\n".join([f"{directory}: the directory contains no readable file", *notes])
        )
    counts = " and ".join(counted(count, what, _PLURALS[what]) for what, count in left_out.items())
    return files, [f"{directory}: skipped {counts}", *notes] if counts else notes


_FILE, _DIRECTORY = "a file", "a directory"
_USUAL = (_FILE, _DIRECTORY)
_PLURALS = {"hidden file": "hidden files", "directory": "directories"}
_KINDS = (
    (stat.S_ISREG, _FILE),
    (stat.S_ISDIR, _DIRECTORY),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _kind(path: str) -> str:
    """Return what a path is; a file if that is unknown, so that opening it reports why."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return _FILE
    return next((kind for fits, kind in _KINDS if fits(mode)), "not a file")


def _left_out(path: str, kind: str) -> str:
    """Return why a pattern or directory leaves out a path, whose opening might block forever."""
    if "pipe" in kind or "device" in kind:
        return f"{path}: skipped, because it is {kind}; to read it, name it explicitly"
    return f"{path}: skipped, because it is {kind}"
