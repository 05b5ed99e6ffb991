"""From what the user wrote to the inputs that are meant."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

STDIN = "-"
REJECTS_SUFFIX = ".rejects.jsonl"


def expand_inputs(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the inputs that `names` stand for, and the rejects files left out from among them.

    A name with `*`, `?` or `[` that is no file is a pattern, taken in sorted order. A rejects file
    that a pattern like `*.jsonl` caught is not an input: it holds rows that were set aside.

    Raises:
        SourceError: A name is no file, or a pattern matches none.
    """
    inputs: list[str] = []
    left_out: list[str] = []
    for name in names:
        for found in _matches(name):
            chosen = left_out if found.endswith(REJECTS_SUFFIX) else inputs
            if found not in chosen:
                chosen.append(found)
    return inputs, left_out


def _matches(name: str) -> list[str]:
    if name == STDIN or Path(name).exists():
        found = [name]
    elif glob.has_magic(name):
        found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 -- keeps the name as written
        found = [path for path in found if not Path(path).is_dir()]
        if not found:
            raise SourceError(f"{name}: no file matches this pattern")
    else:
        raise SourceError(f"{name}: no such file")
    if Path(name).is_dir():
        raise SourceError(f"{name}: is a directory; name its files, as in '{name.rstrip('/')}/*'")
    return found
