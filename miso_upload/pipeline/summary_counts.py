"""Adds the outcomes of batches to the summary of a run, in the pipeline's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.records import MAX_NAMES, Tally
from miso_upload.records.element import element_of, line_of
from miso_upload.values.display import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miso_upload.records import Batch, Rejection, Selection
    from miso_upload.report.summary import SourceSummary, Summary

_OTHER_REASONS = "(other reasons)"


def count_rejections(summary: Summary, rejections: Iterable[Rejection], prefix: str) -> None:
    """Count rejections by their reasons.

    Args:
        summary: The summary to add them to.
        rejections: The rejections of one source.
        prefix: The text before a line number of this source in messages.
    """
    reasons = summary.reasons
    for rejection in rejections:
        for reason in rejection.reasons:
            group = reason.group
            if group not in reasons and len(reasons) >= MAX_NAMES:
                group = _OTHER_REASONS
            element = element_of(rejection.line)
            example = f"{prefix}{element.text}: {printable(reason.text)}"
            reasons.setdefault(group, Tally()).add(element.line, example)


def count_origins(source: SourceSummary, batch: Batch, selection: Selection) -> None:
    """Count already sent records by the source that sent them."""
    for found in (selection.already_sent, selection.changed):
        if not found:
            continue
        source.already_sent_from.update(found.values())
        for index, name in found.items():
            source.first_already_sent.setdefault(name, line_of(batch.lines[index]))
