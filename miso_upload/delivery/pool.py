"""Delivering several batches at a time, never more than asked for."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from miso_upload.records import Receipt

Job = TypeVar("Job")


class DeliveryPool(Generic[Job]):
    """Runs deliveries in threads and hands back each job with its receipt.

    Args:
        concurrency: How many deliveries run at once.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._executor = ThreadPoolExecutor(concurrency, thread_name_prefix="delivery")
        self._running: dict[Future[Receipt], Job] = {}

    def __len__(self) -> int:
        """Return how many deliveries are under way."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether another delivery would have to wait for a thread."""
        return len(self._running) >= self._concurrency

    def start(self, job: Job, deliver: Callable[[], Receipt]) -> None:
        """Run `deliver` in a thread; the caller looks at `full` first."""
        self._running[self._executor.submit(deliver)] = job

    def finished(self, timeout: float | None = 0) -> Iterator[tuple[Job, Receipt]]:
        """Yield what has finished, waiting up to `timeout` seconds for the first of them."""
        if not self._running:
            return
        done, _ = wait(self._running, timeout, FIRST_COMPLETED)
        for future in done:
            yield self._running.pop(future), future.result()

    def abandon(self) -> None:
        """Stop without waiting for what is under way."""
        self._executor.shutdown(wait=False, cancel_futures=True)
