"""Suggests next steps after a run, and checks that the numbers add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import AccountingError, KeyRefusedError
from miso_upload.pipeline.overlaps import shared_records
from miso_upload.values.display import counted
from miso_upload.values.timestamps import SWAPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.pipeline.settings import Settings
    from miso_upload.report.summary import Summary


def conclude(settings: Settings, summary: Summary) -> None:
    """Add next steps to a summary, and check that the numbers add up."""
    if not summary.balanced and summary.stopped_by is None:
        summary.stopped_by = AccountingError(
            "internal error: rows read and rows accounted for differ; please report this and "
            "attach the file of --report"
        )
    summary.advice += _advice(settings, summary)


def _advice(settings: Settings, summary: Summary) -> Iterator[str]:
    if summary.totals.pending and settings.persistent:
        yield _still_to_send(summary)
    if settings.resume.already_sent == "leave-out" and not settings.resume.remember:
        yield from shared_records(summary.sources)
    yield from _swapped_days(summary)
    for source in summary.sources:
        if source.waiting:
            yield f"{source.name}: {source.waiting.as_text()}"
    held = sum(source.open_unknown for source in summary.sources)
    if held and settings.delivery.on_unknown == "hold":
        yield (
            f"{counted(held, 'record has', 'records have')} an unknown outcome and will not be "
            "resent automatically. Possible fixes: --on-unknown resend, if Miso may store "
            "duplicates; --on-unknown skip, if records may be missing"
        )
        yield from summary.outcomes.advice(settings.delivery.not_stored)
    now = summary.totals - summary.before
    files = any(source.rejects_file for source in summary.sources)
    if now.rejected and settings.persistent and not files:
        yield "To see the rejected rows, run 'miso-upload rejects FILE'"


def _swapped_days(summary: Summary) -> Iterator[str]:
    """Yield a sentence if all rejected timestamps have day and month in the other order."""
    about = {group: tally for group, tally in summary.reasons.items()
             if group.startswith("timestamp ")}  # fmt: skip
    if about and all(SWAPPED.problem and SWAPPED.problem in group for group in about):
        rejected = sum(tally.count for tally in about.values())
        yield (
            f"The other order of day and month fits {counted(rejected, 'rejected timestamp')}, "
            "which is all of them. The timestamp format is probably wrong, and accepted timestamps "
            "are then wrong too. Swap %d and %m in the format before you send anything"
        )


def _still_to_send(summary: Summary) -> str:
    left = counted(summary.totals.pending, "row")
    if isinstance(summary.stopped_by, KeyRefusedError):
        return f"{left} still to send. Progress is saved; rerun the command with a valid key"
    return f"{left} still to send. Progress is saved; rerun the same command to resume"
