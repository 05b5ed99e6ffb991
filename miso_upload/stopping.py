"""Stopping in good order: one signal ends the run gently, a second one at once."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from threading import Condition, current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

Item = TypeVar("Item")


class StopReading(BaseException):
    """Raised out of a read that would otherwise wait for input that may never come."""


class StopSignal:
    """Says to stop, and which signal said so; like a `threading.Event` that a signal may set.

    An Event's lock is not reentrant, so a signal handler that sets one can wait forever for the
    very code that it interrupted.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._said = False
        self._changed = Condition()  # over a reentrant lock, unlike an Event's
        self._reading = False

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        return self._said

    def set(self) -> None:
        """Say that the run is to stop."""
        with self._changed:
            self._said = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until told to stop, but not longer than `timeout` seconds; return `is_set()`."""
        with self._changed:
            return self._changed.wait_for(self.is_set, timeout)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Mark code that may wait for input, and does nothing that must not be broken off.

        Raises:
            StopReading: A signal came.
        """
        try:
            self._reading = True
            yield
        finally:
            self._reading = False

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
        """Stop on SIGINT, SIGTERM and SIGHUP while in this context.

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
        try:
            yield
        finally:
            for number, handler in ours.items():
                signal.signal(number, handler)
