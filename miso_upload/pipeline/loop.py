"""Runs the loop of an upload: read a block, transform it, note the intent, deliver it, settle it.

The loop itself does no input or output. Only its thread uses the ledger; deliveries run in other
threads. Only the batches in flight and one more are in memory.
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
    LedgerError,
    MisoUploadError,
    RejectRateError,
    SourceError,
)
from miso_upload.ledger import Settlement
from miso_upload.ledger.migration import checksum_test
from miso_upload.pipeline.comparison import compare_source
from miso_upload.pipeline.group_blocks import BlockReader
from miso_upload.pipeline.interrupt import StopReading
from miso_upload.pipeline.reject_limit import RejectRateLimit
from miso_upload.pipeline.resume import Resumer, SourceToRead, would_stop
from miso_upload.pipeline.row_limit import RowLimit
from miso_upload.pipeline.selection import Selector, reader_of
from miso_upload.pipeline.source_run import SourceRun, recovered_damage
from miso_upload.pipeline.summary_counts import count_origins, count_rejections
from miso_upload.pipeline.timing import ActivityTimer
from miso_upload.records import Receipt, Selection
from miso_upload.report.summary import NOTING, READING, TRANSFORMING, WAITING, SourceSummary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from miso_upload.ledger import Ledger
    from miso_upload.pipeline.interfaces import Input, Stages
    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.resume import Start
    from miso_upload.pipeline.settings import Settings
    from miso_upload.pipeline.workers.pool import Transform, Work
    from miso_upload.records import Batch, Leftover, Rejection
    from miso_upload.report.listener import Listener
    from miso_upload.report.summary import Summary
    from miso_upload.sources import Source


class _InFlight(NamedTuple):
    """A batch in flight and the source that it is from."""

    source_run: SourceRun
    batch: Batch
    leftover: Leftover | None
    selection: Selection


class Pipeline:
    """Uploads inputs from wherever the last run stopped.

    Args:
        ledger: The ledger that progress is read from and written to.
        stages: The stages that transform blocks and deliver batches.
        settings: The settings of the run.
        stop: Set when the run is to stop.
        listener: Receives the progress.
        summary: Receives the outcomes.
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
            hold_unknown=settings.delivery.on_unknown == "hold", scope=stages.scope,
        )  # fmt: skip
        self._stages = stages
        self._settings = settings
        self._resends_unknown = settings.delivery.on_unknown == "resend"
        self._stop = stop
        self._listener = listener
        self._summary = summary
        self._pool: DeliveryPool[_InFlight] = DeliveryPool(stages.concurrency)
        self._reject_limit = RejectRateLimit(
            settings.validation.max_reject_rate, summary, stops=not settings.validation.dry_run,
            suggests_preset=settings.mapping.preset is None and settings.mapping.mapping is None,
        )  # fmt: skip
        self._timer = ActivityTimer()
        self._limit = RowLimit(settings.scope.limit)

    def run(self, inputs: Sequence[Input]) -> None:
        """Upload `inputs` and fill the summary; an error that stops the run is noted there.

        Raises:
            LedgerError: The ledger cannot be used, so the outcomes are uncertain.
        """
        started = time.monotonic()
        sources: list[SourceRun] = []
        try:
            for each in inputs:
                self._upload_input(each, sources)
                if self._stop.is_set() or self._limit.is_reached:
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
        self._summary.limit_reached = self._limit.is_reached
        self._summary.accepted_at_target = self._ledger.accepted_total()
        self._summary.duplicates_at_target = self._ledger.duplicates_total()
        self._summary.seconds = time.monotonic() - started
        self._summary.seconds_by_activity = dict(self._timer.seconds)

    def _sum_up(self, sources: Sequence[SourceRun]) -> None:
        for source in sources:
            source.summary.totals = self._ledger.totals(source.scan)
            source.summary.open_unknown = self._ledger.open_unknown(source.scan)
            if source.start.is_new and self._ledger.last_span(source.scan) is None:
                self._ledger.drop_empty(source.scan)
        for damage, complete in recovered_damage(sources, self._ledger):
            if complete is None:
                self._summary.problems.append(damage)
                continue
            self._listener.noted(
                f"{damage}. {complete.summary.name} is complete and has all records before the "
                "damage, so nothing is missing."
            )

    def _upload_input(self, each: Input, sources: list[SourceRun]) -> None:
        try:
            with self._stop.reading():
                opened = each.open()
            with opened as source:
                source.identity = source.identity.of_pass(self._settings.resume.pass_name)
                self._upload(each, source, sources)
        except StopReading:
            return
        except RejectRateError:
            raise
        except SourceError as error:
            # The other inputs can still be uploaded.
            self._summary.problems.append(error)

    def _upload(self, each: Input, source: Source, sources: list[SourceRun]) -> None:
        if not source.has_rows:
            self._summary.sources.append(SourceSummary(each.name, waiting=source.waiting))
            if source.waiting is None:
                self._listener.noted(f"{each.name}: has no rows")
            return
        job = each.fingerprint(source)
        transform = each.prepare(source)
        with self._stop.reading():
            known = self._stages.known or self._ledger
            reader = BlockReader(source, transform)
            compare = partial(
                compare_source, source, lambda: self._stop.interruptible(reader.all_blocks()),
                transform, ledger=known, keeps_changed=not self._settings.resume.sends_changed,
            )  # fmt: skip
            to_read = SourceToRead(source, each.name, job, compare, reader.goes_on)
            start = self._resumer.start(to_read)
            if known is not self._ledger and self._settings.resume.on_changed_mapping == "stop":
                why = would_stop(known, to_read)
                self._summary.advice += [f"An upload would stop: {why}"] if why else []
        source_run = self._begin(each, source, start, job)
        sources.append(source_run)
        if start.unchanged:
            source_run.complete()
            source_run.close()
            return
        try:
            self._upload_rows(each, source, source_run, transform)
        except DamagedSourceError as error:
            source_run.damaged(error)
        else:
            if not (self._stop.is_set() or self._limit.is_reached):
                source_run.complete()
            if source_run.is_complete and source.waiting is None:
                self._ledger.complete(source_run.scan, source.compressed_checksum)
        finally:
            source_run.close()

    def _upload_rows(
        self, each: Input, source: Source, source_run: SourceRun, transform: Transform
    ) -> None:
        rows = source_run.summary.before.rows
        reader = BlockReader(source, transform)
        blocks = self._timer.over(self._blocks(source, reader, source_run.start), READING)
        batches = self._stages.transformer.run(transform, blocks, source.path)
        for batch, leftover in self._timer.over(batches, TRANSFORMING):
            self._listener.reading(each.name, source.raw_position)
            if (span := source_run.take_span_without_keys(batch)) is not None:
                if span.checksum != batch.checksum:  # otherwise an earlier run has done it
                    self._ledger.remember_keys(source_run.scan, batch, span)
                if leftover is None:
                    continue
            rows += batch.rows
            left = None if leftover is None else leftover.matched(batch.all_lines)
            self._check(source_run, batch, left)
            self._send(source_run, batch, left)
            if self._stop.is_set():
                return
        self._summary.findings.add(reader.findings, source_run.prefix)
        if source_run.scan.keyless:
            self._ledger.fill_in(source_run.scan)
        if not rows:
            self._listener.noted(f"{each.name}: has no rows")
        source_run.summary.waiting = source.waiting
        for note in source.notes():
            self._listener.noted(f"{each.name}: {note}")

    # -- where to start ----------------------------------------------------------------------------

    def _begin(self, each: Input, source: Source, start: Start, job: str) -> SourceRun:
        scan = start.scan
        before = self._ledger.totals(scan)
        if start.is_new and each.rejects is not None:
            # All of its rows will be validated again.
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

    def _blocks(self, source: Source, reader: BlockReader, start: Start) -> Iterator[Work]:
        """Yield the blocks with work left, then everything after the last known span."""
        leftovers = {span.start: span for span in start.leftovers}
        is_sum = checksum_test(keyless=bool(start.without_keys))
        if not start.without_keys:
            source.skipped_only_in(self._ledger.spans_with_skips(start.scan))
        for known in start.without_keys or start.leftovers:
            with self._stop.reading():
                block = source.reread(known, is_sum)
            yield block, leftovers[known.start].leftover if known.start in leftovers else None
        source.rows_left = self._limit.rows_left
        for block in self._stop.interruptible(reader.blocks(start.offset, start.line)):
            yield block, None

    def _check(self, source_run: SourceRun, batch: Batch, leftover: Leftover | None) -> None:
        """Stop the run if it rejects too many rows."""
        self._listener.transformed(batch)
        source_run.count_records(batch)
        if leftover is None:
            self._reject_limit.count(batch.outcomes, len(batch.rejections), batch.left_out)
            self._limit.count(batch.rows)
        trusted = source_run.proven or self._ledger.has_proven(source_run.job)
        name, prefix = source_run.summary.name, source_run.prefix
        self._reject_limit.check(batch, name, prefix, proven=source_run.proven, trusted=trusted)

    # -- sending and settling ----------------------------------------------------------------------

    def _send(self, source_run: SourceRun, batch: Batch, leftover: Leftover | None) -> None:
        """Start the delivery of a batch as soon as there is room; settle others in the meantime."""
        while self._pool.full and not self._stop.is_set():
            with self._timer.on(WAITING):
                self._settle_finished(timeout=0.5)
        if self._stop.is_set():
            return
        if leftover is None or leftover.everything:
            self._summary.findings.add(batch.findings, source_run.prefix)
        if source_run.begin_sending() and batch.contents is not None:
            # An earlier source may have another version of one of its rows in flight.
            self._settle_all()
        with self._timer.on(NOTING):
            selection = source_run.selector.select(batch, leftover, self._settle_all)
        if self._stop.is_set():
            return
        count_origins(source_run.summary, batch, selection)
        if (warning := source_run.warning_about(batch, selection)) is not None:
            self._listener.noted(warning)
        delivery = _InFlight(source_run, batch, leftover, selection)
        if not selection.sends(batch):
            self._settle(delivery, _NO_REQUEST)
            return
        with self._timer.on(NOTING):
            self._ledger.intend(source_run.scan, batch, selection)
        self._pool.start(delivery, lambda: self._stages.deliverer.deliver(batch, selection))
        self._listener.sending(len(self._pool))
        self._settle_finished(timeout=0)

    def _settle_all(self) -> bool:
        """Wait for the outcomes of everything in flight; return whether anything was in flight."""
        any_in_flight = bool(len(self._pool))
        while len(self._pool) and not self._stop.is_set():
            self._settle_finished(timeout=0.5)
        return any_in_flight

    def _settle_finished(self, timeout: float) -> None:
        for delivery, receipt in self._pool.finished(timeout):
            self._settle(delivery, receipt)

    def _settle(self, delivery: _InFlight, receipt: Receipt) -> None:
        with self._timer.on(NOTING):
            self._note(delivery, receipt)
        self._summary.requests += receipt.requests
        self._summary.bytes_sent += receipt.bytes_sent
        self._summary.seconds_of_requests += receipt.seconds
        self._summary.outcomes.add(receipt)
        self._listener.settled(delivery.batch, receipt)
        self._listener.sending(len(self._pool))
        if isinstance(receipt.stop, MisoUploadError):
            self._note_stop(receipt.stop)

    def _note(self, delivery: _InFlight, receipt: Receipt) -> None:
        """Write the outcome of a batch to the ledger, and its rejections to the rejects file."""
        source_run, batch = delivery.source_run, delivery.batch
        new = self._ledger.unseen(source_run.scan, batch, receipt, delivery.leftover)
        rejects_file = self._reject(source_run, new) if new else None
        settlement = Settlement(
            batch=batch,
            selection=delivery.selection,
            receipt=receipt,
            leftover=delivery.leftover,
            rejections=new,
            abandon_unknown=self._settings.delivery.on_unknown == "skip",
            forecasts=self._settings.validation.dry_run,
            remembers=self._settings.resume.remember and not self._settings.validation.dry_run,
            rejects_file=rejects_file,
        )
        try:
            self._ledger.settle(source_run.scan, settlement)
        except LedgerError:
            if rejects_file is not None and source_run.rejects is not None:
                source_run.rejects.take_back()
            raise
        if delivery.leftover is None:
            self._reject_limit.count(0, len(receipt.rejections))

    def _reject(self, source_run: SourceRun, new: Sequence[Rejection]) -> tuple[Path, int] | None:
        """Count and write rejections; return the rejects file and its new length."""
        count_rejections(self._summary, new, source_run.prefix)
        if source_run.rejects is None:
            return None
        try:
            if not source_run.rejects.is_open:
                self._ledger.enter_rejects_file(source_run.rejects.path, source_run.rejects.open())
            length = source_run.rejects.add(source_run.summary.name, new)
        except LedgerError as error:
            # The ledger still needs Miso's answer, or the batch would be sent again.
            self._note_stop(error)
            return None
        source_run.summary.rejects_file = str(source_run.rejects.path)
        return source_run.rejects.path, length

    def _note_stop(self, error: MisoUploadError) -> None:
        if self._summary.stopped_by is None:
            self._summary.stopped_by = error
        self._stop.set()

    def _drain(self) -> None:
        """Wait for deliveries in flight, but not forever; the rest stay intents in the ledger."""
        if self._stop.is_set() and len(self._pool):
            signalled = self._stop.signal_number is not None
            why = "finishing requests in flight"
            self._listener.stopping(f"{why} (press Ctrl-C again to quit now)" if signalled else why)
        deadline: float | None = None
        while len(self._pool) and (deadline is None or time.monotonic() < deadline):
            try:
                with self._timer.on(WAITING):
                    self._settle_finished(timeout=0.2)
            except MisoUploadError as error:
                self._note_stop(error)
            if deadline is None and self._stop.is_set():
                deadline = time.monotonic() + _SECONDS_TO_FINISH
        if self._stop.is_set() and self._summary.stopped_by is None:
            self._summary.stopped_by = InterruptedRunError(
                _STOPPED_SAVED if self._settings.persistent else "stopped by a signal",
                signal_number=self._stop.signal_number or signal.SIGINT,
            )


_NO_REQUEST = Receipt()
_SECONDS_TO_FINISH = 30.0  # an interrupted run waits this long for its deliveries
_STOPPED_SAVED = "stopped by a signal. Progress is saved; rerun the same command to resume"
