"""Runs blocking calls in threads, so that the main thread can still handle signals."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


def in_thread(work: Callable[[], Result]) -> Future[Result]:
    """Run `work` in a daemon thread, so that the process can exit before it is done."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- `Future.result` raises it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
