"""Detects how JSON values are laid out: on lines, over lines, in one array, or one after another.

The layout is the one in which the most values at the beginning can be read. Lines are preferred,
because a bad line cannot hide the next one.
"""

from __future__ import annotations

import re
from shlex import quote
from typing import TYPE_CHECKING, Any

from miso_upload.errors import ConfigurationError
from miso_upload.records import Block
from miso_upload.sources.formats.base import LOOKED_AT, Limits, Tail
from miso_upload.sources.formats.json_messages import JsonMessages, is_messages
from miso_upload.sources.formats.json_paths import items_at, path_at_beginning, path_in
from miso_upload.sources.formats.json_rows import SPACE
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.sources.formats.unsupported import wrapper
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.sources.formats.base import Format
    from miso_upload.sources.options import ReadingOptions

_MOST_ROWS = 500
_MOST_LOOKED_AT = 50
_STATUS = re.compile(rb'"[A-Za-z_]*(?:[Ss]tatus(?:_code)?|response(?:_code)?)"')
"""A column that access logs have."""


def detect_json(
    name: str, peek: Callable[[int], bytes], start: int, chosen: str, wanted: ReadingOptions
) -> tuple[Format, int]:
    """Return the format of a JSON source and the offset of its first row.

    Args:
        name: The source's name, for messages.
        peek: Returns this many bytes of the beginning, or all bytes if there are fewer.
        start: The offset of the text.
        chosen: `json` or `jsonl`.
        wanted: The user's options.

    Raises:
        ConfigurationError: An option cannot be used with JSON, or the rows are inside an object.
    """
    head = peek(LOOKED_AT)
    body = head[start:].lstrip()
    if wanted.names is not None and body:
        raise ConfigurationError(
            f"{name}: --columns and --no-header cannot be used with {chosen.upper()}, whose rows "
            "name their columns. Possible fix: --format csv"
        )
    lines = JsonLines(wanted.max_row_bytes)
    if wanted.items is not None:
        return items_at(name, peek, start, wanted.items, wanted.max_row_bytes)
    if wanted.format == "jsonl":
        return _of_lines(lines, body), start
    whole = len(head) < LOOKED_AT
    if body.startswith(b"{"):
        _refuse_wrapper(name, body, whole=whole)
        found = _layout(peek, start, lines)
        if found is None:
            _refuse_long(name, body)
        if (found is None or found is lines) and is_messages(body):
            return JsonMessages(lines), start
        return (found if found not in (None, lines) else _of_lines(lines, body)), start
    if body.startswith(b"["):
        return _arrays(peek, head.index(b"[", start), wanted.max_row_bytes) or (lines, start)
    return lines, start


def _of_lines(lines: JsonLines, body: bytes) -> Format:
    """Return the format of an access log if the first lines are one, otherwise `lines`."""
    if not _STATUS.search(body):
        return lines
    from miso_upload.sources.formats.access_log.json_log import as_log  # noqa: PLC0415

    return as_log(lines, _first_values(lines, body))


def _first_values(lines: JsonLines, body: bytes) -> list[Any]:
    *texts, last = body.split(b"\n", _MOST_LOOKED_AT)
    texts = texts if len(texts) >= _MOST_LOOKED_AT else [*texts, last]
    data = b"\n".join(texts)
    block = Block(0, 0, len(data), 1, 0, data)
    return [row for part in lines.slices(block) for row in part.rows]


def _arrays(peek: Callable[[int], bytes], start: int, row_bytes: int) -> tuple[Format, int] | None:
    """Return the format of one array, or of arrays of objects on each line.

    JSON lines whose rows are other arrays return None.
    """
    data = peek(LOOKED_AT)
    if b"\n" not in data[start:]:
        data = peek(start + row_bytes)
    first, _, rest = data[start:].partition(b"\n")
    if rest.strip():
        try:
            value = decode(first.rstrip(SPACE).removesuffix(b","))
        except JSONDecodeError:
            pass
        else:
            from miso_upload.sources.formats.json_values import JsonValues  # noqa: PLC0415

            of_objects = bool(value) and all(isinstance(each, dict) for each in value)
            return (JsonValues(row_bytes, by_line=False), start) if of_objects else None
    from miso_upload.sources.formats.json_array import JsonArray  # noqa: PLC0415

    return JsonArray(row_bytes), start + 1


def _layout(peek: Callable[[int], bytes], start: int, lines: JsonLines) -> Format | None:
    """Return the format in which most of the first values can be read, if any can."""
    row_bytes = lines.row_bytes
    for size in (LOOKED_AT, start + row_bytes + 1):
        data = peek(size)
        tail = Tail.LAST if len(data) < size else Tail.WAITING
        good, bad = _read(lines, data[start:], tail)
        if good and good >= bad:
            return lines
        best, most = None, good - bad
        from miso_upload.sources.formats.json_values import JsonValues  # noqa: PLC0415

        for rows in (
            JsonValues(row_bytes),
            JsonValues(row_bytes, restarts=False),
            JsonValues(row_bytes, by_line=False),
        ):
            good, bad = _read(rows, data[start:], tail)
            if good and good - bad > most:
                best, most = rows, good - bad
        if best is not None or tail is Tail.LAST:
            return best
    return None


def _read(rows: Format, data: bytes, tail: Tail) -> tuple[int, int]:
    """Return how many objects a format reads in `data`, and how many other rows it finds.

    An object on an indented line does not count, because it is probably inside another value.
    """
    cut = rows.cut(data, Limits(_MOST_ROWS, len(data), len(data)), tail)
    if cut is None or cut.fault is not None:
        return 0, 0
    block = Block(0, 0, cut.size, 1, 0, data[: cut.size])
    parts = list(rows.slices(block))
    bad = sum(len(part.rejections) for part in parts)
    good = [
        number
        for part in parts
        for number, row in zip(part.lines, part.rows, strict=True)
        if isinstance(row, dict)
    ]
    bad += sum(len(part.rows) for part in parts) - len(good)
    if isinstance(rows, JsonLines):
        inside = sum(not text.startswith(b"{") for text in rows.texts(block, good).values())
        return len(good) - inside, bad + inside
    return len(good), bad


def _refuse_wrapper(name: str, body: bytes, *, whole: bool) -> None:
    """Refuse a single object that contains the records."""
    path = path_in(body) if whole else None
    path = path or wrapper(body, whole=whole)
    if path is not None:
        _refuse_path(name, path)


def _refuse_long(name: str, body: bytes) -> None:
    """Refuse a beginning in which no value ends if it is of an object with the records."""
    path = path_at_beginning(body)
    if path is not None:
        _refuse_path(name, path)


def _refuse_path(name: str, path: str) -> None:
    where = f'in its list "{path}"'
    if path.endswith("*"):
        where = f'as the values of "{path[:-2]}"' if path[:-2] else "as its values"
    raise ConfigurationError(
        f"{name}: the input is one JSON object with the records {where}. Possible fix: --items "
        f"{quote(path)} reads them; --format jsonl reads each line as a record"
    )
