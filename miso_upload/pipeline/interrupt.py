"""Stops a run on a signal: the first signal ends it gracefully, the second one at once."""

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
"""Programs ignore this signal by default, so a late one does no harm; Windows has none."""
_SECONDS_BETWEEN_WAKINGS = 0.1


class StopReading(BaseException):
    """Interrupts a read that may wait forever for input."""


class StopSignal:
    """Asks a run to stop; like a `threading.Event` that a signal handler may set.

    Any thread may set or read it. Only the main thread, where signal handlers run, writes the other
    attributes.

    An Event's lock is not reentrant: a signal handler that sets an Event can deadlock with the code
    that it interrupted.

    Attributes:
        signal_number: The signal that asked the run to stop, if one did.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._is_set = False
        self._changed = Condition()  # has a reentrant lock, unlike an Event
        self._reading = False
        self._handling = False

    def is_set(self) -> bool:
        """Return whether the run is to stop."""
        return self._is_set

    def set(self) -> None:
        """Ask the run to stop, and interrupt the main thread if it waits for input."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()
        if self._reading and self._handling and current_thread() is not main_thread():
            Thread(target=self._wake_the_reader, name="wake-reader", daemon=True).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is to stop, at most `timeout` seconds; return `is_set()`."""
        with self._changed:
            return self._changed.wait_for(self.is_set, timeout)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Mark code that may wait for input and can be interrupted safely.

        Raises:
            StopReading: A signal came, or the run is to stop.
        """
        try:
            self._reading = True
            # From here on, `set` sees `_reading`; an earlier call may not have seen it.
            if self._is_set:
                raise StopReading
            yield
        finally:
            self._reading = False

    def _wake_the_reader(self) -> None:
        """Interrupt the read of the main thread, which only a signal can do."""
        identity = main_thread().ident
        # A signal just before the blocking system call does not interrupt it, so repeat.
        while self._reading and self._handling and _WAKING is not None and identity is not None:
            if sys.platform != "win32":  # where _WAKING is None
                signal.pthread_kill(identity, _WAKING)
            with self._changed:
                self._changed.wait(_SECONDS_BETWEEN_WAKINGS)

    def interruptible(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield from `items`, whose `next` may wait for input, until the run is to stop."""
        while not self.is_set():
            try:
                with self.reading():
                    item = next(items)
            except (StopIteration, StopReading):
                return
            yield item

    @contextmanager
    def on_signals(self, leave: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Stop on SIGINT, SIGTERM and SIGHUP in this context, and let `set` interrupt reads.

        The second signal ends the process at once. The ledger has an intent for each request in
        flight, so nothing is lost.

        Args:
            leave: Restores the terminal before the process ends at once.
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
            if self._reading and self._is_set:
                self._reading = False
                raise StopReading

        numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
        before = {number: signal.getsignal(number) for number in numbers if number is not None}
        # Respect a parent, such as nohup, that ignores a signal; None is a handler set in C.
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
