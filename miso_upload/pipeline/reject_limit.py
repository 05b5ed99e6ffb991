"""Stops a run that rejects more rows than `--max-reject-rate` allows (by default 10%).

So a wrong mapping or file is noticed before most of it is uploaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import RejectRateError
from miso_upload.pipeline.summary_counts import count_rejections
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from miso_upload.records import Batch
    from miso_upload.report.summary import Summary

MIN_ROWS = 10_000
"""The reject rate is checked only after this many rows were read."""
MIN_ROWS_NOT_SKIPPED = 1_000
"""The reject rate is checked only if the user's rules leave at least this many of them."""
_MIN_ROWS_OF_BLOCK = 100
"""A block without valid rows stops the run only if its rules leave this many rows."""
_POSSIBLE_FIXES = (
    "Possible fixes: draft a mapping file with 'miso-upload init FILE'; use a preset with --preset "
    "NAME; supply missing attributes with --map and --set; turn this check off with "
    "--max-reject-rate 1"
)

MIN_ROWS_OF_TRUSTED_JOB = 100
"""A first block without valid rows stops a run whose job already worked for another source only
if it has this many rows."""


class RejectRateLimit:
    """Counts rejected rows and stops the run if too many rows are rejected.

    The reject rate is the number of rejected rows divided by the number of rows not skipped.

    Args:
        max_rate: The highest reject rate; 1 turns the check off.
        summary: Receives the rejections of a run that stops, and the warning of a dry run.
        stops: Whether to stop the run, or only to warn, as in a dry run.
        suggests_preset: Whether to name the preset that matches the columns.
    """

    def __init__(
        self, max_rate: float, summary: Summary, *, stops: bool, suggests_preset: bool = False
    ) -> None:
        self._max_rate = max_rate
        self._summary = summary
        self._stops = stops
        self._suggests_preset = suggests_preset
        self._rows = self._rejected = self._skipped = 0
        self._has_warned = False

    def count(self, rows: int, rejected: int, skipped: int = 0) -> None:
        """Add rows that this run has read, rejected and skipped."""
        self._rows += rows
        self._rejected += rejected
        self._skipped += skipped

    def check(
        self, batch: Batch, name: str, prefix: str, *, proven: bool, trusted: bool = False
    ) -> None:
        """Stop the run if too many rows were rejected.

        Args:
            batch: The batch that was just read.
            name: The input that contains it.
            prefix: The text before its line numbers in messages.
            proven: Whether rows of this input became records before.
            trusted: Whether rows of another input became records with the same job. A new log may
                have only a bad row on the night it is first read; that must not hold up the logs
                after it.

        Raises:
            RejectRateError: Too many rows were rejected; the message has the most common reason.
        """
        if self._max_rate >= 1:
            return
        counting = self._rows - self._skipped
        is_sample = batch.rows >= MIN_ROWS_OF_TRUSTED_JOB or not trusted
        # A single row that cannot be parsed has no checksum, and is too small a sample.
        if not proven and is_sample and batch.checksum and _has_no_valid_row(batch):
            self._stop(batch, name, prefix, _none_is_valid(batch))
        elif (
            self._rows >= MIN_ROWS
            and counting >= MIN_ROWS_NOT_SKIPPED
            and self._rejected > counting * self._max_rate
        ):
            skipped = f" ({self._skipped:,} more were skipped)" if self._skipped else ""
            why = f"{self._rejected:,} of {counting:,} rows were rejected{skipped}"
            self._stop(batch, name, prefix, why)

    def _stop(self, batch: Batch, name: str, prefix: str, why: str) -> None:
        if not self._stops and self._has_warned:
            return
        hint = self._hint(batch)
        if not self._stops:
            self._summary.advice.append(
                f"An upload would stop because {why}.{hint} {_POSSIBLE_FIXES}"
            )
            self._has_warned = True
            return
        count_rejections(self._summary, batch.rejections, prefix)
        group, tally = self._summary.most_common_reasons()[0]
        raise RejectRateError(
            f"{name}: stopped because {why}. The most common reason, for "
            f"{counted(tally.count, 'row')}: {group} (e.g. {tally.example}).{hint} "
            f"{_POSSIBLE_FIXES}. To check all rows first, use --dry-run"
        )

    def _hint(self, batch: Batch) -> str:
        if not self._suggests_preset:
            return ""
        from miso_upload.transform.mapping import detect_preset  # noqa: PLC0415 -- few runs stop

        preset = detect_preset([rejection.row for rejection in batch.rejections])
        if preset is None:
            return ""
        return f" The columns match the preset {preset}: try --preset {preset}."


def _has_no_valid_row(batch: Batch) -> bool:
    if batch.lines or batch.outside or not batch.rejections:
        return False
    return not batch.skipped or len(batch.rejections) >= _MIN_ROWS_OF_BLOCK


def _none_is_valid(batch: Batch) -> str:
    if not batch.skipped:
        if batch.rows == 1:
            return "the first row is not valid"
        return f"none of the first {batch.rows:,} rows is valid"
    return (
        f"none of {len(batch.rejections):,} rows is valid "
        f"({counted(batch.skipped, 'other row was', 'other rows were')} skipped)"
    )
