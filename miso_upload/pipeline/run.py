"""Wiring: from settings to a pipeline with all its parts, and back to a summary.

This is what `from miso_upload import upload` calls, and the command line too.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from miso_upload.delivery import (
    Client,
    Deliverer,
    DryRunDeliverer,
    RememberDeliverer,
    Target,
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
from miso_upload.pipeline.next_steps import conclude
from miso_upload.pipeline.open_inputs import open_inputs
from miso_upload.pipeline.settings import Settings
from miso_upload.pipeline.workers import transforms_of, worker_count
from miso_upload.report import modes
from miso_upload.report.listener import Listener
from miso_upload.report.summary import Summary
from miso_upload.sources import expand_inputs
from miso_upload.values.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from miso_upload.ledger.options import ResumeOptions
    from miso_upload.ledger.state_directory import AskForTarget
    from miso_upload.pipeline.interfaces import Delivers


def upload(
    settings: Settings | str | Iterable[str],
    listener: Listener | None = None,
    *,
    stop: StopSignal | None = None,
    ask: AskForTarget | None = None,
    **options: Any,  # noqa: ANN401 -- any option's value
) -> Summary:
    """Upload the inputs to Miso, from wherever the last run left them, and return the summary.

    What ends a run early, such as a refused key, does not raise: it is `summary.stopped_by`, beside
    the account of what was done until then.

    Args:
        settings: What to do; or the inputs, with `options` as `Settings.of` takes them.
        listener: Is told how it goes.
        stop: Set it from another thread to stop in good order.
        ask: Is called with a `NewKeyError` where a new key may be that of a known target or of a
            new one; returns the target's name, or None to raise it.
        options: Options that differ from the settings.

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
    settings = _settings(settings, options)
    _check(settings)
    refuse_shared_files(_files(settings, settings.inputs))
    with ExitStack() as stack:
        arrived = None
        if settings.validation.sandbox:
            settings, arrived = _with_sandbox(settings, stack)
        known = _known_ledger(settings, stack, listener)
        dry_run = settings.validation.dry_run
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
        workers = worker_count(settings.mapping.workers, (each.size for each in opened))
        transforms = transforms_of(workers, stop)
        stack.callback(transforms.close)
        summary = Summary(
            mode=_mode(settings),
            host=None if dry_run else _host(settings),
            started_at=datetime.now(UTC),
            groups={name: each.group for name, each in recipe.schema.types.items()},
            workers=workers,
            concurrency=settings.delivery.concurrency,
            problems=gone,
        )
        pipeline = Pipeline(
            ledger,
            Stages(transforms, deliverer, known, 0 if dry_run else settings.delivery.concurrency),
            settings,
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
    settings: Settings | str | Iterable[str],
    listener: Listener | None = None,
    *,
    stop: StopSignal | None = None,
    **options: Any,  # noqa: ANN401 -- any option's value
) -> Summary:
    """Do everything that `upload` does but send: no key is needed, and nothing is remembered.

    Args:
        settings: What to do; or the inputs, with `options` as `Settings.of` takes them.
        listener: Is told how it goes.
        stop: Set it from another thread to stop in good order.
        options: Options that differ from the settings.

    Raises:
        ConfigurationError: The settings contradict each other or cannot be used.
        SourceError: An input cannot be opened.
    """
    return upload(settings, listener, stop=stop, **{**options, "dry_run": True})


def _settings(given: Settings | str | Iterable[str], options: dict[str, Any]) -> Settings:
    return given.but(**options) if isinstance(given, Settings) else Settings.of(given, **options)


def _write_report(settings: Settings, summary: Summary) -> None:
    if settings.output.report is not None:
        from miso_upload.report.file import write_report  # noqa: PLC0415 -- few runs write one

        try:
            write_report(settings.output.report, summary)
        except LedgerError as error:
            summary.problems.append(error)


