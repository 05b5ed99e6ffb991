"""Stopping in good order: one signal ends the run gently, a second one at once."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from threading import Condition, Thread, current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

Item = TypeVar("Item")
_WAKING: signal.Signals | None = getattr(signal, "SIGURG", None)
"""Ignored by programs that do not ask for it, so a late one does no harm; Windows has none."""
_SECONDS_BETWEEN_WAKINGS = 0.1


class StopReading(BaseException):
    """Raised out of a read that would otherwise wait for input that may never come."""


class StopSignal:
    """Says to stop, and which signal said so; like a `threading.Event` that a signal may set.

    Any thread may set it and ask for it. Only the main thread, where signal handlers run, writes
    the other attributes; the rest read them.

    An Event's lock is not reentrant, so a signal handler that sets one can wait forever for the
    very code that it interrupted.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._said = False
        self._changed = Condition()  # over a reentrant lock, unlike an Event's
        self._reading = False
        self._handling = False

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        return self._said

    def set(self) -> None:
        """Say that the run is to stop, also to a main thread that waits for input."""
        with self._changed:
            self._said = True
            self._changed.notify_all()
        if self._reading and self._handling and current_thread() is not main_thread():
            Thread(target=self._wake_the_reader, name="waking", daemon=True).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until told to stop, but not longer than `timeout` seconds; return `is_set()`."""
        with self._changed:
            return self._changed.wait_for(self.is_set, timeout)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Mark code that may wait for input, and does nothing that must not be broken off.

        Raises:
            StopReading: A signal came, or the run is to stop.
        """
        try:
            self._reading = True
            # Who says so from now on sees that somebody reads; who said so before may not have.
            if self._said:
                raise StopReading
            yield
        finally:
            self._reading = False

    def _wake_the_reader(self) -> None:
        """Break off the main thread's read, as only a signal can."""
        identity = main_thread().ident
        # A signal that comes just before the system call that waits does not break it off.
        while self._reading and self._handling and _WAKING is not None and identity is not None:
            if sys.platform != "win32":  # where _WAKING is None
                signal.pthread_kill(identity, _WAKING)
            with self._changed:
                self._changed.wait(_SECONDS_BETWEEN_WAKINGS)

    def interruptible(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield from `items`, whose `next` may wait for input, until told to stop."""
        while not self.is_set():
            try:
                with self.reading():
                    item = next(items)
            except (StopIteration, StopReading):
                return
            yield item

    @contextmanager
    def on_signals(self, leave: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Stop on SIGINT, SIGTERM and SIGHUP while in this context, and let `set` break off reads.

        The second signal ends the process at once: what it was about to send is an intent in the
        ledger, so nothing is lost.

        Args:
            leave: Called before ending at once, to leave the terminal in order.
        """
        if current_thread() is not main_thread():
            yield
            return

        def handle(number: int, _frame: FrameType | None) -> None:
            if self.signal_number is not None:
                try:
                    leave()
                finally:
                    os._exit(128 + number)
            self.signal_number = number
            self.set()
            if self._reading:
                self._reading = False
                raise StopReading

        def wake(_number: int, _frame: FrameType | None) -> None:
            if self._reading and self._said:
                self._reading = False
                raise StopReading

        numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
        before = {number: signal.getsignal(number) for number in numbers if number is not None}
        # A parent such as nohup that has a signal ignored means it; None is not Python's own.
        ours = {
            number: handler
            for number, handler in before.items()
            if handler not in (signal.SIG_IGN, None)
        }
        for number in ours:
            signal.signal(number, handle)
        if _WAKING is not None:
            ours[_WAKING] = signal.signal(_WAKING, wake) or signal.SIG_DFL
        self._handling = True
        try:
            yield
        finally:
            self._handling = False
            for number, handler in ours.items():
                signal.signal(number, handler)
