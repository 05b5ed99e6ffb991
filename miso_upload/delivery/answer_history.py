"""Remembers the answers of a run, so that no record is rejected for a single odd answer.

An accepted body proves that its size is fine, that the address is right, and that the server works.
If an answer does not name a bad record, a record is rejected only after the same answer came many
times in a row to the record alone. Fewer repeats are enough once such an answer was confirmed,
unless it was also disproved.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from miso_upload.delivery.answers import Outcome
from miso_upload.delivery.refusals import read_refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from miso_upload.delivery.answers import RequestResult
    from miso_upload.delivery.request_bodies import RequestBody

REPEATS_NEEDED = 12
"""If 30% of the answers are wrong, one good record in two million gets this many in a row."""
REPEATS_ONCE_CONFIRMED = 3


class AnswerHistory:
    """What the answers of one run have proved. All sending threads share it; methods lock it.

    Args:
        max_bytes: The largest request body, until Miso refuses one as too large.
    """

    def __init__(self, max_bytes: int) -> None:
        self._lock = Lock()
        self._max_bytes = max_bytes
        self._largest_accepted = 0
        self._accepted = 0
        self._unknown_in_a_row = 0
        self._confirmed: set[Outcome] = set()
        self._disproved: set[Outcome] = set()

    @property
    def accepted(self) -> int:
        """Return how many requests were accepted so far."""
        with self._lock:
            return self._accepted

    @property
    def max_bytes(self) -> int:
        """Return the size limit of request bodies; a size that was accepted is never too large."""
        with self._lock:
            return max(self._max_bytes, self._largest_accepted)

    def limit_bytes(self, max_bytes: int) -> None:
        """Lower the size limit, so that Miso refuses a body as too large only once."""
        with self._lock:
            self._max_bytes = min(self._max_bytes, max_bytes)

    @property
    def unknown_in_a_row(self) -> int:
        """Return how many of the last requests in a row had an unknown outcome."""
        with self._lock:
            return self._unknown_in_a_row

    def count_unknown(self) -> int:
        """Count a request with an unknown outcome, and return how many there were in a row."""
        with self._lock:
            self._unknown_in_a_row += 1
            return self._unknown_in_a_row

    def count_known(self) -> None:
        """Note a known outcome, which resets the count of unknown ones."""
        with self._lock:
            self._unknown_in_a_row = 0

    def learn(self, outcome: Outcome, size: int, earlier: Collection[Outcome]) -> None:
        """Note the outcome of a body of `size` bytes, and its earlier outcomes."""
        with self._lock:
            if outcome is Outcome.ACCEPTED:
                self._accepted += 1
                self._largest_accepted = max(self._largest_accepted, size)
                self._disproved.update(earlier)
            elif outcome is Outcome.TOO_LARGE and size <= self._largest_accepted:
                self._disproved.add(outcome)

    def may_succeed(self, result: RequestResult, body: RequestBody) -> bool:
        """Return whether a retry of the same request may succeed."""
        match result.outcome:
            case Outcome.BUSY | Outcome.UNKNOWN:
                return True
            case Outcome.REQUEST_REFUSED:
                return self.accepted > 0
            case Outcome.TOO_LARGE if self._was_accepted(body.size):
                return True
        return self.makes_suspect(result, body)

    def makes_suspect(self, result: RequestResult, body: RequestBody) -> bool:
        """Return whether an answer may be due to a single record that it does not name.

        A body of several records is split instead, because smaller requests tell more than a retry.
        """
        if len(body) > 1:
            return False
        match result.outcome:
            case Outcome.UNEXPLAINED:
                return True
            case Outcome.TOO_LARGE:
                return not self._was_accepted(body.size)
            case Outcome.REFUSED:
                return not read_refusal(result.lines, 1)
        return False

    def confirm(self, outcome: Outcome) -> None:
        """Note that an outcome was repeated as often as needed."""
        with self._lock:
            self._confirmed.add(outcome)

    def repeats_needed(self, outcome: Outcome) -> int:
        """Return how often in a row an outcome must occur before a record is rejected for it."""
        with self._lock:
            is_reliable = outcome in self._confirmed and outcome not in self._disproved
        return REPEATS_ONCE_CONFIRMED if is_reliable else REPEATS_NEEDED

    def _was_accepted(self, size: int) -> bool:
        """Return whether a body of at least this size was accepted."""
        with self._lock:
            return size <= self._largest_accepted
