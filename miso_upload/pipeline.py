"""The loop: read a block, transform it, note the intent, deliver it, settle it.

It does no input or output of its own. Only the thread that runs it touches the ledger; deliveries
run beside it, and no more than those plus one batch are in memory.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.delivery import DeliveryPool
from miso_upload.errors import (
    DamagedSourceError,
    InterruptedRunError,
    JunkError,
    LedgerError,
    MisoUploadError,
    ShorterSourceError,
    SourceError,
)
from miso_upload.junk import JunkGuard
from miso_upload.ledger import Settlement
from miso_upload.records import Receipt
from miso_upload.report import NOTING, READING, TRANSFORMING, WAITING, SourceSummary
from miso_upload.resuming import Resuming, entry_for, is_beginning, spans_to_compare
from miso_upload.stopping import StopReading
from miso_upload.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from miso_upload.ledger import Entry, Ledger
    from miso_upload.listener import Listener
    from miso_upload.records import Batch, Block, Leftover, Rejection
    from miso_upload.rejects import RejectsFile
    from miso_upload.report import Summary
    from miso_upload.sources import Source
    from miso_upload.stages import Input, Stages
    from miso_upload.stopping import StopSignal


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How the loop behaves.

    Attributes:
        concurrency: Deliveries at once; 0 delivers each batch before the next is read.
        max_reject_rate: The share of rejected rows beyond which the run stops; 1 never stops.
        stops_on_junk: Whether it stops at all, or only says so (a dry run).
        suggests_preset: Where it stops, it names a preset that the rows look like.
        hold_unknown: Unknown records are not sent again.
        abandon_unknown: Nor will they be by a later run.
        restart: Start every source over.
        allow_changed_recipe: Go on with a source that was begun under another recipe.
        after_signal: What to say of going on after a signal.
        patience: How long to wait for deliveries when the run is interrupted, in seconds.
    """

    concurrency: int = 4
    max_reject_rate: float = 0.1
    stops_on_junk: bool = True
    suggests_preset: bool = False
    hold_unknown: bool = False
    abandon_unknown: bool = False
    restart: bool = False
    allow_changed_recipe: bool = False
    after_signal: str = ""
    patience: float = 30.0


class _Job(NamedTuple):
    """A batch on its way, and whose it is."""

    at: _Place
    batch: Batch
    leftover: Leftover | None


@dataclass(slots=True)
class _Place:
    """A source that is being worked on."""

    entry: Entry
    rejects: RejectsFile | None
    shown: str
    """What stands before a line number in messages."""
    summary: SourceSummary
    proven: bool
    """It is known to hold interactions: some of its rows became records, now or in earlier runs."""
    is_new: bool
    """It was entered into the ledger by this run."""
    recipe: str
    met: bool
    """The ledger knows it under the name and with the beginning that it has now."""
    caught_up: bool = False
    """The input at hand has everything that was read of the source before."""
    whole: bool = False
    """An input with this content was read to its end."""
    cut_off: list[SourceError] = field(default_factory=list)
    """Of inputs that end too soon; where another one is whole, they were copies in the making."""


