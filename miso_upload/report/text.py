"""The summary of a run in words, for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from miso_upload.report.modes import REMEMBER, REMEMBER_DRY_RUN, SERVER_DRY_RUN, UPLOAD
from miso_upload.report.summary import NOTING, READING, TRANSFORMING, WAITING
from miso_upload.values.display import counted, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from miso_upload.records.totals import Totals
    from miso_upload.report.summary import SourceSummary, Summary

_MOST_LISTED = 10
_MOST_ORIGINS = 3
_INDENT = "  "
_STDIN = "stdin"
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


def summary_text(summary: Summary) -> str:
    """Return the summary of a run in words, for people."""
    return "\n".join(map(_on_one_line, _paragraphs(summary))).rstrip() + "\n"


def bottleneck(summary: Summary) -> str | None:
    """Return what the run spent most of its time on, and what would help; None if it was short.

    More requests at once are suggested only where Miso accepted records: if it gives no answers, or
    no good ones, more requests would not help.
    """
    spent = summary.seconds_by_activity
    if summary.seconds < _LONG or not spent:
        return None
    activity, seconds = max(spent.items(), key=lambda item: item[1])
    what = f"{seconds / summary.seconds:.0%} of the time went into {_ACTIVITIES[activity]}"
    if activity == WAITING:
        return f"{what}, {_waiting(summary)}"
    if activity == TRANSFORMING:
        return (
            f"{what} ({counted(summary.workers, 'worker')}); more --workers help where there are "
            "processors"
        )
    return what


def _waiting(summary: Summary) -> str:
    """Return how Miso answered, after "waiting for Miso, "."""
    average = summary.seconds_per_request
    if average is None:
        return "which has not answered any request"
    if summary.totals.accepted <= summary.before.accepted:
        return "which accepted nothing in this run"
    return (
        f"which answered in {average:,.1f} s on average with "
        f"{counted(summary.concurrency, 'request')} at once; more --concurrency may help"
    )


def _paragraphs(summary: Summary) -> Iterator[str]:
    yield from _equation(summary)
    yield from _rejected(summary)
    if not summary.was_turned_away:
        yield from _records(summary)
        yield from _odd(summary)
    yield from _arrived(summary)
    yield from _next_steps(summary)


def _equation(summary: Summary) -> Iterator[str]:
    if summary.is_forecast:
        yield from _forecast(summary)
        return
    yield summary.totals.as_sentence() + ("" if summary.balanced else "   DOES NOT ADD UP")
    yield from _origins(summary)
    if summary.mode == REMEMBER:
        yield _noted(summary)
    else:
        yield from list(_nothing_new(summary)) or _sent(summary)
    if summary.mode in (UPLOAD, REMEMBER) and summary.accepted_at_target > summary.totals.accepted:
        accepted = counted(summary.accepted_at_target, "row")
        yield f"{_INDENT}Miso has accepted {accepted} in all at this target"


def _forecast(summary: Summary) -> Iterator[str]:
    totals = summary.totals
    known = f"{totals.already_sent:,} already sent + " if totals.already_sent else ""
    held = f" + {totals.unknown:,} unknown" if totals.unknown else ""
    yield (
        f"{counted(totals.rows, 'row')} read = {totals.pending:,} valid + {known}"
        f"{totals.rejected:,} rejected + {totals.skipped:,} skipped{held}"
    )
    yield from _origins(summary)
    if summary.mode == REMEMBER_DRY_RUN:
        yield f"{_INDENT}{counted(totals.pending, 'record')} would be noted as sent"
    elif totals.already_sent and not (totals.pending or totals.unknown):
        yield f"{_INDENT}nothing would be sent: {_has_all(totals)}"
    else:
        chunks = counted(summary.requests, "chunk")
        yield f"{_INDENT}would send {chunks}, {summary.bytes_sent:,} bytes; nothing was sent"


def _noted(summary: Summary) -> str:
    """Return how many records are noted as sent, beside those that the ledger had already."""
    now = summary.totals - summary.before
    known = sum(source.already_sent_from.total() for source in summary.sources)
    noted = max(0, now.already_sent - known)
    if not noted:
        return f"{_INDENT}nothing new was noted, and nothing was sent"
    were = counted(noted, "record was", "records were")
    return f"{_INDENT}{were} noted as sent; nothing was sent"


def _nothing_new(summary: Summary) -> Iterator[str]:
    """Yield why nothing was sent, if nothing was left to send."""
    totals, before = summary.totals, summary.before
    now = totals - before
    if summary.stopped_by or summary.requests or summary.unsettled:
        return
    if before.rows and totals == before:
        yield f"{_INDENT}nothing new: all of them were settled by earlier runs"
        if before.rejected:
            yield (
                f"{_INDENT}{counted(before.rejected, 'row was', 'rows were')} rejected by "
                "earlier runs; 'miso-upload rejects FILE' prints them"
            )
    elif now.already_sent and not now.accepted:
        yield f"{_INDENT}nothing new: {_has_all(now)}"
    else:
        return
    if totals.unknown:
        given_up = "is given up" if totals.unknown == 1 else "are given up"
        yield f"{_INDENT}{totals.unknown:,} with an unknown outcome {given_up}"


def _has_all(totals: Totals) -> str:
    some = totals.rejected > 0 or totals.skipped > 0
    return f"Miso has all {'valid records' if some else 'of them'} already"


def _sent(summary: Summary) -> Iterator[str]:
    totals, before = summary.totals, summary.before
    now = totals - before
    if before.rows:
        rejected = f", which rejected {before.rejected:,}" if before.rejected else ""
        earlier = counted(before.rows, "row was", "rows were")
        yield (
            f"{_INDENT}of these, {earlier} read by earlier runs"
            f"{rejected}; this run read {now.rows:,} and Miso accepted {now.accepted:,}"
        )
    if totals.duplicates:
        yield (
            f"{_INDENT}{totals.duplicates:,} of the accepted may be there more than once, because "
            "they were sent again after an unknown outcome"
        )
    yield from (_INDENT + sentence for sentence in summary.outcomes.sentences())
    yield (
        f"{_INDENT}{counted(summary.requests, 'request')}, {summary.bytes_sent:,} bytes, "
        f"{summary.seconds:,.1f} s" + (f", to {summary.host}" if summary.host else "")
    )
    if (slowest := bottleneck(summary)) is not None:
        yield f"{_INDENT}{slowest}"
    if summary.mode == SERVER_DRY_RUN:
        yield f"{_INDENT}a dry run: Miso validated the records and stored none"


def _origins(summary: Summary) -> Iterator[str]:
    """Yield which sources Miso has the records from that were not sent again."""
    for source in summary.sources:
        found = source.already_sent_from.most_common()
        for name, count in found[:_MOST_ORIGINS]:
            yield _INDENT + _origin(source, count, _whence(name, source, summary))
        rest = sum(count for _, count in found[_MOST_ORIGINS:])
        if rest:
            others = counted(len(found) - _MOST_ORIGINS, "other source")
            yield _INDENT + _origin(source, rest, others)
    changed = (summary.totals - summary.before).changed
    if changed:
        have = "has" if changed == 1 else "have"
        yield (
            f"{_INDENT}{changed:,} of the already sent {have} changed since; Miso keeps the "
            "version that it has, and --changed send sends the new one too"
        )


def _origin(source: SourceSummary, count: int, whence: str) -> str:
    were = counted(count, "record was", "records were")
    return f"{source.name}: {were} already sent from {whence}"


def _whence(name: str, source: SourceSummary, summary: Summary) -> str:
    if name != source.name:
        return name
    # A dry run reads a file that has not changed too, and of standard input nothing is known.
    is_same = summary.is_forecast or name == _STDIN
    return "it by an earlier run" if is_same else "an earlier version of it"


def _rejected(summary: Summary) -> Iterator[str]:
    listed = summary.most_common_reasons()
    if not listed:
        return
    yield "\nRejected:"
    for group, tally in listed[:_MOST_LISTED]:
        yield f"{_INDENT}{tally.count:>9,}  {printable(group)}"
        yield f"{_INDENT}{'':>9}  e.g. {tally.example}"
    if len(listed) > _MOST_LISTED:
        yield f"{_INDENT}{'':>9}  and {counted(len(listed) - _MOST_LISTED, 'other reason')}"


def _records(summary: Summary) -> Iterator[str]:
    found = summary.findings
    if not found.types:
        return
    yield "\nRecords by type:"
    by_group: dict[str, Counter[str]] = {}
    for name, count in found.types.most_common():
        by_group.setdefault(summary.groups.get(name, ""), Counter())[name] = count
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


def _odd(summary: Summary) -> Iterator[str]:
    found = summary.findings
    if found.warnings:
        yield "\nWarnings:"
        for text, tally in list(found.warnings.items())[:_MOST_LISTED]:
            yield f"{_INDENT}{tally.count:>9,}  {printable(text)}"
            place = f"{tally.line_prefix}{tally.line}"
            yield f"{_INDENT}{'':>9}  e.g. {place}: {printable(tally.example)}"
    if found.skipped:
        yield "\nSkipped:"
    for name, count in found.skipped.most_common(_MOST_LISTED):
        yield f"{_INDENT}{count:>9,}  {printable(name)}"
    columns = summary.columns_left_out()
    if columns or found.not_of_type:
        yield "\nLeft out:"
    for column, count in columns.most_common(_MOST_LISTED):
        yield f"{_INDENT}{count:>9,}  column '{printable(column)}', which became nothing"
    if len(columns) > _MOST_LISTED:
        yield f"{_INDENT}{'':>9}  and {counted(len(columns) - _MOST_LISTED, 'other column')}"
    for (attribute, name), count in found.not_of_type.most_common(_MOST_LISTED):
        yield f"{_INDENT}{count:>9,}  {attribute}, which {name} does not have"


def _arrived(summary: Summary) -> Iterator[str]:
    if summary.arrived is None:
        return
    yield (
        f"\nArrived in the sandbox: {counted(summary.arrived['records'], 'record')} in "
        f"{counted(summary.arrived['accepted_requests'], 'request')}"
    )
    types = ", ".join(f"{name} {count:,}" for name, count in summary.arrived["types"].items())
    yield f"{_INDENT}{types}"


def _next_steps(summary: Summary) -> Iterator[str]:
    files = [source.rejects_file for source in summary.sources if source.rejects_file]
    if files:
        yield f"\nRejected rows are in {', '.join(dict.fromkeys(files))}"
    yield from _shared_warnings(summary)
    yield from summary.advice


def _shared_warnings(summary: Summary) -> Iterator[str]:
    """Yield what is odd about so many records that it is hardly meant."""
    records = summary.findings.types.total()
    if records < _ENOUGH_RECORDS or summary.was_turned_away:
        return
    for text, tally in summary.findings.warnings.items():
        if tally.count >= _NEARLY_ALL * records:
            yield (
                f"\nOf {records:,} records, {tally.count:,} share a warning: "
                f"{printable(text)}. Is that meant?"
            )


def _on_one_line(paragraph: str) -> str:
    """Return a line, and the empty one before it if there is one, with names of files harmless."""
    before = "\n" if paragraph.startswith("\n") else ""
    return before + one_line(paragraph.removeprefix(before))


def _time(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
