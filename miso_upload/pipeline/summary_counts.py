"""What a run adds to its summary, which is data: only the thread of the pipeline writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.records import MAX_NAMES, Tally
from miso_upload.values.display import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miso_upload.records import Batch, Rejection, Selection
    from miso_upload.report.summary import SourceSummary, Summary

_OTHER_REASONS = "(other reasons)"


def count_rejections(summary: Summary, rejections: Iterable[Rejection], prefix: str) -> None:
    """Count rejections by their reasons.

    Args:
        summary: Where to count them.
        rejections: The rows of one source.
        prefix: What stands before a line number of that source in messages.
    """
    reasons = summary.reasons
    for rejection in rejections:
        for reason in rejection.reasons:
            group = reason.group
            if group not in reasons and len(reasons) >= MAX_NAMES:
                group = _OTHER_REASONS
            example = f"{prefix}{rejection.line}: {printable(reason.text)}"
            reasons.setdefault(group, Tally()).add(rejection.line, example)


def count_origins(source: SourceSummary, batch: Batch, selection: Selection) -> None:
    """Count from which sources Miso has records that are not sent again."""
    for found in (selection.already_sent, selection.changed):
        if not found:
            continue
        source.already_sent_from.update(found.values())
        for index, name in found.items():
            source.first_already_sent.setdefault(name, batch.lines[index])
