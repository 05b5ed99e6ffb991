"""Choosing a row format: by what the user says, then by name, then by content."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

from miso_upload.encoding import JSONDecodeError, decode
from miso_upload.errors import ConfigurationError
from miso_upload.formats.base import Tail
from miso_upload.formats.delimited import Delimited, read_header
from miso_upload.formats.json_array import JsonArray
from miso_upload.formats.jsonl import JsonLines
from miso_upload.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.formats.base import Format

FORMAT_NAMES = ("jsonl", "json", "csv", "tsv")
BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 65_536
"""How much of the beginning the format is told from, unless a header or a first line is longer."""

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
}


def detect_format(
    name: str,
    peek: Callable[[int], bytes],
    *,
    asked: str | None,
    delimiter: str | None,
    row_bytes: int,
) -> tuple[Format, int]:
    """Return the format of a source and the offset at which its first row starts.

    Args:
        name: The source's name, of which the endings are looked at.
        peek: Returns so many bytes of its beginning, fewer only where there are no more.
        asked: A name of `FORMAT_NAMES`, or None to find out.
        delimiter: What separates cells, or None to find out.
        row_bytes: The longest row that is read.

    Raises:
        ConfigurationError: The format cannot be told, or the header cannot be used.
    """
    head = peek(_LOOKED_AT)
    start = len(BOM) if head.startswith(BOM) else 0
    body = head[start:].lstrip()
    chosen = asked or _by_name(name) or _by_content(body)
    if chosen is None:
        raise ConfigurationError(
            f"{name}: cannot tell the format; say --format {'|'.join(FORMAT_NAMES)}"
        )
    if chosen == "json" and body.startswith(b"["):
        return _array(peek, head.index(b"[", start), row_bytes) or (JsonLines(row_bytes), start)
    if chosen in ("json", "jsonl") or not body:
        return JsonLines(row_bytes), start
    tab = "\t" if chosen == "tsv" else None
    return _delimited(name, peek, start, delimiter or tab, row_bytes)


def _by_name(name: str) -> str | None:
    for suffix in reversed(PurePath(name.lower()).suffixes):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
    return None


def _by_content(body: bytes) -> str | None:
    # What is empty has no rows, whatever its format.
    if not body or body.startswith((b"{", b"[")):
        return "json"
    first = body.split(b"\n", 1)[0]
    return "csv" if any(mark in first for mark in (b",", b";", b"\t", b"|")) else None


def _array(peek: Callable[[int], bytes], start: int, row_bytes: int) -> tuple[Format, int] | None:
    """Tell a top-level array from lines of JSON, whose first line may be an array too."""
    data = peek(_LOOKED_AT)
    if b"\n" not in data[start:]:
        data = peek(start + row_bytes)
    first, _, rest = data[start:].partition(b"\n")
    if rest.strip():
        try:
            decode(first)
        except JSONDecodeError:
            pass
        else:
            return None
    return JsonArray(row_bytes), start + 1


def _delimited(
    name: str, peek: Callable[[int], bytes], start: int, delimiter: str | None, row_bytes: int
) -> tuple[Format, int]:
    if delimiter is not None and delimiter in '"\r\n':
        raise ConfigurationError(f"--delimiter {quoted(delimiter)}: cannot separate cells")
    for size in (_LOOKED_AT, start + row_bytes + 1):
        data = peek(size)
        tail = Tail.LAST if len(data) < size else Tail.COMING
        header = read_header(name, data[start:], delimiter, row_bytes, tail)
        if header is not None:
            break
    else:
        raise ConfigurationError(
            f"{name}: the header does not end within {row_bytes:,} bytes (--max-row-bytes), or a "
            "quote in it is never closed"
        )
    chosen, columns, size = header
    counts = Counter(column for column in columns if column)
    twice = [column for column, count in counts.items() if count > 1]
    if twice:
        raise ConfigurationError(
            f"{name}: the header names the column {quoted(twice[0])} more than once; rename one of "
            "them"
        )
    return Delimited(chosen, tuple(columns), row_bytes), start + size
