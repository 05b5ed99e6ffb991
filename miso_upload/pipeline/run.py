"""Wiring: from settings to a pipeline with all its parts, and back to a summary.

This is what `from miso_upload import upload` calls, and the command line too.
"""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from miso_upload.delivery import (
    UNPROVEN,
    Backoff,
    Client,
    Deliverer,
    DeliveryOptions,
    DryRunDeliverer,
    Pace,
    RememberDeliverer,
    Target,
    Throttle,
)
from miso_upload.errors import ConfigurationError, InterruptedRunError, LedgerError
from miso_upload.ledger import Ledger
from miso_upload.ledger.rejects_file import RejectsFile, rejects_path
from miso_upload.ledger.secret import FILE_NAME, SECRET_BYTES
from miso_upload.ledger.state_directory import (
    check_secret,
    content_secret,
    existing_ledger,
    forecasts_blindly,
    ledger_file,
    open_target,
    own_files,
)
from miso_upload.pipeline.file_conflicts import FileUse, files_of, own_files_of, refuse_shared_files
from miso_upload.pipeline.interfaces import Input, Stages
from miso_upload.pipeline.interrupt import StopReading, StopSignal
from miso_upload.pipeline.job import Recipe
from miso_upload.pipeline.loop import Pipeline
from miso_upload.pipeline.loop_options import PipelineOptions
from miso_upload.pipeline.next_steps import conclude
from miso_upload.pipeline.open_inputs import open_inputs
from miso_upload.pipeline.resume import ResumeOptions
from miso_upload.pipeline.selection import SelectingOptions
from miso_upload.pipeline.settings import MOST_ROWS, Settings
from miso_upload.pipeline.workers import InProcess, WorkerPool, worker_count
from miso_upload.report import modes
from miso_upload.report.file import write_report
from miso_upload.report.listener import Listener
from miso_upload.report.summary import Summary
from miso_upload.sources import expand_inputs
from miso_upload.values.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from miso_upload.ledger.state_directory import AskForTarget
    from miso_upload.pipeline.interfaces import Delivers

_AFTER_SIGNAL = "; the position is kept: run the same command again"


def upload(
    settings: Settings,
    listener: Listener | None = None,
    *,
    stop: StopSignal | None = None,
    ask: AskForTarget | None = None,
) -> Summary:
    """Upload the inputs to Miso, from wherever the last run left them, and return the summary.

    What ends a run early, such as a refused key, does not raise: it is `summary.stopped_by`, beside
    the account of what was done until then.

    Args:
        settings: What to do.
        listener: Is told how it goes.
        stop: Set it from another thread to stop in good order.
        ask: Is called with a `NewKeyError` where a new key may be that of a known target or of a
            new one; returns the target's name, or None to raise it.

    Raises:
        ConfigurationError: The settings contradict each other or cannot be used.
        TargetError: The API key is not one of the target's.
        SourceError: An input cannot be opened.
        LockedError: Another run is at work on the same target.
        LedgerError: The ledger cannot be used.
        InterruptedRunError: A signal came while the first input was waited for.
    """
    listener = listener or Listener()
    stop = stop or StopSignal()
    _check(settings)
    _check_statuses(settings)
    refuse_shared_files(_files(settings, settings.inputs))
    with ExitStack() as stack:
        arrived = None
        if settings.sandbox:
            settings, arrived = _with_sandbox(settings, stack)
        known = _known_ledger(settings, stack)
        if settings.dry_run and forecasts_blindly(settings):
            listener.noted(
                "No ledger knows this key or target, but there are ledgers of this server. An "
                "upload would stop or ask which target is meant; what Miso has is not known here."
            )
        recipe = Recipe(settings, _secret(settings, known))
        try:
            with stop.reading():
                names = _inputs(settings, listener)
                opened, gone = open_inputs(settings, names, recipe.transform, listener)
        except StopReading:
            raise InterruptedRunError(
                "stopped by a signal before anything was read",
                signal_number=stop.signal_number or signal.SIGINT,
            ) from None
        deliverer = _deliverer(settings, stop, listener)
        ledger = _ledger(settings, stack, listener, ask)
        rejects = _Rejects(settings, ledger)
        inputs = [
            Input(each.name, each.open, recipe.transform, rejects.of(each.name), recipe.text)
            for each in opened
        ]
        ledger.begin_run(__version__)
        workers = worker_count(settings.workers, (each.size for each in opened))
        transforms = InProcess() if not workers else WorkerPool(workers, stop)
        stack.callback(transforms.close)
        summary = Summary(
            mode=_mode(settings),
            host=None if settings.dry_run else _host(settings),
            started_at=datetime.now(UTC),
            groups={name: each.group for name, each in recipe.schema.types.items()},
            workers=workers,
            concurrency=settings.concurrency,
            problems=gone,
        )
        pipeline = Pipeline(
            ledger,
            Stages(transforms, deliverer, known),
            _pipeline_options(settings),
            stop=stop,
            listener=listener,
            summary=summary,
        )
        listener.started([(each.name, each.size) for each in opened])
        pipeline.run(inputs)
        summary.arrived = arrived() if arrived else None
        of_rows = bool(summary.findings.types or summary.reasons)
        summary.advice += recipe.advice(summary.findings, of_rows=of_rows)
        conclude(settings, summary)
        ledger.end_run(summary.exit_code)
        _write_report(settings, summary)
        listener.finished(summary)
    return summary


