"""Formats the summary of a run as JSON; `docs/report.md` describes the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miso_upload.records.totals import Totals
from miso_upload.report.suspicions import suspicions
from miso_upload.report.text import bottleneck
from miso_upload.values.display import printable
from miso_upload.values.json import readable

if TYPE_CHECKING:
    from miso_upload.report.summary import Summary

REPORT_VERSION = 1
_MOST_PATHS = 100


def summary_json(summary: Summary) -> dict[str, Any]:
    """Return the summary of a run as the JSON object that `docs/report.md` describes."""
    found = summary.findings
    report: dict[str, Any] = {
        "report_version": REPORT_VERSION,
        "mode": summary.mode,
        "host": summary.host,
        "started_at": summary.started_at.isoformat(timespec="seconds"),
        "seconds": round(summary.seconds, 3),
        "seconds_by_activity": {
            name: round(seconds, 3) for name, seconds in summary.seconds_by_activity.items()
        },
        "seconds_per_request": summary.seconds_per_request,
        "workers": summary.workers,
        "bottleneck": bottleneck(summary),
        "exit_code": summary.exit_code,
        "stopped_by": str(summary.stopped_by) if summary.stopped_by else None,
        "problems": [str(problem) for problem in summary.problems],
        "balanced": summary.balanced,
        "totals": _totals(summary.totals),
        "this_run": _totals(summary.totals - summary.before),
        "accepted_at_target": summary.accepted_at_target,
        "duplicates_at_target": summary.duplicates_at_target,
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
            for source in summary.sources
        ],
        **summary.outcomes.as_json(),
        "requests": summary.requests,
        "bytes_sent": summary.bytes_sent,
        "reasons": [
            {"reason": group, "rows": tally.count, "example": tally.example}
            for group, tally in summary.most_common_reasons()
        ],
        "types": dict(found.types.most_common()),
        "ids": dict(found.ids),
        "first_timestamp": found.first_timestamp and found.first_timestamp.isoformat(),
        "last_timestamp": found.last_timestamp and found.last_timestamp.isoformat(),
        "warnings": [
            {"warning": text, "rows": tally.count, "line": tally.line, "example": tally.example}
            for text, tally in found.warnings.items()
        ]
        + [
            {"warning": text, "rows": count, "line": None, "example": None}
            for text, count in suspicions(found)
        ],
        "null_words": dict(found.null_words.most_common()),
        "skipped": dict(found.skipped.most_common()),
        "outside": dict(found.outside.most_common()),
        "written_to": summary.written_to,
        "limit_reached": summary.limit_reached,
        "pages_without_route": [
            {"path": printable(pattern.path), "visits": pattern.visits}
            for pattern in found.unmatched_paths.patterns()[:_MOST_PATHS]
        ],
        "columns_left_out": dict(summary.columns_left_out().most_common()),
        "attributes_left_out": [
            {"attribute": attribute, "type": name, "rows": count}
            for (attribute, name), count in found.not_of_type.most_common()
        ],
        "sandbox": summary.arrived,
    }
    document: dict[str, Any] = readable(report)
    return document


def _totals(totals: Totals) -> dict[str, int]:
    return {name: getattr(totals, name) for name in Totals.names()}
