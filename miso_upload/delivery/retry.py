"""When to try again, as a policy that does no waiting of its own."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.delivery.answers import Verdict

_MOST_DOUBLINGS = 64
"""Beyond these any bound is long passed, and a float power would overflow some day."""


class Backoff(NamedTuple):
    """Exponential waits with full jitter, within bounds; never shorter than Miso asks for.

    Attributes:
        attempts: How often a request is sent at most.
        base: The longest first wait, in seconds; it doubles with each attempt.
        longest: The longest wait, in seconds, unless Miso asks for more.
        patience: The longest sum of waits for one request, in seconds.
        draw: Returns a random number in [0, 1).
    """

    attempts: int = 8
    base: float = 0.5
    longest: float = 60.0
    patience: float = 600.0
    draw: Callable[[], float] = random.random

    def wait(self, attempt: int, waited: float, retry_after: float | None) -> float | None:
        """Return the seconds to wait after attempt number `attempt` (from 1), or None to give up.

        Args:
            attempt: How many attempts have failed.
            waited: The seconds waited so far for this request.
            retry_after: The wait that Miso asked for, if it did.
        """
        if attempt >= self.attempts:
            return None
        # A named wait can be 0, or in the past by our clock: then our own wait spares the server.
        wait = max(self.pause(attempt), retry_after or 0.0)
        return wait if waited + wait <= self.patience else None

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after attempt number `attempt`, whatever the bounds."""
        most = min(self.longest, self.base * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))
        return self.draw() * most


@dataclass(slots=True)
class Tries:
    """How often one request was sent, and with what result.

    Attributes:
        attempts: How often it was sent.
        waited: The seconds waited between.
        in_a_row: How often the last verdict came in a row.
        seen: All verdicts.
    """

    attempts: int = 0
    waited: float = 0.0
    in_a_row: int = 0
    seen: set[Verdict] = field(default_factory=set)
    _last: Verdict | None = None

    def note(self, verdict: Verdict) -> None:
        """Count an attempt that ended with `verdict`."""
        self.attempts += 1
        self.in_a_row = self.in_a_row + 1 if verdict is self._last else 1
        self._last = verdict
        self.seen.add(verdict)


class Pace:
    """Spreads requests of all threads evenly, so that no second sees more than allowed.

    Args:
        per_second: Requests a second; None for no bound.
    """

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = Lock()

    def turn(self) -> float:
        """Take the next turn and return how many seconds to wait until it comes."""
        if not self._gap:
            return 0.0
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._gap
        return mine - now