def _check(settings: Settings) -> None:
    """Refuse what no part of the settings can know on its own."""
    validation, report = settings.validation, settings.output.report
    named = settings.resume.remember and settings.resume.target
    if not (validation.dry_run or validation.sandbox or named or settings.delivery.api_key):
        raise ConfigurationError(
            "no API key: set MISO_API_KEY, or name a file with --api-key-file; "
            "--dry-run and --sandbox need none"
        )
    if report is not None and not _can_write(Path(report)):
        raise ConfigurationError(f"--report {report}: cannot be written there")


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
        allow_insecure_http=settings.reading.allow_insecure_http,
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
        path = ledger_file(*_target(settings))
        made = [path, *(path.with_name(path.name + end) for end in (".lock", "-wal", "-shm"))]
    made.append(settings.resume.state_dir / FILE_NAME)
    for each in dict.fromkeys([*made, *own_files(settings.resume.state_dir)]):
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
        if settings.output.rejects is None and not settings.persistent:
            return None
        path = Path(settings.output.rejects) if settings.output.rejects else rejects_path(name)
        if path not in self._files:
            if not _can_write(path):
                if settings.output.rejects is None:
                    return None
                raise ConfigurationError(f"--rejects {settings.output.rejects}: cannot be written")
            ours = settings.output.rejects is None
            if ours and settings.resume.restart:
                self._ledger.forget_rejects_file(path)
            known = self._ledger.rejects_length(path)
            self._files[path] = RejectsFile(
                path, known, ours=ours, rows=not settings.output.rejects_without_rows
            )
        return self._files[path]


def _deliverer(settings: Settings, stop: StopSignal, listener: Listener) -> Delivers:
    if settings.validation.dry_run:
        return DryRunDeliverer(settings.delivery.max_chunk_bytes)
    if settings.resume.remember:
        return RememberDeliverer()
    options = settings.delivery
    target = Target(
        options.server,
        options.api_key,
        auth=options.auth,
        dry_run=settings.validation.server_dry_run,
        allow_insecure_http=settings.reading.allow_insecure_http,
    )
    client = Client(
        target, connect_timeout=options.connect_timeout, read_timeout=options.read_timeout
    )
    return Deliverer(client, options, stop, listener=listener)


def _ledger(
    settings: Settings, stack: ExitStack, listener: Listener, ask: AskForTarget | None
) -> Ledger:
    """Open the ledger of the target and lock it; a run that leaves nothing behind has its own."""
    if settings.persistent:
        target = open_target(*_target(settings), stack, ask)
        for note in target.notes:
            listener.noted(note)
        return target.ledger
    ledger = Ledger(None)
    stack.callback(ledger.close)
    return ledger


def _known_ledger(settings: Settings, stack: ExitStack, listener: Listener) -> Ledger | None:
    """Return the ledger in which a dry run looks up what Miso has, if there is one."""
    if not settings.validation.dry_run:
        return None
    if forecasts_blindly(*_target(settings)):
        listener.noted(
            "No ledger knows this key or target, but there are ledgers of this server. An "
            "upload would stop or ask which target is meant; what Miso has is not known here."
        )
    path = existing_ledger(*_target(settings))
    ledger = Ledger.to_read(path) if path is not None else None
    if ledger is not None:
        stack.callback(ledger.close)
    return ledger


def _secret(settings: Settings, known: Ledger | None) -> bytes:
    """Return what content keys are made with; of a run that remembers nothing it is random."""
    if not settings.persistent and known is None:
        return os.urandom(SECRET_BYTES)
    secret = content_secret(settings.resume.state_dir)
    if known is not None:
        check_secret(settings.resume.state_dir, known, secret)
    return secret


def _target(settings: Settings) -> tuple[ResumeOptions, str, str]:
    """Return what says which target a run means."""
    return settings.resume, settings.delivery.server, settings.delivery.api_key


def _host(settings: Settings) -> str:
    """Return the host and port that records go to, without a name or password before them."""
    return urlsplit(settings.delivery.server).netloc.rpartition("@")[2]


def _with_sandbox(
    settings: Settings, stack: ExitStack
) -> tuple[Settings, Callable[[], dict[str, object]]]:
    """Start a mock server for this run, and return the settings that send to it."""
    import tempfile  # noqa: PLC0415 -- only a run with a mock server pays for it

    from miso_upload.sandbox import Sandbox  # noqa: PLC0415

    store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miso-upload-")))
    sandbox = stack.enter_context(Sandbox(store=store / "sandbox.sqlite"))
    return settings.but(server=sandbox.url, api_key=sandbox.key), sandbox.counts


def _mode(settings: Settings) -> str:
    if settings.validation.dry_run:
        return modes.REMEMBER_DRY_RUN if settings.resume.remember else modes.DRY_RUN
    if settings.validation.server_dry_run:
        return modes.SERVER_DRY_RUN
    if settings.resume.remember:
        return modes.REMEMBER
    return modes.SANDBOX if settings.validation.sandbox else modes.UPLOAD
