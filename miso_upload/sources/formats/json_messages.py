"""Reads the messages of Singer taps and Airbyte sources, whose records are the rows.

Both write a message of JSON on each line. Records are in messages of the type RECORD; the others
describe the stream, and are counted as skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.records import Slice
from miso_upload.sources.formats.wrapping import WrappingFormat
from miso_upload.values.json import JSONDecodeError, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.records import Block
    from miso_upload.records.slice import IsRecord

_RECORD = "RECORD"
_OTHERS = {
    "SCHEMA": "schema",
    "STATE": "value",
    "ACTIVATE_VERSION": "version",
    "LOG": "log",
    "TRACE": "trace",
    "SPEC": "spec",
    "CATALOG": "catalog",
    "CONTROL": "control",
    "CONNECTION_STATUS": "connectionStatus",
}
"""The types of other messages, each with the name that it has beside its type."""
_OF_AIRBYTE_STATE = "state"


def is_messages(body: bytes) -> bool:
    """Return whether a text begins with a message of Singer or Airbyte."""
    try:
        first = decode(body.partition(b"\n")[0])
    except JSONDecodeError:
        return False
    return isinstance(first, dict) and (_record(first) is not None or _is_other(first))


class JsonMessages(WrappingFormat):
    """Messages on lines. The text of a row is its whole message."""

    @property
    def remark(self) -> str:
        """See `Format.remark`."""
        return (
            "the lines are messages of Singer or Airbyte; the rows are their RECORDs, and other "
            "messages are skipped"
        )

    def slices(self, block: Block, is_record: IsRecord | None = None) -> Iterator[Slice]:
        """See `Format.slices`; what is not a message is a row that is rejected later."""
        for part in self.rows.slices(block, is_record):
            numbers: list[int] = []
            found = Slice([], numbers, part.rejections, part.warnings)
            for line, message in zip(part.lines, part.rows, strict=True):
                row = _record(message)
                if row is None and _is_other(message):
                    found.skipped.append(f"{message['type']} messages of Singer or Airbyte")
                else:
                    found.rows.append(message if row is None else row)
                    numbers.append(line)
            yield found


def _record(message: Any) -> Any:  # noqa: ANN401 -- JSON is any value
    """Return the record of a message, if it has one."""
    if not isinstance(message, dict) or message.get("type") != _RECORD:
        return None
    record = message.get("record")
    if not isinstance(record, dict):
        return None
    is_airbyte = "stream" not in message and isinstance(record.get("data"), dict)
    return record["data"] if is_airbyte and "stream" in record else record


def _is_other(message: Any) -> bool:  # noqa: ANN401 -- JSON is any value
    if not isinstance(message, dict):
        return False
    beside = _OTHERS.get(str(message.get("type")))
    return beside is not None and (beside in message or _OF_AIRBYTE_STATE in message)


__all__ = ["JsonMessages", "is_messages"]
