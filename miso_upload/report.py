"""What a run came to: the summary as a value, as text for people and as JSON for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from miso_upload.accounting import Totals
from miso_upload.encoding import readable
from miso_upload.errors import KeyRefusedError
from miso_upload.outcomes import UnknownOutcomes
from miso_upload.quoting import counted, one_line, printable, without_addresses
from miso_upload.records import MOST_NAMES, Findings, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from miso_upload.errors import MisoUploadError
    from miso_upload.records import Batch, Rejection, Selection
    from miso_upload.sources import WaitingRow

REPORT_VERSION = 1
READING, TRANSFORMING, WAITING, NOTING = "reading", "transforming", "waiting for Miso", "ledger"
"""What a run spends its time on."""
_MOST_LISTED = 10
_MOST_ORIGINS = 3
_MOST_PAGES = 100
_INDENT = "  "
_ENOUGH_RECORDS = 100
_NEARLY_ALL = 0.9
_LONG = 10.0
"""Seconds from which on a person may want to know what they went into."""
_ACTIVITIES = {
    READING: "reading and unpacking",
    TRANSFORMING: "making records of rows and judging them",
    WAITING: "waiting for Miso",
    NOTING: "the ledger and the rejects file",
}


@dataclass(slots=True)
class SourceSummary:
    """What became of one input.

    Attributes:
        name: As the user wrote it.
        totals: Of all its rows, over all runs.
        before: The same before this run.
        superseded: Rows that Miso had accepted before `--restart`.
        already_sent_from: How many of this run's already sent records each other source has.
        first_already_sent: The line of the first of them.
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
    waiting: WaitingRow | None = None

    def note_origins(self, batch: Batch, selection: Selection) -> None:
        """Count which sources Miso has records from that are not sent again."""
        for found in (selection.already_sent, selection.changed):
            if not found:
                continue
            self.already_sent_from.update(found.values())
            for index, name in found.items():
                self.first_already_sent.setdefault(name, batch.lines[index])


