"""How many requests may be in flight: fewer at once when Miso is busy, slowly more again after.

The policy is additive increase and multiplicative decrease, as in TCP, with a memory of where it
went wrong: just below the number that was refused last it stays for a while before it tries that
number again, and gives up one place, not half of them, where that is refused once more. So a server
of constant capacity is asked for too much only now and then, and one that grows is followed, since
a number that goes well is no edge any more.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CUT = 0.5
"""What remains of the number when Miso is busy."""
_REQUESTS_BELOW_THE_EDGE = 50
"""How many must go well before the number refused last is tried again: 2% refused at most."""
_ONCE_IN_EACH_PLACE = 0.1
"""About how far the number grows beyond the edge while each of a few places is used once."""
_UNTIL_A_PLACE_IS_FREE = 0.02
"""Seconds; much shorter than a request of thousands of records, much longer than asking takes."""


class Throttle:
    """The places for requests in flight, shared by all threads that send.

    Each request takes a place with `turn`, and gives it back with `done`. When one is told to wait,
    all wait: what one thread has learned, the others need not be told again.

    Args:
        most: The number of places at the start, and never more.
        clock: Returns seconds that only ever go forward.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(most)
        self._clock = clock
        self._places = float(most)
        self._edge = float("inf")
        self._in_flight = 0
        self._cuts = 0
        self._pause_ends = clock()
        self._lock = Lock()

    @property
    def places(self) -> int:
        """How many requests may be in flight now."""
        with self._lock:
            return int(self._places)

    def turn(self) -> tuple[float, int]:
        """Take a place if there is one.

        Returns:
            The seconds after which to ask again, 0 if the place is taken, and a number to give back
            with it.
        """
        with self._lock:
            pause = self._pause_ends - self._clock()
            if pause > 0:
                return pause, self._cuts
            if self._in_flight >= int(self._places):
                return _UNTIL_A_PLACE_IS_FREE, self._cuts
            self._in_flight += 1
            return 0.0, self._cuts

    def done(
        self, number: int, *, went_well: bool, busy: bool = False, pause: float | None = None
    ) -> bool:
        """Give a place back, and say how the request went.

        Args:
            number: What `turn` returned with the place.
            went_well: Miso dealt with it, whatever it said of the records.
            busy: Miso was asked for too much (429 or 503).
            pause: The seconds that it asked to wait.

        Returns:
            Whether there are fewer places from now on.
        """
        with self._lock:
            full = self._in_flight >= int(self._places)
            self._in_flight -= 1
            if pause is not None:
                self._pause_ends = max(self._pause_ends, self._clock() + pause)
            if busy:
                return self._cut(number)
            if went_well and full:
                self._grow()
            return False

    def _cut(self, number: int) -> bool:
        # Requests that were in flight together are refused together, and that is one piece of news.
        if number != self._cuts:
            return False
        self._cuts += 1
        before = int(self._places)
        # The number refused last, refused again, is nothing new: the one below it serves.
        left = before - 1 if before >= self._edge else self._places * _CUT
        self._edge = max(before, 2.0)
        self._places = max(left, 1.0)
        return int(self._places) < before

    def _grow(self) -> None:
        """Add a place after each place was used once; just below the edge, after many requests."""
        slow = self._places >= self._edge - 1
        self._places += 1 / _REQUESTS_BELOW_THE_EDGE if slow else 1 / self._places
        if self._places >= self._edge + _ONCE_IN_EACH_PLACE:
            self._edge = float("inf")  # it has moved
        self._places = min(self._places, self._most)
