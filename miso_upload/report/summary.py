"""What a run did, as data: `report.text` and `report.json` render it, `pipeline` writes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from miso_upload.errors import KeyRefusedError
from miso_upload.records import Findings
from miso_upload.records.totals import Totals
from miso_upload.records.unknown_outcomes import UnknownOutcomes
from miso_upload.report.modes import FORECASTS
from miso_upload.values.redaction import without_addresses

if TYPE_CHECKING:
    from datetime import datetime

    from miso_upload.errors import MisoUploadError
    from miso_upload.records import Tally
    from miso_upload.records.incomplete_row import IncompleteRow

READING, TRANSFORMING, WAITING, NOTING = "reading", "transforming", "waiting for Miso", "ledger"
"""What the main thread of a run spends its time on."""


@dataclass(slots=True)
class SourceSummary:
    """The outcomes of one input.

    Attributes:
        name: As the user wrote it.
        totals: Of all its rows, over all runs.
        before: The same before this run.
        superseded: Rows that Miso had accepted before `--restart`.
        already_sent_from: How many of this run's already sent records each other source has.
        first_already_sent: The line of the first of them.
        open_unknown: How many of its records have an unknown outcome and are not given up.
        rejects_file: Where its rejected rows are.
        waiting: Its last row, if it is not read yet because its end is not there.
    """

    name: str
    totals: Totals = field(default_factory=Totals)
    before: Totals = field(default_factory=Totals)
    superseded: int = 0
    already_sent_from: Counter[str] = field(default_factory=Counter)
    first_already_sent: dict[str, int] = field(default_factory=dict)
    open_unknown: int = 0
    rejects_file: str | None = None
    waiting: IncompleteRow | None = None


@dataclass(slots=True)
class Summary:
    """The outcomes of a run, and the numbers that follow from them.

    Attributes:
        mode: The kind of run; see `modes`.
        host: Where records went; None in a dry run.
        sources: Each input, in order.
        findings: What the records were, in this run.
        outcomes: What no answer of this run proved, by cause.
        reasons: Why rows were rejected in this run, by reason; the example names its place.
        requests: Requests sent, or that would be sent.
        bytes_sent: The bytes of their bodies.
        seconds: How long the run took.
        seconds_by_activity: What of that its main thread spent on each activity.
        seconds_of_requests: How long all answers took together, waits before a repetition included.
        workers: How many processes transformed rows; 0 for none beside the program's own.
        concurrency: How many requests could be in flight at once.
        stopped_by: What ended the run before its end.
        problems: What was wrong with single inputs, while the others went on.
        advice: What the user may want to do next.
        arrived: In a sandbox, what it says that it accepted.
        groups: The group of each type, to list types by.
        accepted_at_target: How many rows Miso has accepted at this target, from all sources.
        duplicates_at_target: How many of those may have been taken more than once.
    """

    mode: str
    host: str | None
    started_at: datetime
    sources: list[SourceSummary] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    outcomes: UnknownOutcomes = field(default_factory=UnknownOutcomes)
    reasons: dict[str, Tally] = field(default_factory=dict)
    requests: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    seconds_by_activity: dict[str, float] = field(default_factory=dict)
    seconds_of_requests: float = 0.0
    workers: int = 0
    concurrency: int = 0
    stopped_by: MisoUploadError | None = None
    problems: list[MisoUploadError] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    arrived: dict[str, Any] | None = None
    groups: dict[str, str] = field(default_factory=dict)
    accepted_at_target: int = 0
    duplicates_at_target: int = 0

    @property
    def totals(self) -> Totals:
        """Return the outcomes of all rows of all inputs, over all runs."""
        return sum((source.totals for source in self.sources), Totals())

    @property
    def before(self) -> Totals:
        """Return the same before this run."""
        return sum((source.before for source in self.sources), Totals())

    @property
    def balanced(self) -> bool:
        """Whether each row read is accounted for exactly once."""
        return all(source.totals.balanced for source in self.sources)

    @property
    def is_forecast(self) -> bool:
        """Whether nothing was sent or noted, and the counts say what would be."""
        return self.mode in FORECASTS

    @property
    def unsettled(self) -> int:
        """Return how many rows a later run may send: pending ones, and those that are held."""
        return self.totals.pending + sum(source.open_unknown for source in self.sources)

    @property
    def seconds_per_request(self) -> float | None:
        """Return how long an answer took on average; None if nothing was sent."""
        return round(self.seconds_of_requests / self.requests, 3) if self.requests else None

    @property
    def was_turned_away(self) -> bool:
        """Whether the key was refused before anything was accepted: there is no more to tell."""
        refused = isinstance(self.stopped_by, KeyRefusedError)
        return refused and self.totals.accepted == self.before.accepted

    @property
    def exit_code(self) -> int:
        """Return what the program exits with; see the table in the README."""
        if self.stopped_by is not None:
            return self.stopped_by.exit_code
        if self.problems:
            return max(problem.exit_code for problem in self.problems)
        if self.totals.pending and not self.is_forecast:
            return 3
        now = self.totals - self.before
        unknown = any(source.open_unknown for source in self.sources) or now.unknown > 0
        return 1 if now.rejected or unknown or not self.balanced else 0

    def columns_left_out(self) -> Counter[str]:
        """Return how many rows had each unmapped column; addresses share one name."""
        columns: Counter[str] = Counter()
        for column, count in self.findings.unmapped.items():
            columns[without_addresses(column)] += count
        return columns

    def most_common_reasons(self) -> list[tuple[str, Tally]]:
        """Return the reasons with their tallies, the most frequent first."""
        return sorted(self.reasons.items(), key=lambda item: -item[1].count)