@dataclass(slots=True)
class Summary:
    """What a run came to.

    Attributes:
        mode: `upload`, `dry-run`, `server-dry-run` or `sandbox`.
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
        concurrency: How many requests could be under way at once.
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
        """Return what became of all rows of all inputs, over all runs."""
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
    def _seconds_per_request(self) -> float | None:
        return round(self.seconds_of_requests / self.requests, 3) if self.requests else None

    @property
    def bottleneck(self) -> str | None:
        """Return what the run spent most of its time on, and what would help; None if it was short.

        More requests at once are suggested only where Miso accepted records: where it answers
        nothing, or nothing well, more of them would not help.
        """
        spent = self.seconds_by_activity
        if self.seconds < _LONG or not spent:
            return None
        activity, seconds = max(spent.items(), key=lambda item: item[1])
        what = f"{seconds / self.seconds:.0%} of the time went into {_ACTIVITIES[activity]}"
        if activity == WAITING:
            return f"{what}, {self._waiting()}"
        if activity == TRANSFORMING:
            return (
                f"{what} ({counted(self.workers, 'worker')}); more --workers help where there are "
                "processors"
            )
        return what

    def _waiting(self) -> str:
        """Return how Miso answered, after "waiting for Miso, "."""
        average = self._seconds_per_request
        if average is None:
            return "which has not answered any request"
        if self.totals.accepted <= self.before.accepted:
            return "which accepted nothing in this run"
        return (
            f"which answered in {average:,.1f} s on average with "
            f"{counted(self.concurrency, 'request')} at once; more --concurrency may help"
        )

    @property
    def _was_turned_away(self) -> bool:
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
        if self.totals.pending and self.mode != "dry-run":
            return 3
        now = self.totals - self.before
        unsettled = any(source.open_unknown for source in self.sources) or now.unknown > 0
        return 1 if now.rejected or unsettled or not self.balanced else 0

    def reject(self, rejections: Iterable[Rejection], place: str) -> None:
        """Count rejections by their reasons."""
        for rejection in rejections:
            for reason in rejection.reasons:
                group = reason.group
                if group not in self.reasons and len(self.reasons) >= MOST_NAMES:
                    group = "(other reasons)"
                example = f"{place}{rejection.line}: {printable(reason.text)}"
                self.reasons.setdefault(group, Tally()).add(rejection.line, example)

    def columns_left_out(self) -> Counter[str]:
        """Return how many rows had each column that became nothing; addresses share one name."""
        columns: Counter[str] = Counter()
        for column, count in self.findings.unmapped.items():
            columns[without_addresses(column)] += count
        return columns

    def most_common_reasons(self) -> list[tuple[str, Tally]]:
        """Return the reasons with their tallies, the most frequent first."""
        return sorted(self.reasons.items(), key=lambda item: -item[1].count)

    # -- for machines ------------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        """Return the report in the shape that `docs/report.md` describes."""
        found = self.findings
        report: dict[str, Any] = {
            "report_version": REPORT_VERSION,
            "mode": self.mode,
            "host": self.host,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "seconds_by_activity": {
                name: round(seconds, 3) for name, seconds in self.seconds_by_activity.items()
            },
            "seconds_per_request": self._seconds_per_request,
            "workers": self.workers,
            "bottleneck": self.bottleneck,
            "exit_code": self.exit_code,
            "stopped_by": str(self.stopped_by) if self.stopped_by else None,
            "problems": [str(problem) for problem in self.problems],
            "balanced": self.balanced,
            "totals": _totals(self.totals),
            "this_run": _totals(self.totals - self.before),
            "accepted_at_target": self.accepted_at_target,
            "duplicates_at_target": self.duplicates_at_target,
            "sources": [
                {
                    "name": source.name,
                    "totals": _totals(source.totals),
                    "this_run": _totals(source.totals - source.before),
                    "accepted_before_restart": source.superseded,
                    "already_sent_from": dict(source.already_sent_from.most_common()),
                    "rejects_file": source.rejects_file,
                    "waiting": source.waiting and source.waiting.as_json(),
                }
                for source in self.sources
            ],
            **self.outcomes.as_json(),
            "requests": self.requests,
            "bytes_sent": self.bytes_sent,
            "reasons": [
                {"reason": group, "rows": tally.count, "example": tally.example}
                for group, tally in self.most_common_reasons()
            ],
            "types": dict(found.types.most_common()),
            "ids": dict(found.ids),
            "first_timestamp": found.first_timestamp and found.first_timestamp.isoformat(),
            "last_timestamp": found.last_timestamp and found.last_timestamp.isoformat(),
            "warnings": [
                {"warning": text, "rows": tally.count, "line": tally.line, "example": tally.example}
                for text, tally in found.warnings.items()
            ],
            "skipped": dict(found.skipped.most_common()),
            "pages_without_route": [
                {"path": printable(shape.path), "visits": shape.visits}
                for shape in found.unrouted.shapes()[:_MOST_PAGES]
            ],
            "columns_left_out": dict(self.columns_left_out().most_common()),
            "attributes_left_out": [
                {"attribute": attribute, "type": name, "rows": count}
                for (attribute, name), count in found.not_of_type.most_common()
            ],
            "sandbox": self.arrived,
        }
        said: dict[str, Any] = readable(report)
        return said

    # -- for people --------------------------------------------------------------------------------

    def as_text(self) -> str:
        """Return the summary in words."""
        return "\n".join(map(_on_one_line, self._paragraphs())).rstrip() + "\n"

    def _paragraphs(self) -> Iterator[str]:
        yield from self._equation()
        yield from self._rejected()
        if not self._was_turned_away:
            yield from self._records()
            yield from self._odd()
        yield from self._arrived()
        yield from self._next_steps()

    def _equation(self) -> Iterator[str]:
        now = self.totals - self.before
        if self.mode == "dry-run":
            totals = self.totals
            known = f"{totals.already_sent:,} already sent + " if totals.already_sent else ""
            yield (
                f"{counted(totals.rows, 'row')} read = {totals.pending:,} valid + {known}"
                f"{totals.rejected:,} rejected + {totals.skipped:,} skipped"
            )
            yield from self._origins()
            yield (
                f"{_INDENT}would send {counted(self.requests, 'chunk')}, {self.bytes_sent:,} "
                "bytes; nothing was sent"
            )
            return
        yield self.totals.as_sentence() + ("" if self.balanced else "   DOES NOT ADD UP")
        yield from self._origins()
        if self.mode == "remember":
            yield f"{_INDENT}{now.already_sent:,} are noted as sent; nothing was sent"
            return
        waiting = self.totals.pending + self.totals.unknown
        nothing_sent = not (now.accepted or now.rejected or now.skipped)
        if now.rows and nothing_sent and not waiting:
            yield f"{_INDENT}nothing new: Miso has all of them already"
            return
        if self.before.rows and self.totals == self.before and not waiting:
            yield f"{_INDENT}nothing new: all of them were settled by earlier runs"
            if self.before.rejected:
                yield (
                    f"{_INDENT}{counted(self.before.rejected, 'row was', 'rows were')} rejected by "
                    "earlier runs; 'miso-upload rejects FILE' prints them"
                )
            return
        if self.before.rows:
            rejected = f", which rejected {self.before.rejected:,}" if self.before.rejected else ""
            earlier = counted(self.before.rows, "row was", "rows were")
            yield (
                f"{_INDENT}of these, {earlier} read by earlier runs"
                f"{rejected}; this run read {now.rows:,} and Miso accepted {now.accepted:,}"
            )
        if self.totals.duplicates:
            yield (
                f"{_INDENT}{self.totals.duplicates:,} of the accepted may be there more than once: "
                "they were sent again because nobody knew what became of them"
            )
        yield from (_INDENT + sentence for sentence in self.outcomes.sentences())
        yield (
            f"{_INDENT}{counted(self.requests, 'request')}, {self.bytes_sent:,} bytes, "
            f"{self.seconds:,.1f} s" + (f", to {self.host}" if self.host else "")
        )
        if self.bottleneck:
            yield f"{_INDENT}{self.bottleneck}"
        if self.mode == "server-dry-run":
            yield f"{_INDENT}a dry run: Miso validated the records and stored none"

    def _origins(self) -> Iterator[str]:
        """Yield which sources Miso has the records from that were not sent again."""
        for source in self.sources:
            found = source.already_sent_from.most_common()
            for name, count in found[:_MOST_ORIGINS]:
                whence = "an earlier version of it" if name == source.name else name
                yield f"{_INDENT}{count:,} of {source.name} were already sent from {whence}"
            rest = sum(count for _, count in found[_MOST_ORIGINS:])
            if rest:
                yield (
                    f"{_INDENT}{rest:,} of {source.name} were already sent from "
                    f"{len(found) - _MOST_ORIGINS} other sources"
                )
        changed = (self.totals - self.before).changed
        if changed:
            yield (
                f"{_INDENT}{changed:,} of the already sent have changed since they were sent; "
                "Miso has the old version, and --changed send sends the new one too"
            )

    def _rejected(self) -> Iterator[str]:
        listed = self.most_common_reasons()
        if not listed:
            return
        yield "\nRejected:"
        for group, tally in listed[:_MOST_LISTED]:
            yield f"{_INDENT}{tally.count:>9,}  {printable(group)}"
            yield f"{_INDENT}{'':>9}  e.g. {tally.example}"
        if len(listed) > _MOST_LISTED:
            yield f"{_INDENT}{'':>9}  and {len(listed) - _MOST_LISTED} other reasons"

    def _records(self) -> Iterator[str]:
        found = self.findings
        if not found.types:
            return
        yield "\nRecords by type:"
        by_group: dict[str, Counter[str]] = {}
        for name, count in found.types.most_common():
            by_group.setdefault(self.groups.get(name, ""), Counter())[name] = count
        for group, types in by_group.items():
            listed = ", ".join(f"{name} {count:,}" for name, count in types.items())
            yield f"{_INDENT}{group + ': ' if group else ''}{listed}"
        if found.first_timestamp and found.last_timestamp:
            yield f"From {_time(found.first_timestamp)} to {_time(found.last_timestamp)}"
        derived = found.ids["anonymous_id derived"]
        given = found.ids["anonymous_id"] - derived
        yield (
            f"With user_id: {found.ids['user_id']:,}; anonymous_id given: {given:,}, derived: "
            f"{derived:,}; neither: {found.ids['neither']:,}"
        )

    def _odd(self) -> Iterator[str]:
        found = self.findings
        if found.warnings:
            yield "\nWarnings:"
            for text, tally in list(found.warnings.items())[:_MOST_LISTED]:
                yield f"{_INDENT}{tally.count:>9,}  {printable(text)}"
                place = f"{tally.place}{tally.line}"
                yield f"{_INDENT}{'':>9}  e.g. {place}: {printable(tally.example)}"
        if found.skipped:
            yield "\nSkipped:"
        for name, count in found.skipped.most_common(_MOST_LISTED):
            yield f"{_INDENT}{count:>9,}  {printable(name)}"
        columns = self.columns_left_out()
        if columns or found.not_of_type:
            yield "\nLeft out:"
        for column, count in columns.most_common(_MOST_LISTED):
            yield f"{_INDENT}{count:>9,}  column '{printable(column)}', which became nothing"
        if len(columns) > _MOST_LISTED:
            yield f"{_INDENT}{'':>9}  and {len(columns) - _MOST_LISTED} other columns"
        for (attribute, name), count in found.not_of_type.most_common(_MOST_LISTED):
            yield f"{_INDENT}{count:>9,}  {attribute}, which {name} does not have"

    def _arrived(self) -> Iterator[str]:
        if self.arrived is None:
            return
        yield (
            f"\nArrived in the sandbox: {counted(self.arrived['records'], 'record')} in "
            f"{counted(self.arrived['accepted_requests'], 'request')}"
        )
        types = ", ".join(f"{name} {count:,}" for name, count in self.arrived["types"].items())
        yield f"{_INDENT}{types}"

    def _next_steps(self) -> Iterator[str]:
        files = [source.rejects_file for source in self.sources if source.rejects_file]
        if files:
            yield f"\nRejected rows are in {', '.join(dict.fromkeys(files))}"
        yield from self._shared_warnings()
        yield from self.advice

    def _shared_warnings(self) -> Iterator[str]:
        """Yield what is odd about so many records that it is hardly meant."""
        records = self.findings.types.total()
        if records < _ENOUGH_RECORDS or self._was_turned_away:
            return
        for text, tally in self.findings.warnings.items():
            if tally.count >= _NEARLY_ALL * records:
                yield (
                    f"\nOf {records:,} records, {tally.count:,} share a warning: "
                    f"{printable(text)}. Is that meant?"
                )


def _on_one_line(paragraph: str) -> str:
    """Return a line, and the empty one before it if there is one, with names of files harmless."""
    before = "\n" if paragraph.startswith("\n") else ""
    return before + one_line(paragraph.removeprefix(before))


def _totals(totals: Totals) -> dict[str, int]:
    return {name: getattr(totals, name) for name in Totals.names()}


def _time(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
