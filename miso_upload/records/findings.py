"""Counts what the transform notices: types, ids, unmapped columns, warnings and more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miso_upload.records.unmatched_paths import UnmatchedPaths
from miso_upload.records.visitor_addresses import VisitorAddresses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from miso_upload.records.rejection import Reason

MAX_NAMES = 1_000
"""How many column names are counted one by one; the limit keeps memory bounded for any input."""


_RARE = 0.02
_FEWEST = 2
_MOST_IDS = 200


@dataclass(slots=True)
class Tally:
    """A count, with the first occurrence as its example.

    Attributes:
        count: How often it occurred.
        line: The line of the example.
        example: The text of the example.
        line_prefix: The text to put before the line number in messages.
    """

    count: int = 0
    line: int = 0
    example: str = ""
    line_prefix: str = "line "

    def add(self, line: int, example: str, count: int = 1, line_prefix: str = "line ") -> None:
        """Add occurrences; the first one stays the example."""
        if not self.count:
            self.line, self.example, self.line_prefix = line, example, line_prefix
        self.count += count


@dataclass(slots=True)
class Findings:
    """What the transform noticed about the rows, apart from the records themselves."""

    types: Counter[str] = field(default_factory=Counter)
    ids: Counter[str] = field(default_factory=Counter)
    """How many records have `user_id`, `anonymous_id`, `anonymous_id derived` and `neither`."""
    warnings: dict[str, Tally] = field(default_factory=dict)
    """Warnings that go beyond the schema, by text."""
    filled_by_rules: set[str] = field(default_factory=set)
    """Attributes that a rule of the user gave a value in at least one row."""
    unmapped: Counter[str] = field(default_factory=Counter)
    """How many rows have each unmapped column."""
    skipped: Counter[str] = field(default_factory=Counter)
    """How many rows each of the user's rules skipped, by the name of the rule."""
    outside: Counter[str] = field(default_factory=Counter)
    """How many rows are outside the scope of the run, by the reason."""
    not_of_type: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many rows have an attribute that their type does not have, by `(attribute, type)`."""
    null_words: Counter[str] = field(default_factory=Counter)
    """How many values were absent because they are a null word, by the word."""
    currencies: dict[str, Counter[str]] = field(default_factory=dict)
    """How many amounts have each currency, by attribute."""
    common_ids: dict[str, Counter[str]] = field(default_factory=dict)
    """How many sampled records have each of the most common ids, by attribute. An id with less than
    2% of a block's sample may be missing, so a count may be too low by that share."""
    sampled_ids: Counter[str] = field(default_factory=Counter)
    """How many records were sampled for that, by attribute."""
    unmatched_paths: UnmatchedPaths = field(default_factory=UnmatchedPaths)
    """The paths of visits that match none of the user's routes."""
    addresses: VisitorAddresses = field(default_factory=VisitorAddresses)
    """The addresses from which ids were derived, if they are few and private."""
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None

    def count_unmapped(self, column: str, rows: int = 1) -> None:
        """Count rows with an unmapped column; names beyond the first thousand share one count."""
        if column not in self.unmapped and len(self.unmapped) >= MAX_NAMES:
            column = "(other columns)"
        self.unmapped[column] += rows

    def sample_ids(self, attribute: str, ids: Collection[str]) -> None:
        """Count some ids, to find those that are too common. See `forget_rare_ids`."""
        if ids:
            self.common_ids.setdefault(attribute, Counter()).update(ids)
            self.sampled_ids[attribute] += len(ids)

    def forget_rare_ids(self) -> None:
        """Forget the counts of ids that few records of a block have; this keeps memory bounded."""
        for attribute, counts in self.common_ids.items():
            least = max(_FEWEST, _RARE * counts.total())
            common = {value: count for value, count in counts.items() if count >= least}
            self.common_ids[attribute] = Counter(common)

    def note(self, notes: Iterable[tuple[str, str, str]]) -> None:
        """Count what the mapping noticed about values.

        Args:
            notes: The attribute, `null` or `currency`, and the null word or the currency.
        """
        for attribute, kind, text in notes:
            if kind == "null":
                self.null_words[text] += 1
            else:
                self.currencies.setdefault(attribute, Counter())[text] += 1

    def warn(self, reason: Reason, line: int) -> None:
        """Count a warning by its text; its first line stays the example."""
        self.warnings.setdefault(reason.group, Tally()).add(line, reason.text)

    def extend_time_range(self, first: datetime, last: datetime) -> None:
        """Extend the time range to include `first` and `last`."""
        self.first_timestamp = min(first, self.first_timestamp or first)
        self.last_timestamp = max(last, self.last_timestamp or last)

    def add(self, other: Findings, line_prefix: str = "line ") -> None:
        """Add the findings of another block.

        Args:
            other: The findings.
            line_prefix: The text to put before their line numbers in messages.
        """
        self.types.update(other.types)
        self.ids.update(other.ids)
        self.unmapped.update(other.unmapped)
        self.filled_by_rules |= other.filled_by_rules
        self.skipped.update(other.skipped)
        self.outside.update(other.outside)
        self.not_of_type.update(other.not_of_type)
        self.null_words.update(other.null_words)
        self.sampled_ids.update(other.sampled_ids)
        for attribute, counts in other.common_ids.items():
            known = self.common_ids.setdefault(attribute, Counter())
            known.update(counts)
            if len(known) > MAX_NAMES:
                self.common_ids[attribute] = Counter(dict(known.most_common(_MOST_IDS)))
        for attribute, currencies in other.currencies.items():
            self.currencies.setdefault(attribute, Counter()).update(currencies)
        self.unmatched_paths.add(other.unmatched_paths)
        self.addresses.add(other.addresses)
        for text, tally in other.warnings.items():
            mine = self.warnings.setdefault(text, Tally())
            mine.add(tally.line, tally.example, tally.count, line_prefix)
        if other.first_timestamp is not None and other.last_timestamp is not None:
            self.extend_time_range(other.first_timestamp, other.last_timestamp)
