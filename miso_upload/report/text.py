"""Formats the summary of a run as text for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from miso_upload.report.modes import CONVERT, REMEMBER, REMEMBER_DRY_RUN, SERVER_DRY_RUN, UPLOAD
from miso_upload.report.summary import READING, TRANSFORMING, WAITING
from miso_upload.report.suspicions import suspicions
from miso_upload.values.display import counted, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from miso_upload.records import Findings
    from miso_upload.records.totals import Totals
    from miso_upload.report.summary import SourceSummary, Summary

_MOST_LISTED = 10
_MOST_ORIGINS = 3
_INDENT = "  "
_STDIN = "stdin"
_ENOUGH_RECORDS = 100
_NEARLY_ALL = 0.9
_LONG = 10.0
"""The bottleneck is reported for runs of at least this many seconds."""


def summary_text(summary: Summary) -> str:
    """Return the summary of a run as text for people."""
    return "\n".join(map(_on_one_line, _paragraphs(summary))).rstrip() + "\n"


def bottleneck(summary: Summary) -> str | None:
    """Return what the run spent most of its time on, and what would help; None if it was short."""
    spent = summary.seconds_by_activity
    if summary.seconds < _LONG or not spent:
        return None
    activity, seconds = max(spent.items(), key=lambda item: item[1])
    share = f"{seconds / summary.seconds:.0%} of the time was spent"
    if activity == READING:
        return f"{share} reading and decompressing the input"
    if activity == TRANSFORMING:
        return (
            f"{share} mapping and validating rows ({counted(summary.workers, 'worker')}); if the "
            "machine has more processors, raise --workers"
        )
    if activity == WAITING:
        return _waiting(summary, share)
    return f"{share} writing the ledger and the rejects file"


def _waiting(summary: Summary, share: str) -> str:
    """Return how Miso answered, if it is the bottleneck.

    A higher concurrency is suggested only if Miso accepted records: if Miso does not answer, or
    refuses everything, more requests do not help.
    """
    average = summary.seconds_per_request
    if average is None:
        return f"{share} waiting for Miso, which has not answered any request"
    if summary.totals.accepted <= summary.before.accepted:
        return f"{share} waiting for Miso, which accepted nothing in this run"
    return (
        f"{share} waiting for Miso, which took {average:,.1f} s on average to answer, with "
        f"{counted(summary.concurrency, 'request')} in flight; a higher --concurrency may help"
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
    yield from _limited(summary)
    yield from _origins(summary)
    if summary.mode == REMEMBER:
        yield _noted(summary)
    else:
        yield from list(_nothing_new(summary)) or _sent(summary)
    if summary.mode in (UPLOAD, REMEMBER) and summary.accepted_at_target > summary.totals.accepted:
        accepted = counted(summary.accepted_at_target, "row")
        yield f"{_INDENT}Miso has accepted {accepted} in total at this target"


def _written(summary: Summary) -> str:
    if summary.written_to is None:
        return "the file was not written, because the inputs were not read to their ends"
    were = counted(summary.totals.pending, "record was", "records were")
    where = "standard output" if summary.written_to == "-" else summary.written_to
    return f"{were} written to {where}"


def _limited(summary: Summary) -> Iterator[str]:
    if summary.limit_reached:
        where = "" if summary.is_forecast else "; the next run continues there"
        yield f"{_INDENT}stopped reading at --limit{where}"


def _forecast(summary: Summary) -> Iterator[str]:
    totals = summary.totals
    known = f"{totals.already_sent:,} already sent + " if totals.already_sent else ""
    held = f" + {totals.unknown:,} unknown" if totals.unknown else ""
    outside = f" + {totals.outside:,} outside" if totals.outside else ""
    yield (
        f"{counted(totals.rows, 'row')} read = {totals.pending:,} valid + {known}"
        f"{totals.rejected:,} rejected + {totals.skipped:,} skipped{outside}{held}"
    )
    yield from _limited(summary)
    yield from _origins(summary)
    if summary.mode == CONVERT:
        yield _INDENT + _written(summary)
    elif summary.mode == REMEMBER_DRY_RUN:
        yield f"{_INDENT}{counted(totals.pending, 'record')} would be noted as sent"
    elif totals.already_sent and not (totals.pending or totals.unknown):
        yield f"{_INDENT}an upload would send nothing, because {_has_all(totals)}"
    else:
        chunks = counted(summary.requests, "chunk")
        size = f"{summary.bytes_sent:,} bytes"
        yield f"{_INDENT}an upload would send {chunks}, {size}; nothing was sent"


def _noted(summary: Summary) -> str:
    """Return how many records were newly noted as sent."""
    now = summary.totals - summary.before
    known = sum(source.already_sent_from.total() for source in summary.sources)
    noted = max(0, now.already_sent - known)
    if not noted:
        return f"{_INDENT}no new records were noted; nothing was sent"
    were = counted(noted, "record was", "records were")
    return f"{_INDENT}{were} noted as sent; nothing was sent"


def _nothing_new(summary: Summary) -> Iterator[str]:
    """Yield why the run sent nothing, if nothing was left to send."""
    totals, before = summary.totals, summary.before
    now = totals - before
    if summary.stopped_by or summary.requests or summary.unsettled:
        return
    if before.rows and totals == before:
        yield f"{_INDENT}nothing new: earlier runs processed all of these rows"
        if before.rejected:
            yield (
                f"{_INDENT}earlier runs rejected {counted(before.rejected, 'row')}; 'miso-upload "
                "rejects FILE' prints rejected rows"
            )
    elif now.already_sent and not now.accepted:
        yield f"{_INDENT}nothing new: {_has_all(now)}"
    else:
        return
    if totals.unknown:
        have = counted(totals.unknown, "row has", "rows have")
        yield f"{_INDENT}{have} an unknown outcome and will not be sent again"


def _has_all(totals: Totals) -> str:
    some = totals.rejected > 0 or totals.skipped > 0 or totals.outside > 0
    if totals.outside:
        return "Miso already has all valid records that are not outside"
    return "Miso already has all valid records" if some else "Miso already has all of them"


def _sent(summary: Summary) -> Iterator[str]:
    totals, before = summary.totals, summary.before
    now = totals - before
    if before.rows:
        rejected = f" and rejected {before.rejected:,}" if before.rejected else ""
        yield (
            f"{_INDENT}earlier runs read {counted(before.rows, 'row')}{rejected}; this run read "
            f"{now.rows:,}, and Miso accepted {now.accepted:,}"
        )
    if totals.duplicates:
        yield (
            f"{_INDENT}Miso may have stored {counted(totals.duplicates, 'accepted row')} more than "
            "once, because the outcome of an earlier request was unknown"
        )
    yield from (_INDENT + sentence for sentence in summary.outcomes.sentences())
    yield (
        f"{_INDENT}{counted(summary.requests, 'request')}, {summary.bytes_sent:,} bytes, "
        f"{summary.seconds:,.1f} s" + (f", to {summary.host}" if summary.host else "")
    )
    if (slowest := bottleneck(summary)) is not None:
        yield f"{_INDENT}{slowest}"
    if summary.mode == SERVER_DRY_RUN:
        yield f"{_INDENT}dry run: Miso validated the records and stored none"


def _origins(summary: Summary) -> Iterator[str]:
    """Yield from which sources Miso already has the records that were not sent again."""
    for source in summary.sources:
        found = source.already_sent_from.most_common()
        for name, count in found[:_MOST_ORIGINS]:
            yield _INDENT + _origin(name, count, source, summary)
        rest = sum(count for _, count in found[_MOST_ORIGINS:])
        if rest:
            others = counted(len(found) - _MOST_ORIGINS, "other source")
            yield f"{_INDENT}{source.name}: {_were(rest)} already sent from {others}"
    changed = (summary.totals - summary.before).changed
    if changed:
        have = counted(changed, "already sent record has", "already sent records have")
        yield (
            f"{_INDENT}{have} changed since; Miso keeps the old version. To send the new version "
            "as well, add --changed send"
        )


def _origin(name: str, count: int, source: SourceSummary, summary: Summary) -> str:
    """Return from which source Miso already has some records of a source."""
    if name != source.name:
        return f"{source.name}: {_were(count)} already sent from {name}"
    # A dry run also reads unchanged files, and standard input has no versions to tell apart.
    if summary.is_forecast or name == _STDIN:
        return f"{source.name}: {_were(count)} already sent by an earlier run"
    return f"{source.name}: {_were(count)} already sent from an earlier version of this input"


def _were(count: int) -> str:
    return counted(count, "record was", "records were")


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
    yield from _warnings(found)
    yield from _counts("Absent, because the value is a null word:", found.null_words)
    yield from _counts("Skipped:", found.skipped)
    yield from _counts("Outside the scope of this run:", found.outside)
    columns = summary.columns_left_out()
    if columns or found.not_of_type:
        yield "\nIgnored:"
    for column, count in columns.most_common(_MOST_LISTED):
        yield f"{_INDENT}{count:>9,}  unmapped column '{printable(column)}'"
    if len(columns) > _MOST_LISTED:
        yield f"{_INDENT}{'':>9}  and {counted(len(columns) - _MOST_LISTED, 'other column')}"
    for (attribute, name), count in found.not_of_type.most_common(_MOST_LISTED):
        yield f"{_INDENT}{count:>9,}  attribute '{attribute}', which type {name} does not have"


def _counts(heading: str, counts: Counter[str]) -> Iterator[str]:
    if counts:
        yield f"\n{heading}"
    for name, count in counts.most_common(_MOST_LISTED):
        yield f"{_INDENT}{count:>9,}  {printable(name)}"


def _warnings(found: Findings) -> Iterator[str]:
    of_run = list(suspicions(found))
    if found.warnings or of_run:
        yield "\nWarnings:"
    for text, tally in list(found.warnings.items())[:_MOST_LISTED]:
        yield f"{_INDENT}{tally.count:>9,}  {printable(text)}"
        location = f"{tally.line_prefix}{tally.line}"
        yield f"{_INDENT}{'':>9}  e.g. {location}: {printable(tally.example)}"
    for text, count in of_run:
        yield f"{_INDENT}{count:>9,}  {text}"


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
    """Yield the warnings that nearly all records share, which point to a wrong mapping."""
    records = summary.findings.types.total()
    if records < _ENOUGH_RECORDS or summary.was_turned_away:
        return
    for text, tally in summary.findings.warnings.items():
        if tally.count >= _NEARLY_ALL * records:
            yield (
                f"\n{tally.count:,} of {records:,} records have the same warning: "
                f"{printable(text)}. Is this intended?"
            )


def _on_one_line(paragraph: str) -> str:
    """Return a paragraph as one line, after the empty line before it, if any.

    A file name may contain a line break.
    """
    before = "\n" if paragraph.startswith("\n") else ""
    return before + one_line(paragraph.removeprefix(before))


def _time(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