class Pipeline:
    """Takes inputs to their end, from wherever the last run left them.

    Args:
        ledger: Knows what was done and is told what is done.
        stages: Do what is to be done with blocks and batches.
        options: How.
        stop: Set when nothing more should be sent.
        listener: Is told how it goes.
        summary: Is filled with what the run comes to.
    """

    def __init__(
        self,
        ledger: Ledger,
        stages: Stages,
        options: PipelineOptions,
        *,
        stop: StopSignal,
        listener: Listener,
        summary: Summary,
    ) -> None:
        self._ledger = ledger
        self._stages = stages
        self._options = options
        self._stop = stop
        self._listener = listener
        self._summary = summary
        self._pool: DeliveryPool[_Job] = DeliveryPool(options.concurrency)
        self._guard = JunkGuard(
            options.max_reject_rate, summary, stops=options.stops_on_junk,
            suggests_preset=options.suggests_preset,
        )  # fmt: skip
        self._watch = Stopwatch()

    def run(self, inputs: Sequence[Input]) -> None:
        """Work through `inputs` and fill the summary; what stops the run is noted there.

        Raises:
            LedgerError: The ledger cannot be used, so that nothing can be said for certain.
        """
        started = time.monotonic()
        places: list[_Place] = []
        try:
            for each in inputs:
                self._work_through(each, places)
                if self._stop.is_set():
                    break
        except MisoUploadError as error:
            self._note_stop(error)
        except BaseException:
            self._stop.set()
            raise
        finally:
            try:
                self._drain()
            finally:
                self._pool.close()
                for place in places:
                    if place.rejects is not None:
                        place.rejects.close()
        for place in places:
            if not place.whole:
                self._summary.problems += place.cut_off
            place.summary.totals = self._ledger.totals(place.entry)
            place.summary.open_unknown = self._ledger.open_unknown(place.entry)
            if place.is_new and self._ledger.last_span(place.entry) is None:
                self._ledger.forget(place.entry)
        self._summary.seconds = time.monotonic() - started
        self._summary.seconds_by_activity = dict(self._watch.seconds)

    def _work_through(self, each: Input, places: list[_Place]) -> None:
        try:
            with self._stop.reading():
                opened = each.open()
            with opened as source:
                self._upload(each, source, places)
        except StopReading:
            return
        except JunkError:
            raise
        except SourceError as error:
            # The other inputs have done nothing wrong.
            self._summary.problems.append(error)

    def _upload(self, each: Input, source: Source, places: list[_Place]) -> None:
        if not source.has_rows:
            # Without a row, it would be recognised in every source with the same header.
            self._summary.sources.append(SourceSummary(each.name, waiting=source.waiting))
            self._listener.noted(f"{each.name}: has no rows")
            return
        place = self._take_up(each, source, places)
        try:
            self._upload_rows(each, source, place)
        except (DamagedSourceError, ShorterSourceError) as error:
            shorter = isinstance(error, ShorterSourceError)
            if shorter and is_beginning(source, self._ledger.spans(place.entry)):
                self._note_beginning(each, place)
                return
            if place.whole and place.caught_up:
                raise
            place.cut_off.append(error)
        else:
            place.whole = place.whole or not self._stop.is_set()

    def _note_beginning(self, each: Input, place: _Place) -> None:
        place.met = True
        known = place.entry.name
        longer = f"{known}, which is longer" if known != each.name else "a longer file"
        self._listener.noted(f"{each.name}: all of its rows were read as part of {longer}")

    def _upload_rows(self, each: Input, source: Source, place: _Place) -> None:
        transform = each.prepare(source)
        rows = self._ledger.totals(place.entry).rows
        blocks = self._watch.over(self._blocks(source, place), READING)
        made = self._stages.transforms.run(transform, blocks, source.path)
        for batch, leftover in self._watch.over(made, TRANSFORMING):
            self._listener.reading(each.name, source.raw_position)
            rows += batch.rows
            self._check(place, batch, leftover)
            self._send(_Job(place, batch, leftover))
            if self._stop.is_set():
                return
        if not rows:
            self._listener.noted(f"{each.name}: has no rows")
        place.summary.waiting = source.waiting
        for note in source.notes():
            self._listener.noted(f"{each.name}: {note}")

    # -- where to go on ----------------------------------------------------------------------------

    def _take_up(self, each: Input, source: Source, places: list[_Place]) -> _Place:
        """Find the source in the ledger, whatever it was called, or enter it."""
        ledger, said = self._ledger, self._options
        options = Resuming(each.recipe(source), said.restart, said.allow_changed_recipe)
        known = ledger.recognise(source.head)
        if known is None and not said.restart:
            known = ledger.reaching_beyond(source.head)
        for place in places:
            if known is not None and place.entry.id == known.id:
                self._listener.noted(f"{each.name}: has the content of {place.summary.name}")
                return place
        rejected = ledger.totals(known).rejected if known is not None else 0
        entry = entry_for(each.name, source.head, known, ledger, options, self._listener)
        is_new = known is None
        summary = SourceSummary(each.name, before=ledger.totals(entry), superseded=entry.superseded)
        if rejected and not summary.before.rows and each.rejects is not None:
            # It was started over, and what was rejected before is read and judged again.
            each.rejects.begin_anew(each.name)
        self._summary.sources.append(summary)
        shown = f"{each.name}:" if source.format.by_line else f"{each.name}:item "
        proven = summary.before.rows > summary.before.rejected + summary.before.skipped
        places.append(
            _Place(entry, each.rejects, shown, summary, proven, is_new, options.recipe, is_new)
        )
        return places[-1]

    def _blocks(self, source: Source, place: _Place) -> Iterator[tuple[Block, Leftover | None]]:
        """Yield the blocks with work left, and then everything behind the last known span."""
        entry = place.entry
        place.caught_up = False
        todo = self._ledger.unfinished(entry, hold_unknown=self._options.hold_unknown)
        starts = {each.start for each in todo}
        last = self._ledger.last_span(entry)
        for known in spans_to_compare(source, entry, todo, self._ledger):
            with self._stop.reading():
                block = source.again(known)
            if known.start in starts:
                self._meet(source, place)
                yield block, known.leftover
        start, line = source.body_start, source.body_line
        if last is not None:
            start, line = last.end, last.next_line
        self._meet(source, place)
        place.caught_up = True
        for block in self._stop.interruptible(source.blocks(start, line)):
            yield block, None

    def _meet(self, source: Source, place: _Place) -> None:
        """Note a known source under its name of now, once it is seen to be what it was."""
        if not place.met:
            known, head = place.entry, source.head
            place.entry = self._ledger.meet_again(known, source.name, head, place.recipe)
            place.met = True

    def _check(self, place: _Place, batch: Batch, leftover: Leftover | None) -> None:
        """Stop before junk is loaded."""
        self._listener.transformed(batch)
        place.proven = place.proven or bool(batch.lines)
        if leftover is None:
            self._guard.count(batch.rows, len(batch.rejections), batch.skipped)
        trusted = place.proven or self._ledger.has_proven(place.recipe)
        name, shown = place.summary.name, place.shown
        self._guard.look_at(batch, name, shown, proven=place.proven, trusted=trusted)

    # -- sending and settling ----------------------------------------------------------------------

    def _send(self, job: _Job) -> None:
        """Start the delivery of a batch as soon as there is room, settling others meanwhile."""
        while self._pool.full and not self._stop.is_set():
            with self._watch.on(WAITING):
                self._settle_finished(timeout=0.5)
        if self._stop.is_set():
            return
        if job.leftover is None or job.leftover.everything:
            self._summary.findings.add(job.batch.findings, job.at.shown)
        if not job.batch.lines:
            self._settle(job, _NOTHING)
            return
        with self._watch.on(NOTING):
            self._ledger.intend(job.at.entry, job.batch)
        self._pool.start(job, lambda: self._stages.deliverer.deliver(job.batch, job.leftover))
        self._listener.sending(len(self._pool))
        self._settle_finished(timeout=0)

    def _settle_finished(self, timeout: float) -> None:
        for job, receipt in self._pool.finished(timeout):
            self._settle(job, receipt)

    def _settle(self, job: _Job, receipt: Receipt) -> None:
        with self._watch.on(NOTING):
            self._note(job, receipt)
        self._summary.requests += receipt.requests
        self._summary.bytes_sent += receipt.bytes_sent
        self._summary.seconds_of_requests += receipt.seconds
        self._listener.settled(job.batch, receipt)
        self._listener.sending(len(self._pool))
        if isinstance(receipt.stop, MisoUploadError):
            self._note_stop(receipt.stop)

    def _note(self, job: _Job, receipt: Receipt) -> None:
        """Write into the ledger what became of a batch, and its rejections into their file."""
        at, batch = job.at, job.batch
        new = self._ledger.unseen(at.entry, batch, receipt, job.leftover)
        rejects_file = self._set_aside(at, new) if new else None
        settlement = Settlement(
            batch, receipt, job.leftover, new, self._options.abandon_unknown, rejects_file
        )
        try:
            self._ledger.settle(at.entry, settlement)
        except LedgerError:
            if rejects_file is not None and at.rejects is not None:
                at.rejects.take_back()
            raise
        if job.leftover is None:
            self._guard.count(0, len(receipt.rejections))

    def _set_aside(self, at: _Place, new: Sequence[Rejection]) -> tuple[Path, int] | None:
        """Count and write rejections; return the rejects file and how long it is now."""
        self._summary.reject(new, at.shown)
        if at.rejects is None:
            return None
        try:
            if not at.rejects.is_open:
                self._ledger.enter_rejects_file(at.rejects.path, at.rejects.open())
            length = at.rejects.add(at.summary.name, new)
        except LedgerError as error:
            # What Miso answered is noted all the same, or it would be sent again.
            self._note_stop(error)
            return None
        at.summary.rejects_file = str(at.rejects.path)
        return at.rejects.path, length

    # -- stopping ----------------------------------------------------------------------------------

    def _note_stop(self, error: MisoUploadError) -> None:
        if self._summary.stopped_by is None:
            self._summary.stopped_by = error
        self._stop.set()

    def _drain(self) -> None:
        """Let what is under way finish, for a while; what does not stays an intent."""
        if self._stop.is_set() and len(self._pool):
            signalled = self._stop.signal_number is not None
            again = " (once more Ctrl-C to leave at once)" if signalled else ""
            self._listener.stopping(f"finishing what is under way{again}")
        deadline: float | None = None
        while len(self._pool) and (deadline is None or time.monotonic() < deadline):
            try:
                with self._watch.on(WAITING):
                    self._settle_finished(timeout=0.2)
            except MisoUploadError as error:
                self._note_stop(error)
            if deadline is None and self._stop.is_set():
                deadline = time.monotonic() + self._options.patience
        if self._stop.is_set() and self._summary.stopped_by is None:
            self._summary.stopped_by = InterruptedRunError(
                f"stopped by a signal{self._options.after_signal}",
                signal_number=self._stop.signal_number or signal.SIGINT,
            )


_NOTHING = Receipt()
