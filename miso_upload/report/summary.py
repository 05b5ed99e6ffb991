"""The outcomes of a run as data: `pipeline` fills it, `report.text` and `report.json` format it."""

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
"""The activities that the main thread of a run spends its time on."""


@dataclass(slots=True)
class SourceSummary:
    """The outcomes of one input.

    Attributes:
        name: As the user wrote it.
        totals: The totals of all its rows, over all runs.
        before: The totals before this run.
        superseded: The number of rows that Miso had accepted before `--restart`.
        already_sent_from: The number of already sent records in this run, by the source that
            sent them.
        first_already_sent: The line of the first such record, by the same source.
        open_unknown: The number of its records that have an unknown outcome and may be resent.
        rejects_file: The file with its rejected rows.
        waiting: Its last row, if it is incomplete and was not read yet.
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
    """The outcomes of a run, and the numbers derived from them.

    Attributes:
        mode: The mode of the run; see `modes`.
        host: The server's host; None in a dry run.
        sources: The inputs, in order.
        findings: Statistics of the records of this run.
        outcomes: Unknown outcomes of this run, by cause.
        reasons: The rejections of this run, by reason; each example names its source and line.
        requests: The number of requests sent, or that would be sent.
        bytes_sent: The total size of their bodies.
        seconds: The duration of the run.
        seconds_by_activity: The part of it that its main thread spent on each activity.
        seconds_of_requests: The total time until answers, including waits before a retry.
        workers: The number of worker processes; 0 if the main process transformed the rows.
        concurrency: The highest number of requests in flight.
        stopped_by: The error that ended the run early.
        problems: The errors of single inputs, which did not stop the others.
        advice: Suggested next steps for the user.
        arrived: The counts of the sandbox, if the run used one.
        groups: The group of each type, for listing types by group.
        accepted_at_target: The number of rows that Miso has accepted at this target, from all
            sources.
        duplicates_at_target: The number of those that may be stored more than once.
        written_to: The file that the records were written to, if any.
        limit_reached: Whether the run stopped reading because it had read as many rows as asked.
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
    written_to: str | None = None
    limit_reached: bool = False

    @property
    def totals(self) -> Totals:
        """Return the totals of all inputs, over all runs."""
        return sum((source.totals for source in self.sources), Totals())

    @property
    def before(self) -> Totals:
        """Return the totals of all inputs before this run."""
        return sum((source.before for source in self.sources), Totals())

    @property
    def balanced(self) -> bool:
        """Whether each row read is accounted for exactly once."""
        return all(source.totals.balanced for source in self.sources)

    @property
    def is_forecast(self) -> bool:
        """Whether the run sent and noted nothing, and the counts are a forecast."""
        return self.mode in FORECASTS

    @property
    def unsettled(self) -> int:
        """Return how many rows a later run may send: pending rows and held rows."""
        return self.totals.pending + sum(source.open_unknown for source in self.sources)

    @property
    def seconds_per_request(self) -> float | None:
        """Return the average time until an answer; None if nothing was sent."""
        return round(self.seconds_of_requests / self.requests, 3) if self.requests else None

    @property
    def was_turned_away(self) -> bool:
        """Whether Miso refused the key before it accepted any record in this run."""
        refused = isinstance(self.stopped_by, KeyRefusedError)
        return refused and self.totals.accepted == self.before.accepted

    @property
    def exit_code(self) -> int:
        """Return the exit code of the program; the README lists all codes."""
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
        """Return how many rows had each unmapped column; columns named by addresses are merged."""
        columns: Counter[str] = Counter()
        for column, count in self.findings.unmapped.items():
            columns[without_addresses(column)] += count
        return columns

    def most_common_reasons(self) -> list[tuple[str, Tally]]:
        """Return the rejection reasons with their tallies, the most frequent first."""
        return sorted(self.reasons.items(), key=lambda item: -item[1].count)
