"""From what the user wrote to the inputs that are meant."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import SourceError
from miso_upload.file_identity import identity_of
from miso_upload.sources.names import STDIN, is_remote, shown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

REJECTS_SUFFIX = ".rejects.jsonl"


def expand_inputs(
    names: Iterable[str], *, own: Collection[str] = (), allow_insecure_http: bool = False
) -> tuple[list[str], list[str]]:
    """Return the inputs that `names` stand for, and what to say of files that are left out.

    A name with `*`, `?` or `[` that is no file is a pattern. A directory stands for the files in it
    that are not hidden, and not for those in directories below it. Both are taken in sorted order,
    and each file once.

    A rejects file that a pattern like `*.jsonl` caught is not an input: it holds rows that were set
    aside. A URL is expanded by the store that it names.

    Args:
        names: What the user wrote.
        own: Files that the run itself reads or writes, which no pattern or directory means.
        allow_insecure_http: A store may be asked unencrypted.

    Raises:
        SourceError: A name is no file, or nothing stands behind a pattern or directory.
        ConfigurationError: A name is a URL, and what reads those is not installed.
    """
    ours = {identity_of(path) for path in own} - {None}
    left_out: dict[str, None] = {}
    inputs: dict[str, None] = {}
    for name in names:
        if is_remote(name):
            files, note = _remote(name, allow_insecure_http), ""
        else:
            files, note = _matches(name)
        if note:
            left_out[note] = None
        for path in files:
            if path.endswith(REJECTS_SUFFIX):
                left_out[f"{shown_name(path)}: left out, it is a rejects file of ours"] = None
            elif path != name and ours and identity_of(path) in ours:
                left_out[f"{path}: left out, this run uses it for something else"] = None
            else:
                inputs[path] = None
    return list(inputs), list(left_out)


def _matches(name: str) -> tuple[list[str], str]:
    """Return the files that a name stands for, and what to say of others."""
    if name == STDIN:
        return [name], ""
    try:
        # An empty path would mean the working directory.
        mode = Path(name).stat().st_mode if name else 0
    except (OSError, ValueError) as error:
        if glob.has_magic(name):
            return _files_like(name), ""
        if isinstance(error, PermissionError):
            raise SourceError(f"{name}: cannot be read: {error.strerror}") from None
        mode = 0
    if not mode:
        raise SourceError(f"{name}: no such file")
    return _files_in(name) if stat.S_ISDIR(mode) else ([name], "")


def _remote(name: str, allow_insecure_http: bool) -> list[str]:  # noqa: FBT001
    from miso_upload.sources.remote_stores import names_like  # noqa: PLC0415 -- an extra, and slow

    return names_like(name, allow_insecure_http=allow_insecure_http)


def _files_like(pattern: str) -> list[str]:
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 -- keeps the names as written
    files = [path for path in found if not os.path.isdir(path)]  # noqa: PTH112 -- never raises
    if not files:
        raise SourceError(f"{pattern}: no file matches this pattern")
    return sorted(files)


def _files_in(directory: str) -> tuple[list[str], str]:
    try:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"{directory}: cannot be read: {error.strerror}") from None
    files, left_out = [], Counter[str]()
    for entry in entries:
        if entry.name.startswith("."):
            left_out["hidden"] += 1
        elif _is_file(entry):
            files.append(os.path.join(directory, entry.name))  # noqa: PTH118 -- as it is written
        else:
            left_out["no file itself"] += 1
    why = " and ".join(
        f"{count:,} that {_ARE[count > 1]} {what}" for what, count in left_out.items()
    )
    if not files:
        raise SourceError(f"{directory}: is a directory without a file to read")
    return files, f"{directory}: left out {why}" if why else ""


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


_ARE = ("is", "are")
