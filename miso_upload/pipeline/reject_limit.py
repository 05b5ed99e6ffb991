"""Stopping before junk is loaded: rows that are mostly no interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import JunkError
from miso_upload.pipeline.summary_counts import count_rejections
from miso_upload.transform.mapping import detect_preset
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from miso_upload.records import Batch
    from miso_upload.report.summary import Summary

FEWEST_ROWS_TO_JUDGE = 10_000
"""How many rows must be read before the share of rejected ones is held against the input."""
FEWEST_NOT_SKIPPED = 1_000
"""How many of them must be left, where the user's rules skip the others."""
_FEWEST_OF_A_BLOCK = 100
"""The same for one block of which some rows are skipped and all others rejected."""
_WAYS_OUT = (
    "'miso-upload init FILE' drafts a mapping, --preset NAME is a ready one, --map and --set name "
    "what is missing; --max-reject-rate 1 goes on regardless"
)

FEWEST_ROWS_TO_DOUBT = 100
"""How many rows must be bad, and none good, before a recipe is doubted that has proven itself."""


class JunkGuard:
    """Watches how many of a run's rows are rejected, of those that are not skipped.

    Args:
        most: The share of them beyond which the run stops; 1 never stops.
        summary: Is told why, and where a dry run only says so, what an upload would do.
        stops: Whether it stops at all.
        suggests_preset: Whether a preset that the rows look like is named: the user named none.
    """

    def __init__(
        self, most: float, summary: Summary, *, stops: bool, suggests_preset: bool = False
    ) -> None:
        self._most = most
        self._summary = summary
        self._stops = stops
        self._suggests_preset = suggests_preset
        self._rows = self._rejected = self._skipped = 0
        self._has_warned = False

    def count(self, rows: int, rejected: int, skipped: int = 0) -> None:
        """Add rows that were read, refused or skipped in this run."""
        self._rows += rows
        self._rejected += rejected
        self._skipped += skipped

    def look_at(
        self, batch: Batch, name: str, place: str, *, proven: bool, trusted: bool = False
    ) -> None:
        """Stop if it is time to.

        Args:
            batch: What was just read.
            name: The input that it is of.
            place: What stands before its line numbers in messages.
            proven: The input is known to hold interactions.
            trusted: So is another one, under the same recipe. A new log may begin with a bad row in
                the night in which it is first read; that must not hold up the logs after it.

        Raises:
            JunkError: It is; the message says what most rows have in common.
        """
        if self._most >= 1:
            return
        judged = self._rows - self._skipped
        doubtful = batch.rows >= FEWEST_ROWS_TO_DOUBT or not trusted
        # A block of one row that cannot be read at all is no sample yet.
        if not proven and doubtful and batch.checksum and _has_no_good_row(batch):
            self._stop(batch, name, place, _none_is_valid(batch))
        elif (
            self._rows >= FEWEST_ROWS_TO_JUDGE
            and judged >= FEWEST_NOT_SKIPPED
            and self._rejected > judged * self._most
        ):
            skipped = f" ({self._skipped:,} more were skipped)" if self._skipped else ""
            share = f"{self._rejected:,} of {judged:,} rows were rejected{skipped}"
            self._stop(batch, name, place, share)

    def _stop(self, batch: Batch, name: str, place: str, what: str) -> None:
        if not self._stops and self._has_warned:
            return
        hint = self._hint(batch)
        if not self._stops:
            self._summary.advice.append(f"An upload would stop: {what}.{hint} {_WAYS_OUT}")
            self._has_warned = True
            return
        count_rejections(self._summary, batch.rejections, place)
        group, tally = self._summary.most_common_reasons()[0]
        raise JunkError(
            f"{name}: stopped, because {what}. {counted(tally.count, 'time')}: {group} "
            f"(e.g. {tally.example}).{hint} See --dry-run; {_WAYS_OUT}"
        )

    def _hint(self, batch: Batch) -> str:
        if not self._suggests_preset:
            return ""
        preset = detect_preset([rejection.row for rejection in batch.rejections])
        if preset is None:
            return ""
        return f" These are the columns of the preset {preset}: try --preset {preset}."


def _has_no_good_row(batch: Batch) -> bool:
    if batch.lines or not batch.rejections:
        return False
    return not batch.skipped or len(batch.rejections) >= _FEWEST_OF_A_BLOCK


def _none_is_valid(batch: Batch) -> str:
    if not batch.skipped:
        if batch.rows == 1:
            return "the first row is not valid"
        return f"none of the first {batch.rows:,} rows is valid"
    return (
        f"none of {len(batch.rejections):,} rows is valid ({batch.skipped:,} beside them "
        "were skipped)"
    )
