"""Progress of a run: a bar on a terminal, regular lines elsewhere, JSON on request.

All progress goes to stderr; stdout is for results. If the terminal goes away, progress ends and the
run continues.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, TextIO, cast

from miso_upload.report.listener import Listener
from miso_upload.values.display import counted, one_line
from miso_upload.values.json import encode, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress

    from miso_upload.records import Batch, Receipt
    from miso_upload.report.summary import Summary

SECONDS_BETWEEN_LINES = 10.0


class ProgressCounter(Listener):
    """Counts rows, chunks and bytes; subclasses show the counts."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()
        self.rows = self.accepted = self.rejected = self.unknown = 0
        self.chunks = self.bytes_sent = self.in_flight = 0
        self.total_bytes: int | None = None
        self._sizes: dict[str, int] = {}
        self._positions: dict[str, int] = {}
        self._current: str | None = None

    @property
    def position(self) -> int:
        """Return how many bytes have been read from all inputs."""
        return sum(self._positions.values())

    @property
    def rows_per_second(self) -> float:
        """Return the average rate since the start."""
        return self.rows / max(time.monotonic() - self.started_at, 0.001)

    def started(self, inputs: Sequence[tuple[str, int | None]]) -> None:
        """See `Listener`."""
        self._sizes = {name: size for name, size in inputs if size is not None}
        if len(self._sizes) == len(inputs):
            self.total_bytes = sum(self._sizes.values())

    def reading(self, name: str, position: int) -> None:
        """See `Listener`; the inputs before this one count as read to their ends."""
        if self._current is not None and name != self._current:
            read = self._positions[self._current]
            self._positions[self._current] = self._sizes.get(self._current, read)
        self._current = name
        self._positions[name] = position

    def transformed(self, batch: Batch) -> None:
        """See `Listener`."""
        self.rows += batch.rows
        self.rejected += len(batch.rejections)

    def sending(self, deliveries: int) -> None:
        """See `Listener`."""
        self.in_flight = deliveries

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """See `Listener`."""
        del batch
        self.chunks += 1
        self.accepted += receipt.accepted
        self.rejected += len(receipt.rejections)
        self.unknown += len(receipt.unknown)
        self.bytes_sent += receipt.bytes_sent


class ProgressLines(ProgressCounter):
    """Writes a line every ten seconds, and a line for each note."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._next = self.started_at + SECONDS_BETWEEN_LINES
        self._lock = Lock()
        self._gone = False

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """See `Listener`."""
        super().settled(batch, receipt)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            share = f" ({self.position / self.total_bytes:.0%})" if self.total_bytes else ""
            self.say(
                f"{counted(self.rows, 'row')} read{share}, {self.accepted:,} accepted, "
                f"{self.rejected:,} rejected, {counted(self.chunks, 'chunk')}, "
                f"{self.rows_per_second:,.0f} rows/s"
            )

    def waiting(self, seconds: float, why: str) -> None:
        """See `Listener`."""
        self.say(f"{why}; retrying in {seconds:.1f} s" if seconds else why)

    def noted(self, text: str) -> None:
        """See `Listener`."""
        self.say(text)

    def stopping(self, why: str) -> None:
        """See `Listener`."""
        self.say(f"stopping: {why}")

    def say(self, text: str) -> None:
        """Write one line, even if the text contains line breaks."""
        with self._lock:
            if self._gone:
                return
            try:
                self._stream.write(f"{one_line(text)}\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._gone = True


class ProgressJson(ProgressLines):
    """Writes one JSON object per line, for log collectors."""

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """See `Listener`; writes a line for each chunk."""
        ProgressCounter.settled(self, batch, receipt)
        self._event(
            "settled",
            first_line=batch.first_line,
            rows=batch.rows,
            accepted=receipt.accepted,
            rejected=len(batch.rejections) + len(receipt.rejections),
            unknown=len(receipt.unknown),
            pending=len(receipt.pending),
            requests=receipt.requests,
            seconds=round(receipt.seconds, 3),
        )

    def waiting(self, seconds: float, why: str) -> None:
        """See `Listener`."""
        self._event("waiting", seconds=round(seconds, 3), why=why)

    def noted(self, text: str) -> None:
        """See `Listener`."""
        self._event("noted", text=text)

    def stopping(self, why: str) -> None:
        """See `Listener`."""
        self._event("stopping", why=why)

    def failed(self, text: str) -> None:
        """Write an error."""
        self._event("error", text=text)

    def _event(self, event: str, **facts: Any) -> None:  # noqa: ANN401 -- any JSON value
        document = readable({"time": round(time.time(), 3), "event": event, **facts})
        self.say(encode(document).decode())


class NoProgress(Listener):
    """Shows nothing."""


class _Terminal:
    """A stream whose write errors are ignored, because the terminal window may be closed.

    rich also writes from its own thread, where nobody could catch an error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- any attribute of a stream
        return getattr(self._stream, name)


class ProgressBar(ProgressLines):
    """Draws a progress bar on a terminal, with notes above it."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console  # noqa: PLC0415 -- slow to import, and only a terminal needs it
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar: Progress = Progress(
            TextColumn("{task.fields[rows]}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(),
            console=Console(file=cast("TextIO", _Terminal(sys.stderr))),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, rows="", state="")
        self._moved = False

    def started(self, inputs: Sequence[tuple[str, int | None]]) -> None:
        """See `Listener`."""
        super().started(inputs)
        self._bar.update(self._task, total=self.total_bytes)
        self._bar.start()

    def reading(self, name: str, position: int) -> None:
        """See `Listener`."""
        super().reading(name, position)
        if not self._moved:
            # What an earlier run has read took no time in this one: it must not count as speed.
            self._bar.reset(self._task, total=self.total_bytes, completed=self.position)
            self._moved = True
        self._draw()

    def settled(self, batch: Batch, receipt: Receipt) -> None:
        """See `Listener`."""
        ProgressCounter.settled(self, batch, receipt)
        self._draw()

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        with self._lock:
            self._bar.console.print(
                one_line(text), markup=False, emoji=False, highlight=False, soft_wrap=True
            )

    def finished(self, summary: Summary) -> None:
        """See `Listener`."""
        del summary
        self.leave()

    def leave(self) -> None:
        """Remove the bar and restore the terminal."""
        self._bar.stop()

    def _draw(self) -> None:
        rejected = f", {self.rejected:,} rejected" if self.rejected else ""
        unknown = f", {self.unknown:,} unknown" if self.unknown else ""
        self._bar.update(
            self._task,
            completed=self.position,
            rows=f"{counted(self.rows, 'row')}, {self.rows_per_second:,.0f}/s",
            state=(
                f"{self.bytes_sent / 1e6:,.1f} MB, {counted(self.chunks, 'chunk')} done, "
                f"{self.in_flight} in flight{rejected}{unknown}"
            ),
        )
