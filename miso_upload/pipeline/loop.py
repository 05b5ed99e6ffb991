"""The loop: read a block, transform it, note the intent, deliver it, settle it.

It does no input or output of its own. Only the thread that runs it touches the ledger; deliveries
run beside it, and no more than those plus one batch are in memory.
"""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.delivery import DeliveryPool
from miso_upload.errors import (
    DamagedSourceError,
    InterruptedRunError,
    JunkError,
    LedgerError,
    MisoUploadError,
    SourceError,
)
from miso_upload.ledger import Settlement
from miso_upload.ledger.migration import checksum_test
from miso_upload.pipeline.comparison import compare
from miso_upload.pipeline.interrupt import StopReading
from miso_upload.pipeline.reject_limit import JunkGuard
from miso_upload.pipeline.resume import Comparison, Resumer, SourceToRead, would_stop
from miso_upload.pipeline.selection import Selector, reader_of
from miso_upload.pipeline.source_run import SourceRun, made_good
from miso_upload.pipeline.summary_counts import count_origins, count_rejections
from miso_upload.pipeline.timing import Stopwatch
from miso_upload.records import Receipt, Selection
from miso_upload.report.summary import NOTING, READING, TRANSFORMING, WAITING, SourceSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from miso_upload.ledger import Ledger
    from miso_upload.pipeline.interfaces import Input, Stages
    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.resume import Start
    from miso_upload.pipeline.settings import Settings
    from miso_upload.records import Batch, Block, Leftover, Rejection
    from miso_upload.report.listener import Listener
    from miso_upload.report.summary import Summary
    from miso_upload.sources import Source


class _Job(NamedTuple):
    """A batch on its way, and whose it is."""

    at: SourceRun
    batch: Batch
    leftover: Leftover | None
    selection: Selection