def check(
    settings: Settings, listener: Listener | None = None, *, stop: StopSignal | None = None
) -> Summary:
    """Do everything that `upload` does but send: no key is needed, and nothing is remembered.

    Raises:
        ConfigurationError: The settings contradict each other or cannot be used.
        SourceError: An input cannot be opened.
    """
    return upload(replace(settings, dry_run=True), listener, stop=stop)


def _write_report(settings: Settings, summary: Summary) -> None:
    if settings.report is not None:
        try:
            write_report(settings.report, summary)
        except LedgerError as error:
            summary.problems.append(error)


def _check(settings: Settings) -> None:
    if not 1 <= settings.chunk_size <= MOST_ROWS:
        raise ConfigurationError(f"--chunk-size: must be from 1 to {MOST_ROWS:,}")
    if not 0 <= settings.max_reject_rate <= 1:
        raise ConfigurationError("--max-reject-rate: must be from 0 to 1, as in 0.1 for 10%")
    if sum((settings.dry_run, settings.server_dry_run, settings.sandbox)) > 1:
        raise ConfigurationError(
            "--dry-run, --server-dry-run and --sandbox exclude each other; choose one"
        )
    if settings.workers != "auto" and settings.workers < 0:
        raise ConfigurationError("--workers: must be auto, 0 or more")
    if settings.concurrency < 1:
        raise ConfigurationError("--concurrency: must be 1 or more")
    named = settings.remember and settings.target
    if not (settings.dry_run or settings.sandbox or named or settings.api_key):
        raise ConfigurationError(
            "no API key: set MISO_API_KEY, or name a file with --api-key-file; "
            "--dry-run and --sandbox need none"
        )
    if settings.report == "-":
        raise ConfigurationError("--report -: names no file; --json prints the report on stdout")
    if settings.report is not None and not _can_write(Path(settings.report)):
        raise ConfigurationError(f"--report {settings.report}: cannot be written there")
    if any(not "!" <= char <= "~" for char in settings.api_key):
        raise ConfigurationError("the API key holds white space or is not plain ASCII; check it")


def _can_write(path: Path) -> bool:
    try:
        return os.access(path if path.exists() else path.parent, os.W_OK) and not path.is_dir()
    except OSError:  # a name that is longer than names can be, say
        return False


def _inputs(settings: Settings, listener: Listener) -> list[str]:
    """Return the inputs that the user's names stand for, none of which the run writes."""
    own = [*own_files_of(settings), *_ledger_files(settings)]
    names, left_out = expand_inputs(
        settings.inputs,
        own=[each.path for each in own],
        allow_insecure_http=settings.allow_insecure_http,
    )
    for note in left_out:
        listener.noted(note)
    refuse_shared_files(_files(settings, names))
    return names


def _files(settings: Settings, inputs: Iterable[str]) -> Iterator[FileUse]:
    """Yield all files that a run uses: what the user names, and the ledgers."""
    yield from files_of(settings, inputs)
    yield from _ledger_files(settings)


def _ledger_files(settings: Settings) -> Iterator[FileUse]:
    """Yield the files of all ledgers, and those that this run makes."""
    made: list[Path] = []
    # A server whose address cannot be read is refused later, with what is wrong.
    with suppress(ConfigurationError):
        path = ledger_file(settings)
        made = [path, *(path.with_name(path.name + end) for end in (".lock", "-wal", "-shm"))]
    made.append(settings.state_dir / FILE_NAME)
    for each in dict.fromkeys([*made, *own_files(settings.state_dir)]):
        yield FileUse("a file of the ledger", str(each), written=True)


