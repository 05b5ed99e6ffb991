"""What the transform counts beside the records: types, ids, unmapped columns, warnings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miso_upload.records.unmatched_paths import SiteMap

if TYPE_CHECKING:
    from datetime import datetime

    from miso_upload.records.rejection import Reason

MOST_NAMES = 1_000
"""How many names from the data are counted one by one, so that no input fills the memory."""


@dataclass(slots=True)
class Tally:
    """How often something was seen, and where first; `place` stands before the line in messages."""

    count: int = 0
    line: int = 0
    example: str = ""
    place: str = "line "

    def add(self, line: int, example: str, count: int = 1, place: str = "line ") -> None:
        """Count it once more; the first line seen stays the example."""
        if not self.count:
            self.line, self.example, self.place = line, example, place
        self.count += count


@dataclass(slots=True)
class Findings:
    """What the transform learned about the rows beside the records themselves."""

    types: Counter[str] = field(default_factory=Counter)
    ids: Counter[str] = field(default_factory=Counter)
    """How many records carry `user_id`, `anonymous_id` (`anonymous_id derived` too), `neither`."""
    warnings: dict[str, Tally] = field(default_factory=dict)
    """Advice beyond the schema, by what it says."""
    filled_by_rules: set[str] = field(default_factory=set)
    """Attributes that a rule of the user gave a value in some row."""
    unmapped: Counter[str] = field(default_factory=Counter)
    """Columns that became nothing, by name."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows that the user's rules left out, by the name of the rule."""
    not_of_type: Counter[tuple[str, str]] = field(default_factory=Counter)
    """`(attribute, type)` where a row had an attribute that its type does not."""
    unrouted: SiteMap = field(default_factory=SiteMap)
    """Pages that no route of the user's says anything of."""
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None

    def left_out(self, column: str, rows: int = 1) -> None:
        """Count a column that became nothing; names beyond the first thousand share one count."""
        if column not in self.unmapped and len(self.unmapped) >= MOST_NAMES:
            column = "(other columns)"
        self.unmapped[column] += rows

    def warn(self, reason: Reason, line: int) -> None:
        """Count a warning under what it says, keeping its first line as the example."""
        self.warnings.setdefault(reason.group, Tally()).add(line, reason.text)

    def saw(self, first: datetime, last: datetime) -> None:
        """Widen the time range to include `first` and `last`."""
        self.first_timestamp = min(first, self.first_timestamp or first)
        self.last_timestamp = max(last, self.last_timestamp or last)

    def add(self, other: Findings, place: str = "line ") -> None:
        """Add what another block taught, whose lines have `place` before them in messages."""
        self.types.update(other.types)
        self.ids.update(other.ids)
        self.unmapped.update(other.unmapped)
        self.filled_by_rules |= other.filled_by_rules
        self.skipped.update(other.skipped)
        self.not_of_type.update(other.not_of_type)
        self.unrouted.add(other.unrouted)
        for text, tally in other.warnings.items():
            known = self.warnings.setdefault(text, Tally())
            known.add(tally.line, tally.example, tally.count, place)
        if other.first_timestamp is not None and other.last_timestamp is not None:
            self.saw(other.first_timestamp, other.last_timestamp)
