"""From what the user wrote to the inputs that are meant."""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import SourceError
from miso_upload.sources.names import STDIN, is_remote

if TYPE_CHECKING:
    from collections.abc import Iterable

REJECTS_SUFFIX = ".rejects.jsonl"


def expand_inputs(
    names: Iterable[str], *, allow_insecure_http: bool = False
) -> tuple[list[str], list[str]]:
    """Return the inputs that `names` stand for, and the rejects files left out from among them.

    A name with `*`, `?` or `[` that is no file is a pattern, taken in sorted order. A rejects file
    that a pattern like `*.jsonl` caught is not an input: it holds rows that were set aside.

    URLs are expanded by the store that they name, unencrypted only if `allow_insecure_http`.

    Raises:
        SourceError: A name is no file, or a pattern matches none.
        ConfigurationError: A name is a URL, and what reads those is not installed.
    """
    found = dict.fromkeys(
        path
        for name in names
        for path in (_remote(name, allow_insecure_http) if is_remote(name) else _matches(name))
    )
    inputs = [path for path in found if not path.endswith(REJECTS_SUFFIX)]
    return inputs, [path for path in found if path.endswith(REJECTS_SUFFIX)]


def _matches(name: str) -> list[str]:
    if name == STDIN:
        return [name]
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
    if stat.S_ISDIR(mode):
        raise SourceError(f"{name}: is a directory; name its files, as in '{name.rstrip('/')}/*'")
    return [name]


def _remote(name: str, allow_insecure_http: bool) -> list[str]:  # noqa: FBT001
    from miso_upload.sources.remote_stores import names_like  # noqa: PLC0415 -- an extra, and slow

    return names_like(name, allow_insecure_http=allow_insecure_http)


def _files_like(pattern: str) -> list[str]:
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 -- keeps the names as written
    files = [path for path in found if not os.path.isdir(path)]  # noqa: PTH112 -- never raises
    if not files:
        raise SourceError(f"{pattern}: no file matches this pattern")
    return sorted(files)
