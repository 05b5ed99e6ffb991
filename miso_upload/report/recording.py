"""A listener that keeps what it hears, for tests of programs that use miso-upload."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from miso_upload.report.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miso_upload.records import Batch, Receipt
    from miso_upload.report.summary import Summary


class RecordingListener(Listener):
    """Keeps the events of a run.

    Attributes:
        inputs: The inputs, with their sizes in bytes if known.
        batches: The batches, in the order of the inputs.
        receipts: The receipt of each settled batch, in the order of their outcomes.
        notes: What the user should know.
        waits: The seconds and the reason of each wait before a request was sent again.
        stops: Why reading has stopped early.
        summary: The summary, after the run.
    """

    def __init__(self) -> None:
        self.inputs: list[tuple[str, int | None]] = []
        self.batches: list[Batch] = []
        self.receipts: list[Receipt] = []
        self.notes: list[str] = []
        self.waits: list[tuple[float, str]] = []
        self.stops: list[str] = []
        self.summary: Summary | None = None
        self._lock = Lock()

    def started(self, inputs: Sequence[tuple[str, int | None]]) -> None:
        """See `Listener.started`."""
        self.inputs = list(inputs)

    def transformed(self, batch: Batch) -> None:
        """See `Listener.transformed`."""
        self.batches.append(batch)

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """See `Listener.settled`."""
        del batch
        self.receipts.append(receipt)

    def waiting(self, seconds: float, why: str) -> None:
        """See `Listener.waiting`; delivery threads call this."""
        with self._lock:
            self.waits.append((seconds, why))

    def noted(self, text: str) -> None:
        """See `Listener.noted`."""
        self.notes.append(text)

    def stopping(self, why: str) -> None:
        """See `Listener.stopping`."""
        self.stops.append(why)

    def finished(self, summary: Summary) -> None:
        """See `Listener.finished`."""
        self.summary = summary