class Pipeline:
    """Takes inputs to their end, from wherever the last run left them.

    Args:
        ledger: Knows what was done and is told what is done.
        stages: Do what is to be done with blocks and batches.
        settings: How.
        stop: Set when nothing more should be sent.
        listener: Is told how it goes.
        summary: Is filled with what the run comes to.
    """

    def __init__(
        self,
        ledger: Ledger,
        stages: Stages,
        settings: Settings,
        *,
        stop: StopSignal,
        listener: Listener,
        summary: Summary,
    ) -> None:
        self._ledger = ledger
        self._resumer = Resumer(
            ledger, settings.resume, listener, known=stages.known,
            hold_unknown=settings.delivery.on_unknown == "hold",
        )  # fmt: skip
        self._stages = stages
        self._settings = settings
        self._resends_unknown = settings.delivery.on_unknown == "resend"
        self._stop = stop
        self._listener = listener
        self._summary = summary
        self._pool: DeliveryPool[_Job] = DeliveryPool(stages.in_flight)
        self._guard = JunkGuard(
            settings.validation.max_reject_rate, summary, stops=not settings.validation.dry_run,
            suggests_preset=settings.mapping.preset is None and settings.mapping.mapping is None,
        )  # fmt: skip
        self._watch = Stopwatch()

    def run(self, inputs: Sequence[Input]) -> None:
        """Work through `inputs` and fill the summary; what stops the run is noted there.

        Raises:
            LedgerError: The ledger cannot be used, so that nothing can be said for certain.
        """
        started = time.monotonic()
        sources: list[SourceRun] = []
        try:
            for each in inputs:
                self._work_through(each, sources)
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
                for source in sources:
                    if source.rejects is not None:
                        source.rejects.close()
        self._sum_up(sources)
        self._summary.accepted_at_target = self._ledger.accepted_total()
        self._summary.duplicates_at_target = self._ledger.duplicates_total()
        self._summary.seconds = time.monotonic() - started
        self._summary.seconds_by_activity = dict(self._watch.seconds)

    def _sum_up(self, sources: Sequence[SourceRun]) -> None:
        for source in sources:
            source.summary.totals = self._ledger.totals(source.scan)
            source.summary.open_unknown = self._ledger.open_unknown(source.scan)
            if source.start.is_new and self._ledger.last_span(source.scan) is None:
                self._ledger.drop_empty(source.scan)
        for _, damage, whole in made_good(sources, self._ledger):
            if whole is None:
                self._summary.problems.append(damage)
                continue
            self._listener.noted(
                f"{damage}. All records before the damage are in {whole.summary.name}, "
                "which is whole, so nothing is missing."
            )

    def _work_through(self, each: Input, sources: list[SourceRun]) -> None:
        try:
            with self._stop.reading():
                opened = each.open()
            with opened as source:
                self._upload(each, source, sources)
        except StopReading:
            return
        except JunkError:
            raise
        except SourceError as error:
            # The other inputs have done nothing wrong.
            self._summary.problems.append(error)

    def _upload(self, each: Input, source: Source, sources: list[SourceRun]) -> None:
        if not source.has_rows:
            self._summary.sources.append(SourceSummary(each.name, waiting=source.waiting))
            if source.waiting is None:
                self._listener.noted(f"{each.name}: has no rows")
            return
        job = each.job(source)
        transform = each.prepare(source)
        with self._stop.reading():
            known = self._stages.known or self._ledger
            compare = partial(self._compare, source, transform, known)
            to_read = SourceToRead(source, each.name, job, compare)
            start = self._resumer.start(to_read)
            if known is not self._ledger and self._settings.resume.on_changed_mapping == "stop":
                why = would_stop(known, to_read)
                self._summary.advice += [f"An upload would stop: {why}"] if why else []
        at = self._take_up(each, source, start, job)
        sources.append(at)
        if start.unchanged:
            at.complete()
            at.close()
            return
        try:
            self._upload_rows(each, source, at, transform)
        except DamagedSourceError as error:
            at.damaged(error)
        else:
            if not self._stop.is_set():
                at.complete()
            if at.is_complete and source.waiting is None:
                self._ledger.complete(at.scan, source.compressed_checksum)
        finally:
            at.close()

    def _upload_rows(
        self,
        each: Input,
        source: Source,
        at: SourceRun,
        transform: Callable[[Block], Batch],
    ) -> None:
        rows = at.summary.before.rows
        blocks = self._watch.over(self._blocks(source, at.start), READING)
        made = self._stages.transforms.run(transform, blocks, source.path)
        for batch, leftover in self._watch.over(made, TRANSFORMING):
            self._listener.reading(each.name, source.raw_position)
            if (span := at.take_span_without_keys(batch)) is not None:
                if span.checksum != batch.checksum:  # or an earlier run came as far as here
                    self._ledger.remember_keys(at.scan, batch, span)
                if leftover is None:
                    continue
            rows += batch.rows
            self._check(at, batch, leftover)
            self._send(at, batch, leftover)
            if self._stop.is_set():
                return
        if at.scan.keyless:
            self._ledger.fill_in(at.scan)
        if not rows:
            self._listener.noted(f"{each.name}: has no rows")
        at.summary.waiting = source.waiting
        for note in source.notes():
            self._listener.noted(f"{each.name}: {note}")

    # -- where to begin ----------------------------------------------------------------------------

    def _take_up(self, each: Input, source: Source, start: Start, job: str) -> SourceRun:
        scan = start.scan
        before = self._ledger.totals(scan)
        if start.is_new and each.rejects is not None:
            # All of its rows are validated again.
            each.rejects.restart(each.name)
        summary = SourceSummary(each.name, before=before, superseded=scan.superseded)
        self._summary.sources.append(summary)
        key = source.identity.key
        options = self._settings.resume
        readers = [reader_of(self._ledger, options, key, scan.id, start.met)]
        if (known := self._stages.known) is not None:
            readers.insert(0, reader_of(known, options, key))
        return SourceRun(
            start=start,
            job=job,
            prefix=f"{each.name}:" if source.format.by_line else f"{each.name}:item ",
            summary=summary,
            rejects=each.rejects,
            selector=Selector(readers, options, hold_unknown=not self._resends_unknown),
        )

    def _compare(
        self, source: Source, transform: Callable[[Block], Batch], ledger: Ledger, until: int
    ) -> Comparison:
        if not source.can_reopen:
            return Comparison(0, 0)  # its rows would be gone
        blocks = self._stop.interruptible(source.blocks(source.body_start, source.body_line))
        keeps_changed = not self._settings.resume.sends_changed
        return compare(blocks, transform, until, ledger, keeps_changed=keeps_changed)

    def _blocks(self, source: Source, start: Start) -> Iterator[tuple[Block, Leftover | None]]:
        """Yield the blocks with work left, and then everything behind the last known span."""
        leftovers = {span.start: span for span in start.leftovers}
        is_sum = checksum_test(keyless=bool(start.without_keys))
        for known in start.without_keys or start.leftovers:
            with self._stop.reading():
                block = source.reread(known, is_sum)
            yield block, leftovers[known.start].leftover if known.start in leftovers else None
        for block in self._stop.interruptible(source.blocks(start.offset, start.line)):
            yield block, None

    def _check(self, at: SourceRun, batch: Batch, leftover: Leftover | None) -> None:
        """Stop before junk is loaded."""
        self._listener.transformed(batch)
        at.count_records(batch)
        if leftover is None:
            self._guard.count(batch.rows, len(batch.rejections), batch.skipped)
        trusted = at.proven or self._ledger.has_proven(at.job)
        name, prefix = at.summary.name, at.prefix
        self._guard.look_at(batch, name, prefix, proven=at.proven, trusted=trusted)

    # -- sending and settling ----------------------------------------------------------------------

    def _send(self, at: SourceRun, batch: Batch, leftover: Leftover | None) -> None:
        """Start the delivery of a batch as soon as there is room, settling others meanwhile."""
        while self._pool.full and not self._stop.is_set():
            with self._watch.on(WAITING):
                self._settle_finished(timeout=0.5)
        if self._stop.is_set():
            return
        if leftover is None or leftover.everything:
            self._summary.findings.add(batch.findings, at.prefix)
        if at.begin_sending() and batch.contents is not None:
            # Another version of one of its rows may be in flight from the source before.
            self._settle_all()
        with self._watch.on(NOTING):
            selection = at.selector.select(batch, leftover, self._settle_all)
        if self._stop.is_set():
            return
        count_origins(at.summary, batch, selection)
        if (doubt := at.doubt_about(batch, selection)) is not None:
            self._listener.noted(doubt)
        job = _Job(at, batch, leftover, selection)
        if not selection.sends(batch):
            self._settle(job, _NOTHING)
            return
        with self._watch.on(NOTING):
            self._ledger.intend(at.scan, batch, selection)
        self._pool.start(job, lambda: self._stages.deliverer.deliver(batch, selection))
        self._listener.sending(len(self._pool))
        self._settle_finished(timeout=0)

    def _settle_all(self) -> bool:
        """Wait for the outcome of everything in flight; return whether there was anything."""
        any_in_flight = bool(len(self._pool))
        while len(self._pool) and not self._stop.is_set():
            self._settle_finished(timeout=0.5)
        return any_in_flight

    def _settle_finished(self, timeout: float) -> None:
        for job, receipt in self._pool.finished(timeout):
            self._settle(job, receipt)

    def _settle(self, job: _Job, receipt: Receipt) -> None:
        with self._watch.on(NOTING):
            self._note(job, receipt)
        self._summary.requests += receipt.requests
        self._summary.bytes_sent += receipt.bytes_sent
        self._summary.seconds_of_requests += receipt.seconds
        self._summary.outcomes.add(receipt)
        self._listener.settled(job.batch, receipt)
        self._listener.sending(len(self._pool))
        if isinstance(receipt.stop, MisoUploadError):
            self._note_stop(receipt.stop)

    def _note(self, job: _Job, receipt: Receipt) -> None:
        """Write into the ledger the outcome of a batch, and its rejections into their file."""
        at, batch = job.at, job.batch
        new = self._ledger.unseen(at.scan, batch, receipt, job.leftover)
        rejects_file = self._reject(at, new) if new else None
        settlement = Settlement(
            batch=batch,
            selection=job.selection,
            receipt=receipt,
            leftover=job.leftover,
            rejections=new,
            abandon_unknown=self._settings.delivery.on_unknown == "skip",
            forecasts=self._settings.validation.dry_run,
            remembers=self._settings.resume.remember and not self._settings.validation.dry_run,
            rejects_file=rejects_file,
        )
        try:
            self._ledger.settle(at.scan, settlement)
        except LedgerError:
            if rejects_file is not None and at.rejects is not None:
                at.rejects.take_back()
            raise
        if job.leftover is None:
            self._guard.count(0, len(receipt.rejections))

    def _reject(self, at: SourceRun, new: Sequence[Rejection]) -> tuple[Path, int] | None:
        """Count and write rejections; return the rejects file and how long it is now."""
        count_rejections(self._summary, new, at.prefix)
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
        """Let what is in flight finish, for a while; what does not finish stays an intent."""
        if self._stop.is_set() and len(self._pool):
            signalled = self._stop.signal_number is not None
            again = " (once more Ctrl-C to leave at once)" if signalled else ""
            self._listener.stopping(f"finishing requests in flight{again}")
        deadline: float | None = None
        while len(self._pool) and (deadline is None or time.monotonic() < deadline):
            try:
                with self._watch.on(WAITING):
                    self._settle_finished(timeout=0.2)
            except MisoUploadError as error:
                self._note_stop(error)
            if deadline is None and self._stop.is_set():
                deadline = time.monotonic() + _PATIENCE
        if self._stop.is_set() and self._summary.stopped_by is None:
            kept = _PROGRESS_KEPT if self._settings.persistent else ""
            self._summary.stopped_by = InterruptedRunError(
                f"stopped by a signal{kept}",
                signal_number=self._stop.signal_number or signal.SIGINT,
            )


_NOTHING = Receipt()
_PATIENCE = 30.0
"""Seconds that an interrupted run waits for its deliveries."""
_PROGRESS_KEPT = "; the position is kept: run the same command again"
