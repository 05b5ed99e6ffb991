"""Stopping before junk is loaded: rows that are mostly no interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miso_upload.errors import JunkError

if TYPE_CHECKING:
    from miso_upload.records import Batch
    from miso_upload.report import Summary

FEWEST_ROWS_TO_JUDGE = 10_000
"""How many rows must be read before the share of rejected ones is held against the input."""

FEWEST_ROWS_TO_DOUBT = 100
"""How many rows must be bad, and none good, before a recipe is doubted that has proven itself."""


class JunkGuard:
    """Watches how many of a run's rows are rejected.

    Args:
        most: The share of them beyond which the run stops; 1 never stops.
        summary: Is told why, and where a dry run only says so, what an upload would do.
        stops: Whether it stops at all.
    """

    def __init__(self, most: float, summary: Summary, *, stops: bool) -> None:
        self._most = most
        self._summary = summary
        self._stops = stops
        self._rows = self._rejected = 0
        self._has_warned = False

    def count(self, rows: int, rejected: int) -> None:
        """Add rows that were read or refused in this run."""
        self._rows += rows
        self._rejected += rejected

    def look_at(self, batch: Batch, name: str, place: str, *, proven: bool, trusted: bool) -> None:
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
        doubtful = batch.rows >= FEWEST_ROWS_TO_DOUBT or not trusted
        # A block of one row that cannot be read at all is no sample yet.
        if not proven and doubtful and batch.digest and batch.rejections:
            self._stop(batch, name, place, f"none of the first {batch.rows:,} rows is valid")
        elif self._rows >= FEWEST_ROWS_TO_JUDGE and self._rejected > self._rows * self._most:
            share = f"{self._rejected:,} of {self._rows:,} rows were rejected"
            self._stop(batch, name, place, share)

    def _stop(self, batch: Batch, name: str, place: str, what: str) -> None:
        if not self._stops:
            if not self._has_warned:
                self._summary.advice.append(f"An upload would stop: {what}")
            self._has_warned = True
            return
        self._summary.reject(batch.rejections, place)
        group, tally = self._summary.most_common_reasons()[0]
        raise JunkError(
            f"{name}: stopped, because {what}. {tally.count:,} times: {group} "
            f"(e.g. {tally.example}). See --dry-run; 'miso-upload init FILE' drafts a mapping, "
            "--preset NAME is a ready one, --map and --set name what is missing; "
            "--max-reject-rate 1 goes on regardless"
        )
