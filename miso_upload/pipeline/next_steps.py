"""What the user may want to do after a run, and whether its numbers add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import AccountingError, KeyRefusedError
from miso_upload.pipeline.overlaps import shared_records
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.pipeline.settings import Settings
    from miso_upload.report.summary import Summary


def conclude(settings: Settings, summary: Summary) -> None:
    """Add to a summary what the user may want to do next, and see that the numbers add up."""
    if not summary.balanced and summary.stopped_by is None:
        summary.stopped_by = AccountingError(
            "rows read and rows accounted for differ; please report this with the --report file"
        )
    summary.advice += _advice(settings, summary)


def _advice(settings: Settings, summary: Summary) -> Iterator[str]:
    if summary.totals.pending and settings.persistent:
        yield _still_to_send(summary)
    if settings.resume.already_sent == "leave-out" and not settings.resume.remember:
        yield from shared_records(summary.sources)
    for source in summary.sources:
        if source.waiting:
            yield f"{source.name}: {source.waiting.as_text()}"
    held = sum(source.open_unknown for source in summary.sources)
    if held and settings.delivery.on_unknown == "hold":
        yield (
            f"{counted(held, 'record is', 'records are')} held, because nobody knows whether Miso "
            "has them: --on-unknown resend sends them again, --on-unknown skip gives them up"
        )
        yield from summary.outcomes.advice(settings.delivery.not_stored)
    now = summary.totals - summary.before
    files = any(source.rejects_file for source in summary.sources)
    if now.rejected and settings.persistent and not files:
        yield "'miso-upload rejects FILE' prints the rejected rows"


def _still_to_send(summary: Summary) -> str:
    waiting = counted(summary.totals.pending, "row waits", "rows wait")
    again = "run the same command again"
    if isinstance(summary.stopped_by, KeyRefusedError):
        again = "run the command again with another key"
    return f"{waiting} to be sent: {again}"
