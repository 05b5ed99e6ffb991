"""The last row of an input that may still be written."""

from __future__ import annotations

from typing import Any, NamedTuple

from miso_upload.values.display import counted

SETTLE_BEHIND_NEWER = 10.0
"""How many seconds a file is to be left alone once a newer one of its log has rows: `copytruncate`
may still be writing the copy, and a server the log that was renamed."""
_MINUTE = 60


class WaitingRow(NamedTuple):
    """A last row whose end is not there, and which is not read for now.

    Attributes:
        size: How many bytes of it are there.
        settle_after: It is read once the file is left alone for so many seconds; None where the
            file was written to while it was read.
    """

    size: int
    settle_after: float | None

    @property
    def why(self) -> str:
        """Return why it waits and for what, as a sentence."""
        if self.settle_after is None:
            return "the file was written to while it was read, so the next run reads it"
        return (
            "its line end is missing, so it may still be written; it is read once the file is not "
            f"written to for {_duration(self.settle_after)} (--settle-after), or for "
            f"{_duration(SETTLE_BEHIND_NEWER)} where a newer file of its log has rows"
        )

    def as_text(self) -> str:
        """Return that it waits, and why."""
        return f"1 row waits ({counted(self.size, 'byte')}): {self.why}"

    def as_json(self) -> dict[str, Any]:
        """Return the same for the report."""
        return {"rows": 1, "bytes": self.size, "why": self.why}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, _MINUTE)
    return f"{seconds:g} s" if rest or not minutes else f"{minutes:g} min"
