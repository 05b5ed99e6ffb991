"""Says which rows belong together, and recognises them by the values of their key columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from miso_upload.records.rejection import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    KeyOf: TypeAlias = Callable[[Any], str | None]
    """Returns the key of a row as text: `ABOVE` if it belongs to the row above; None if to none."""

BlankKey = Literal["reject", "above"]
ABOVE = ""
"""The key of a row that belongs to the group of the row above it."""
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which adjacent rows become one record.

    Attributes:
        columns: The columns or paths whose values are equal in all rows of a group.
        blank_key: What a row without a key is: `reject` it, or count it to the group `above` it.
    """

    columns: tuple[str, ...]
    blank_key: BlankKey = "reject"

    @property
    def fingerprint(self) -> str:
        """Return a text that is equal for groupings that make equal groups."""
        return f"{list(self.columns)}" + ("" if self.blank_key == "reject" else " (above)")

    @property
    def name(self) -> str:
        """Return the columns for messages."""
        return " and ".join(self.columns)


def too_many_rows(most: int) -> Reason:
    """Return why a group of more than `most` rows is rejected."""
    return Reason("the group", f"has more than {most:,} rows (--max-group-rows)")


UNREADABLE_ROW = Reason("the group", "has a row that cannot be read or has no key")


def key_text(values: list[Any]) -> str | None:
    """Return the key of a row from the values of its key columns; None if all are blank."""
    texts = [
        value.strip() if isinstance(value, str) else "" if value is None else repr(value)
        for value in values
    ]
    return _SEPARATOR.join(texts) if any(texts) else None
