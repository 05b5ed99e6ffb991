"""Defines a rejected row and the reasons for its rejection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was rejected, or what a warning about it says.

    `text` is the message about one row. `group` is the same without the row's value, so that a
    million rejections are counted under a few messages.
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
    """A rejected row: its line, the reasons, and the row itself.

    If Miso refused it, `row` is the record that was sent. If the source is JSON, `text` is the
    row's JSON text in the source, so that numbers keep all their digits. If it is a group of rows,
    `lines` has the lines of all of them, and `row` is their list. See `element` for `line`.
    """

    line: int
    reasons: tuple[Reason, ...]
    row: Any = field(repr=False)
    by: Literal["schema", "miso"] = "schema"
    text: bytes | None = field(default=None, repr=False)
    lines: tuple[int, ...] = ()
