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
    """The evidence of one run, shared by all threads that send."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._largest = 0
        self._mark = 0
        self._confirmed: set[Verdict] = set()
        self._disproved: set[Verdict] = set()

    @property
    def mark(self) -> int:
        """Return how many requests were accepted; later, more than this means others since."""
        return self._mark

    @property
    def largest(self) -> int:
        """Return the bytes of the largest body that was accepted."""
        return self._largest

    def learn(self, verdict: Verdict, size: int, before: Collection[Verdict]) -> None:
        """Note the answer to a body of `size` bytes, and those that it had before."""
        if verdict is Verdict.ACCEPTED:
            with self._lock:
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
                return self._mark > 0
            case Verdict.TOO_LARGE if part.size <= self._largest:
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
                return part.size > self._largest
            case Verdict.REFUSED:
                return not read_refusal(judgement.lines, 1)
        return False

    def confirm(self, verdict: Verdict) -> None:
        """Note that an answer was repeated as often as was needed."""
        self._confirmed.add(verdict)

    def needed(self, verdict: Verdict) -> int:
        """Return how many times in a row an answer must come before a record is rejected for it."""
        return FEW if verdict in self._confirmed - self._disproved else MANY
