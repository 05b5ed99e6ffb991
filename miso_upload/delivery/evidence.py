"""What the answers of a run have shown so far, so that one odd answer does not overrule it.

A body that was accepted shows that its size is fine, that the address is right, and that the server
works. A record is rejected for an answer that does not name it only if the same answer came many
times to the record alone; fewer times once that proved right, unless it also proved wrong.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from miso_upload.delivery.answers import Verdict
from miso_upload.delivery.refusals import read_refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from miso_upload.delivery.answers import Judgement
    from miso_upload.delivery.parts import Part

MANY = 12
"""At 30% wrong answers, one good record in two million gets as many in a row."""
FEW = 3


class Evidence:
    """The evidence of one run, shared by all threads that send; each method takes its lock.

    Args:
        most_bytes: The largest body that is sent, until Miso refuses one as too large.
    """

    def __init__(self, most_bytes: int) -> None:
        self._lock = Lock()
        self._most_bytes = most_bytes
        self._largest = 0
        self._mark = 0
        self._unknown_in_a_row = 0
        self._confirmed: set[Verdict] = set()
        self._disproved: set[Verdict] = set()

    @property
    def mark(self) -> int:
        """Return how many requests were accepted; later, more than this means others since."""
        with self._lock:
            return self._mark

    @property
    def most_bytes(self) -> int:
        """Return how large a body may be that is sent; one that was accepted may come again."""
        with self._lock:
            return max(self._most_bytes, self._largest)

    def send_less(self, most_bytes: int) -> None:
        """Send no larger bodies from now on: Miso has to refuse one as too large only once."""
        with self._lock:
            self._most_bytes = min(self._most_bytes, most_bytes)

    @property
    def unknown_in_a_row(self) -> int:
        """Return how many requests in a row came to an unknown end."""
        with self._lock:
            return self._unknown_in_a_row

    def count_unknown(self) -> int:
        """Count a request with an unknown outcome; return how many there are in a row now."""
        with self._lock:
            self._unknown_in_a_row += 1
            return self._unknown_in_a_row

    def count_known(self) -> None:
        """Note a request with a known outcome, which ends a row of unknown ones."""
        with self._lock:
            self._unknown_in_a_row = 0

    def learn(self, verdict: Verdict, size: int, before: Collection[Verdict]) -> None:
        """Note the answer to a body of `size` bytes, and those that it had before."""
        with self._lock:
            if verdict is Verdict.ACCEPTED:
                self._mark += 1
                self._largest = max(self._largest, size)
                self._disproved.update(before)
            elif verdict is Verdict.TOO_LARGE and size <= self._largest:
                self._disproved.add(verdict)

    def may_pass(self, judgement: Judgement, part: Part) -> bool:
        """Return whether the very same request may be accepted another time."""
        match judgement.verdict:
            case Verdict.BUSY | Verdict.UNKNOWN:
                return True
            case Verdict.FAILED:
                return self.mark > 0
            case Verdict.TOO_LARGE if self._was_accepted(part.size):
                return True
        return self.accuses(judgement, part)

    def accuses(self, judgement: Judgement, part: Part) -> bool:
        """Return whether an answer blames a single record that it does not name.

        Of several records, a smaller request tells more than the same one again.
        """
        if len(part) > 1:
            return False
        match judgement.verdict:
            case Verdict.TROUBLED:
                return True
            case Verdict.TOO_LARGE:
                return not self._was_accepted(part.size)
            case Verdict.REFUSED:
                return not read_refusal(judgement.lines, 1)
        return False

    def confirm(self, verdict: Verdict) -> None:
        """Note that an answer was repeated as often as was needed."""
        with self._lock:
            self._confirmed.add(verdict)

    def needed(self, verdict: Verdict) -> int:
        """Return how many times in a row an answer must come before a record is rejected for it."""
        with self._lock:
            proved_right = verdict in self._confirmed and verdict not in self._disproved
        return FEW if proved_right else MANY

    def _was_accepted(self, size: int) -> bool:
        """Return whether a body of that size, or a larger one, was accepted."""
        with self._lock:
            return size <= self._largest
