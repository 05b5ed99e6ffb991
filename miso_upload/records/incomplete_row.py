"""Reports the last row, or the last group of rows, of an input that may still be being written."""

from __future__ import annotations

from typing import Any, NamedTuple

from miso_upload.values.display import counted

SETTLE_BEHIND_NEWER = 10.0
"""How many seconds a file must be unchanged if a newer file of the same log has rows.

`copytruncate` may still be writing the copy, and a server may still be writing to the renamed log.
"""
_MINUTE = 60


class IncompleteRow(NamedTuple):
    """A last row without a line ending, which this run does not read.

    Attributes:
        size: Its size so far, in bytes.
        settle_after: It is read once the file is unchanged for this many seconds; None if the file
            was written to while it was read.
        is_group: Whether it is a group of rows.
        rows: How many rows it has.
    """

    size: int
    settle_after: float | None
    is_group: bool = False
    rows: int = 1

    def with_group(self, size: int, rows: int) -> IncompleteRow:
        """Return the same with a group of rows before it."""
        return self._replace(size=self.size + size, rows=self.rows + rows, is_group=True)

    @property
    def why(self) -> str:
        """Return why it is not read, and when it will be, in whole sentences."""
        if self.settle_after is None:
            what = "group" if self.is_group else "row"
            return f"The file was written to while it was read, so the next run reads the {what}."
        why = "More rows of it may follow" if self.is_group else "It has no line ending"
        return (
            f"{why}, so it may be incomplete. A later run reads it once the file "
            f"has not changed for {_duration(self.settle_after)} (--settle-after), or for "
            f"{_duration(SETTLE_BEHIND_NEWER)} if a newer file of the same log has rows."
        )

    def as_text(self) -> str:
        """Return the sentences for the summary."""
        what = "last group of rows" if self.is_group else "incomplete last row"
        return f"the {what} ({counted(self.size, 'byte')}) was not read. {self.why}"

    def as_json(self) -> dict[str, Any]:
        """Return the row for the JSON report."""
        return {"rows": self.rows, "bytes": self.size, "why": self.why}


def _duration(seconds: float) -> str:
    minutes, remainder = divmod(seconds, _MINUTE)
    return f"{seconds:g} s" if remainder or not minutes else f"{minutes:g} min"
