"""A row that is not sent, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was set aside, or what is odd about it.

    `text` is for a message about one row; `group` is the same without the row's own value, so that
    a million rejections can be counted under a handful of headings.
    """

    about: str
    problem: str
    shown: str = ""

    @property
    def text(self) -> str:
        """Return the sentence with the value in it: `timestamp "2025-13-01" is not a date-time`."""
        return " ".join(part for part in (self.about, self.shown, self.problem) if part)

    @property
    def group(self) -> str:
        """Return the sentence without the value: `timestamp is not a date-time`."""
        return " ".join(part for part in (self.about, self.problem) if part)


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that is not sent: its line, the reasons, and the row as it was read.

    Where Miso refused it, `row` is the record that was sent. `text` is the JSON text of the row in
    the source, if it is JSON there, so that a number keeps all its digits.
    """

    line: int
    reasons: tuple[Reason, ...]
    row: Any = field(repr=False)
    by: Literal["schema", "miso"] = "schema"
    text: bytes | None = field(default=None, repr=False)
