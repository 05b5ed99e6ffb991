"""Limits the requests in flight: the limit drops when Miso is busy, and slowly recovers.

The policy is additive increase and multiplicative decrease, as in TCP, and remembers the number of
requests that Miso last refused (the edge). Just below the edge, the limit stays for a while before
it reaches the edge again. If Miso refuses that number again, the limit drops by one instead of by
half. So a server of constant capacity is rarely overloaded. If the number succeeds, the edge is
forgotten, so that the limit follows a server whose capacity grows.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DECREASE = 0.5
"""The factor that reduces the limit when Miso is busy."""
_SUCCESSES_BELOW_THE_EDGE = 50
"""How many requests must succeed before the edge is tried again; at most 2% are refused."""
_BEYOND_THE_EDGE = 0.1
"""How far the limit must grow beyond the edge to forget it: about one request in each slot."""
_POLL_SECONDS = 0.02
"""Much shorter than a request of thousands of records, and much longer than a call of `acquire`."""


class Throttle:
    """The slots for requests in flight, shared by all sending threads.

    Each request takes a slot with `acquire`, and returns it with `release`. If Miso asks for a wait
    in one answer, all threads wait.

    Args:
        most: The number of slots at the start, which is also the maximum.
        clock: Returns seconds that never go backward.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(most)
        self._clock = clock
        self._slots = float(most)
        self._edge = float("inf")
        self._in_flight = 0
        self._cuts = 0
        self._pause_ends = clock()
        self._lock = Lock()

    @property
    def slots(self) -> int:
        """How many requests may be in flight now."""
        with self._lock:
            return int(self._slots)

    def acquire(self) -> tuple[float, int]:
        """Take a slot if one is free.

        Returns:
            How many seconds to wait before the next try, 0 if the slot is taken; and a ticket to
            pass to `release`.
        """
        with self._lock:
            pause = self._pause_ends - self._clock()
            if pause > 0:
                return pause, self._cuts
            if self._in_flight >= int(self._slots):
                return _POLL_SECONDS, self._cuts
            self._in_flight += 1
            return 0.0, self._cuts

    def release(
        self, ticket: int, *, succeeded: bool, busy: bool = False, pause: float | None = None
    ) -> bool:
        """Return a slot, and adjust the limit to the result of the request.

        Args:
            ticket: The ticket from `acquire`.
            succeeded: Whether Miso processed the request, even if it refused the records.
            busy: Whether Miso was overloaded (429 or 503).
            pause: How many seconds Miso asked to wait.

        Returns:
            Whether the limit is lower from now on.
        """
        with self._lock:
            full = self._in_flight >= int(self._slots)
            self._in_flight -= 1
            if pause is not None:
                self._pause_ends = max(self._pause_ends, self._clock() + pause)
            if busy:
                return self._decrease(ticket)
            if succeeded and full:
                self._increase()
            return False

    def _decrease(self, ticket: int) -> bool:
        # Requests that were in flight together and were all refused count as one overload.
        if ticket != self._cuts:
            return False
        self._cuts += 1
        before = int(self._slots)
        # If the edge is refused again, the capacity is unchanged, so one slot less is enough.
        left = before - 1 if before >= self._edge else self._slots * _DECREASE
        self._edge = max(before, 2.0)
        self._slots = max(left, 1.0)
        return int(self._slots) < before

    def _increase(self) -> None:
        """Add a slot after each slot was used once, or after many requests just below the edge."""
        slow = self._slots >= self._edge - 1
        self._slots += 1 / _SUCCESSES_BELOW_THE_EDGE if slow else 1 / self._slots
        if self._slots >= self._edge + _BEYOND_THE_EDGE:
            self._edge = float("inf")  # the server accepts more than before
        self._slots = min(self._slots, self._most)
