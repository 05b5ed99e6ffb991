"""Reads access logs in JSON, with one request on each line.

The rows keep their columns. A whole request line, such as `GET /shoes HTTP/1.1`, also becomes the
columns `method`, `url` and `protocol`, and a timestamp in NCSA's notation becomes RFC 3339.
`records.json_logs` names the other columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from miso_upload.records.json_logs import OF_REQUEST, REQUEST, log_columns
from miso_upload.sources.formats.access_log.timestamps import read_clf
from miso_upload.sources.formats.wrapping import WrappingFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.records import Block, Slice
    from miso_upload.records.slice import IsRecord
    from miso_upload.sources.formats.jsonl import JsonLines

_LINE = re.compile(r"([A-Z][A-Z_-]{0,30}) (\S(?:.*\S)?) ([A-Za-z]{2,8}[/ ][0-9.]{1,8})", re.DOTALL)
_CLF = re.compile(r"[0-9]{1,2}/[^/]{3,6}/[0-9]{4}:")


@dataclass(frozen=True)
class JsonLog(WrappingFormat):
    """An access log in JSON.

    Attributes:
        server: The server that writes such logs.
        timestamp: The column of the timestamp.
        splits: Whether rows have a whole request line and none of the columns that it becomes.
    """

    server: str
    timestamp: str
    splits: bool

    @property
    def preset(self) -> str:
        """See `Format.preset`."""
        return "web-log"

    @property
    def remark(self) -> str:
        """See `Format.remark`."""
        return (
            f"the rows look like an access log in JSON with the columns of {self.server}, which "
            "miso-upload maps to those of the preset web-log unless a mapping file has [columns]"
        )

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """See `Format.slices`."""
        for part in self.rows.slices(block, is_record):
            for row in part.rows:
                if isinstance(row, dict):
                    self._complete(row)
            yield part

    def _complete(self, row: dict[str, Any]) -> None:
        timestamp = row.get(self.timestamp)
        if isinstance(timestamp, str) and _CLF.match(timestamp):
            row[self.timestamp] = read_clf(timestamp) or timestamp
        request = row.get(REQUEST) if self.splits else None
        if isinstance(request, str):
            found = _LINE.fullmatch(request)
            if found is not None:
                for name, value in zip(OF_REQUEST, found.groups(), strict=True):
                    row.setdefault(name, value)


def as_log(lines: JsonLines, rows: list[Any]) -> JsonLines | JsonLog:
    """Return the format of rows if they are an access log, otherwise `lines`."""
    found = log_columns(rows)
    if found is None:
        return lines
    splits = found.server == "nginx" and any(
        isinstance(row, dict) and isinstance(row.get(REQUEST), str) for row in rows
    )
    return JsonLog(lines, found.server, found.columns.get("timestamp", "timestamp"), splits)