class _Rejects:
    """Knows the rejects file of each input; only an upload makes one unasked."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._files: dict[Path, RejectsFile] = {}

    def of(self, name: str) -> RejectsFile | None:
        """Return the rejects file of an input, or None where none is to be written.

        Raises:
            ConfigurationError: The file that the user named cannot be written.
        """
        settings = self._settings
        if settings.rejects is None and not settings.lasting:
            return None
        path = Path(settings.rejects) if settings.rejects else rejects_path(name)
        if path not in self._files:
            if not _can_write(path):
                if settings.rejects is None:
                    return None
                raise ConfigurationError(f"--rejects {settings.rejects}: cannot be written")
            ours = settings.rejects is None
            if ours and settings.restart:
                self._ledger.forget_rejects_file(path)
            known = self._ledger.rejects_length(path)
            self._files[path] = RejectsFile(
                path, known, ours=ours, rows=not settings.rejects_without_rows
            )
        return self._files[path]


def _check_statuses(settings: Settings) -> None:
    if wrong := sorted(set(settings.not_stored) - UNPROVEN):
        raise ConfigurationError(
            f"--not-stored {wrong[0]}: must be 408 or from 500 to 599; every other status has one "
            "meaning (see docs/reliability.md)"
        )


def _deliverer(settings: Settings, stop: StopSignal, listener: Listener) -> Delivers:
    if settings.dry_run:
        return DryRunDeliverer(settings.max_chunk_bytes)
    if settings.remember:
        return RememberDeliverer()
    target = Target(
        settings.server,
        settings.api_key,
        auth=settings.auth,
        dry_run=settings.server_dry_run,
        allow_insecure_http=settings.allow_insecure_http,
    )
    client = Client(
        target, connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout
    )
    options = DeliveryOptions(
        most_bytes=settings.max_chunk_bytes,
        on_unknown=settings.on_unknown,
        not_stored=frozenset(settings.not_stored),
        backoff=Backoff(attempts=settings.max_attempts, patience=settings.retry_for),
    )
    return Deliverer(
        client,
        options,
        stop,
        pace=Pace(settings.max_requests_per_second),
        throttle=Throttle(settings.concurrency),
        listener=listener,
    )


def _ledger(
    settings: Settings, stack: ExitStack, listener: Listener, ask: AskForTarget | None
) -> Ledger:
    """Open the ledger of the target and lock it; a run that leaves nothing behind has its own."""
    if settings.lasting:
        target = open_target(settings, stack, ask)
        for note in target.notes:
            listener.noted(note)
        return target.ledger
    ledger = Ledger(None)
    stack.callback(ledger.close)
    return ledger


def _known_ledger(settings: Settings, stack: ExitStack) -> Ledger | None:
    """Return the ledger in which a dry run looks up what Miso has, if there is one."""
    path = existing_ledger(settings) if settings.dry_run else None
    ledger = Ledger.to_read(path) if path is not None else None
    if ledger is not None:
        stack.callback(ledger.close)
    return ledger


def _secret(settings: Settings, known: Ledger | None) -> bytes:
    """Return what content keys are made with; of a run that remembers nothing it is random."""
    if not settings.lasting and known is None:
        return os.urandom(SECRET_BYTES)
    secret = content_secret(settings.state_dir)
    if known is not None:
        check_secret(settings.state_dir, known, secret)
    return secret


def _host(settings: Settings) -> str:
    """Return the host and port that records go to, without a name or password before them."""
    return urlsplit(settings.server).netloc.rpartition("@")[2]


def _pipeline_options(settings: Settings) -> PipelineOptions:
    return PipelineOptions(
        concurrency=0 if settings.dry_run else settings.concurrency,
        max_reject_rate=settings.max_reject_rate,
        stops_on_junk=not settings.dry_run,
        suggests_preset=settings.preset is None and settings.mapping is None,
        abandon_unknown=settings.on_unknown == "skip",
        resume=ResumeOptions(
            restart=settings.restart,
            changed_mapping="send" if settings.remember else settings.changed_mapping,
            hold_unknown=settings.on_unknown == "hold",
            send_changed=settings.changed == "send",
            remember=settings.remember,
            send_already_sent=settings.already_sent == "send",
        ),
        selecting=SelectingOptions(
            send_already_sent=settings.already_sent == "send" and not settings.remember,
            send_changed=settings.changed == "send" or settings.remember,
            hold_unknown=settings.on_unknown != "resend",
        ),
        forecasts=settings.dry_run,
        remembers=settings.remember and not settings.dry_run,
        after_signal=_AFTER_SIGNAL if settings.lasting else "",
    )


def _with_sandbox(
    settings: Settings, stack: ExitStack
) -> tuple[Settings, Callable[[], dict[str, object]]]:
    """Start a mock server for this run, and return the settings that send to it."""
    from miso_upload.sandbox import Sandbox  # noqa: PLC0415 -- only a rehearsal pays for a server

    store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miso-upload-")))
    sandbox = stack.enter_context(Sandbox(store=store / "sandbox.sqlite"))
    return replace(settings, server=sandbox.url, api_key=sandbox.key), sandbox.counts


def _mode(settings: Settings) -> str:
    if settings.dry_run:
        return modes.REMEMBER_DRY_RUN if settings.remember else modes.DRY_RUN
    if settings.server_dry_run:
        return modes.SERVER_DRY_RUN
    if settings.remember:
        return modes.REMEMBER
    return modes.SANDBOX if settings.sandbox else modes.UPLOAD
