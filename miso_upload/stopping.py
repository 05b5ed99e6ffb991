"""Stopping in good order: one signal ends the run gently, a second one at once."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

Item = TypeVar("Item")


class _StopReading(BaseException):
    """Raised out of a read that would otherwise wait for input that may never come."""


class StopSignal(Event):
    """An event that says to stop, and which signal said so."""

    def __init__(self) -> None:
        super().__init__()
        self.signal_number: int | None = None
        self._reading = False

    def interruptible(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield from `items`, whose `next` may wait for input, until told to stop."""
        while not self.is_set():
            try:
                self._reading = True
                try:
                    item = next(items)
                finally:
                    self._reading = False
            except (StopIteration, _StopReading):
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
                leave()
                os._exit(128 + number)
            self.signal_number = number
            self.set()
            if self._reading:
                self._reading = False
                raise _StopReading

        names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names}
        for number, handler in before.items():
            # A parent such as nohup that has a signal ignored means it.
            if handler is not signal.SIG_IGN:
                signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
