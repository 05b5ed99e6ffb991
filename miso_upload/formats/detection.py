"""Choosing a row format: by what the user says, then by name, then by content."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from miso_upload.encoding import JSONDecodeError, decode
from miso_upload.errors import ConfigurationError
from miso_upload.formats.delimited import Delimited, read_header
from miso_upload.formats.json_array import JsonArray
from miso_upload.formats.jsonl import JsonLines

if TYPE_CHECKING:
    from miso_upload.formats.base import Format

FORMAT_NAMES = ("jsonl", "json", "csv", "tsv")
BOM = b"\xef\xbb\xbf"

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}


def detect_format(
    name: str, head: bytes, *, asked: str | None, delimiter: str | None, row_bytes: int
) -> tuple[Format, int]:
    """Return the format of a source and the offset at which its first row starts.

    Args:
        name: The source's name, of which the endings are looked at.
        head: The beginning of its decoded bytes; it holds the whole header, if there is one.
        asked: A name of `FORMAT_NAMES`, or None to find out.
        delimiter: What separates cells, or None to find out.
        row_bytes: The longest row that is read.

    Raises:
        ConfigurationError: The format cannot be told, or the header cannot be used.
    """
    start = len(BOM) if head.startswith(BOM) else 0
    chosen = asked or _by_name(name) or _by_content(head[start:])
    if chosen is None:
        raise ConfigurationError(
            f"{name}: cannot tell the format; say --format {'|'.join(FORMAT_NAMES)}"
        )
    if chosen == "json":
        return _json(head, start, row_bytes)
    if chosen == "jsonl":
        return JsonLines(row_bytes), start
    tab = "\t" if chosen == "tsv" else None
    return _delimited(name, head, start, delimiter or tab, row_bytes)


def _by_name(name: str) -> str | None:
    for suffix in reversed(PurePath(name.lower()).suffixes):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
        if suffix == ".json":
            return "json"
    return None


def _by_content(body: bytes) -> str | None:
    text = body.lstrip()
    if text[:1] in (b"{", b"["):
        return "json"
    first = text.split(b"\n", 1)[0]
    return "csv" if any(mark in first for mark in (b",", b";", b"\t", b"|")) else None


def _json(head: bytes, start: int, row_bytes: int) -> tuple[Format, int]:
    """Tell a top-level array from lines of JSON, whose first line may be an array too."""
    body = head[start:].lstrip()
    if not body.startswith(b"["):
        return JsonLines(row_bytes), start
    first, _, rest = body.partition(b"\n")
    if rest.strip():
        try:
            decode(first)
        except JSONDecodeError:
            pass
        else:
            return JsonLines(row_bytes), start
    return JsonArray(row_bytes), head.index(b"[", start) + 1


def _delimited(
    name: str, head: bytes, start: int, delimiter: str | None, row_bytes: int
) -> tuple[Format, int]:
    chosen, columns, size = read_header(head[start:], delimiter, row_bytes)
    named = [column for column in columns if column]
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise ConfigurationError(
            f"{name}: the header names the column {twice[0]!r} more than once; rename one of them"
        )
    return Delimited(chosen, tuple(columns), row_bytes), start + size
