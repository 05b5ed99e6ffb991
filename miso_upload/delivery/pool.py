"""Runs several deliveries in parallel threads, up to a limit."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miso_upload.records import Receipt

Job = TypeVar("Job")


class DeliveryPool(Generic[Job]):
    """Runs deliveries in threads, and returns each job with its receipt.

    The threads are daemons, so a hanging request cannot keep the program from exiting. The threads
    share only two queues with the caller.

    Args:
        concurrency: How many deliveries run in parallel; 0 runs each one in the caller's thread.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._todo: SimpleQueue[tuple[Job, Callable[[], Receipt]] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Job, Receipt | BaseException]] = SimpleQueue()
        self._in_flight = 0
        self._threads = 0

    def __len__(self) -> int:
        """Return how many deliveries are in flight or finished but not yet returned."""
        return self._in_flight

    @property
    def full(self) -> bool:
        """Whether all threads are in use."""
        return self._in_flight >= max(self._concurrency, 1)

    def start(self, job: Job, deliver: Callable[[], Receipt]) -> None:
        """Run `deliver` in a thread. The caller checks `full` first."""
        self._in_flight += 1
        if not self._concurrency:
            self._run(job, deliver)
            return
        if self._threads < min(self._in_flight, self._concurrency):
            self._threads += 1
            Thread(target=self._work, name=f"delivery-{self._threads}", daemon=True).start()
        self._todo.put((job, deliver))

    def finished(self, timeout: float = 0.0) -> Iterator[tuple[Job, Receipt]]:
        """Yield finished deliveries, waiting up to `timeout` seconds for the first one."""
        while self._in_flight:
            try:
                job, result = (
                    self._done.get(timeout=timeout) if timeout else self._done.get_nowait()
                )
            except Empty:
                return
            self._in_flight -= 1
            timeout = 0.0
            if isinstance(result, BaseException):
                raise result
            yield job, result

    def close(self) -> None:
        """Let each thread exit after its current delivery."""
        for _ in range(self._threads):
            self._todo.put(None)

    def _work(self) -> None:
        while (task := self._todo.get()) is not None:
            self._run(*task)

    def _run(self, job: Job, deliver: Callable[[], Receipt]) -> None:
        try:
            self._done.put((job, deliver()))
        except BaseException as error:  # noqa: BLE001 -- `finished` raises it
            self._done.put((job, error))
