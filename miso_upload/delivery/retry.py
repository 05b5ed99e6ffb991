"""Decides how long to wait before a retry, with full jitter and limits on attempts and time.

`deliverer` sends and resends; this module only computes.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from miso_upload.delivery.answers import Outcome

_MAX_DOUBLINGS = 64
"""After this many doublings, every limit is exceeded; more could overflow a float."""


class Backoff(NamedTuple):
    """Exponential backoff with full jitter, never shorter than the `Retry-After` of an answer.

    Attributes:
        attempts: The maximum number of attempts for one request.
        base: The upper bound of the first wait, in seconds; it doubles with each attempt.
        longest: The upper bound of later waits, in seconds.
        patience: The maximum sum of the waits for one request, in seconds.
        draw: Returns a random number in [0, 1).
    """

    attempts: int = 8
    base: float = 0.5
    longest: float = 60.0
    patience: float = 600.0
    draw: Callable[[], float] = random.random

    def wait(self, attempt: int, waited: float, retry_after: float | None) -> float | None:
        """Return how many seconds to wait before the next attempt, or None to give up.

        Args:
            attempt: How many attempts have failed.
            waited: How many seconds this request has waited so far.
            retry_after: The `Retry-After` of the answer, in seconds.
        """
        if attempt >= self.attempts:
            return None
        # Retry-After can be 0, or a date in the past by our clock; our own wait still applies then.
        wait = max(self.pause(attempt), retry_after or 0.0)
        return wait if waited + wait <= self.patience else None

    def pause(self, attempt: int) -> float:
        """Return how many seconds to wait after this many attempts, without a limit on them."""
        limit = min(self.longest, self.base * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS))
        return self.draw() * limit


@dataclass(slots=True)
class RetryState:
    """The attempts of one request so far.

    Attributes:
        attempts: How many attempts were made.
        waited: How many seconds were spent waiting between them.
        in_a_row: How many of the last attempts had the same outcome.
        seen: All outcomes so far.
    """

    attempts: int = 0
    waited: float = 0.0
    in_a_row: int = 0
    seen: set[Outcome] = field(default_factory=set)
    _last: Outcome | None = None

    def count(self, outcome: Outcome) -> None:
        """Count an attempt by its outcome."""
        self.attempts += 1
        self.in_a_row = self.in_a_row + 1 if outcome is self._last else 1
        self._last = outcome
        self.seen.add(outcome)


class Pace:
    """Limits the request rate of all threads, with an equal interval between requests.

    Args:
        per_second: The maximum number of requests a second; None for no limit.
    """

    def __init__(self, per_second: float | None) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = Lock()

    def reserve(self) -> float:
        """Reserve the next time slot, and return how many seconds to wait for it."""
        if not self._interval:
            return 0.0
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._interval
        return mine - now
