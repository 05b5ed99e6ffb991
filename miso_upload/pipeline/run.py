"""The composition root: builds the pipeline from the settings, runs it, returns the summary.

The Python API (`api.calls`) and the command line both call `upload`.
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
    RecordFileDeliverer,
    RememberDeliverer,
    Target,
)
from miso_upload.errors import (
    ConfigurationError,
    InterruptedRunError,
    LedgerError,
    OutputError,
)
from miso_upload.ledger import Ledger
from miso_upload.ledger.rejects_file import RejectsFile, rejects_path
from miso_upload.ledger.secret import FILE_NAME, SECRET_BYTES
from miso_upload.ledger.state_directory import (
    check_secret,
    content_secret,
    existing_ledger,
    has_only_other_targets,
    ledger_file,
    open_target,
    own_files,
)
from miso_upload.pipeline.file_conflicts import FileUse, files_of, own_files_of, refuse_shared_files
from miso_upload.pipeline.interfaces import Input, Stages
from miso_upload.pipeline.interrupt import StopReading, StopSignal
from miso_upload.pipeline.job import Job
from miso_upload.pipeline.loop import Pipeline
from miso_upload.pipeline.next_steps import conclude
from miso_upload.pipeline.open_inputs import open_inputs
from miso_upload.pipeline.preset_options import with_preset_options
from miso_upload.pipeline.settings import Settings
from miso_upload.pipeline.workers import transformer_of, worker_count
from miso_upload.report import modes
from miso_upload.report.listener import Listener
from miso_upload.report.summary import Summary
from miso_upload.sources import expand_inputs
from miso_upload.values.input_names import REJECTS_SUFFIX
from miso_upload.values.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from miso_upload.ledger.options import ResumeOptions
    from miso_upload.ledger.state_directory import AskForTarget
    from miso_upload.pipeline.interfaces import BatchDeliverer


def upload(
    settings: Settings | str | Iterable[str],
    listener: Listener | None = None,
    *,
    stop: StopSignal | None = None,
    ask: AskForTarget | None = None,
    **options: Any,  # noqa: ANN401 -- any option's value
) -> Summary:
    """Upload the inputs to Miso, from wherever the last run stopped, and return the summary.

    `miso_upload.upload` describes the arguments and the errors.
    """
    listener = listener or Listener()
    stop = stop or StopSignal()
    settings = _settings(settings, options)
    _check(settings)
    ledger_files = _ledger_files(settings)
    refuse_shared_files([*files_of(settings, settings.inputs), *ledger_files])
    with ExitStack() as stack:
        arrived = None
        if settings.validation.sandbox:
            settings, arrived = _with_sandbox(settings, stack)
        known = _known_ledger(settings, stack, listener)
        job = Job(settings, _secret(settings, known))
        try:
            with stop.reading():
                names = _inputs(settings, ledger_files, listener)
                opened, gone = open_inputs(settings, names, job.check, listener)
        except StopReading:
            raise InterruptedRunError(
                "stopped by a signal before anything was read",
                signal_number=stop.signal_number or signal.SIGINT,
            ) from None
        deliverer = _deliverer(settings, stop, listener)
        stack.callback(_close, deliverer)
        ledger = _ledger(settings, stack, listener, ask)
        rejects = _RejectsFiles(settings, ledger)
        inputs = [
            Input(each.name, each.open, job.transform, rejects.of(each.name), job.fingerprint)
            for each in opened
        ]
        ledger.begin_run(__version__)
        # Workers read ahead, and so beyond the limit.
        asked = settings.mapping.workers if settings.scope.limit is None else 0
        workers = worker_count(asked, (each.size for each in opened))
        transformer = transformer_of(workers, stop)
        stack.callback(transformer.close)
        summary = Summary(
            mode=_mode(settings),
            host=None if settings.validation.dry_run else _host(settings),
            started_at=datetime.now(UTC),
            groups={name: each.group for name, each in job.schema.types.items()},
            workers=workers,
            concurrency=settings.delivery.concurrency,
            problems=gone,
        )
        pipeline = Pipeline(
            ledger,
            Stages(
                transformer,
                deliverer,
                known,
                concurrency=_concurrency(settings),
                scope=job.scope,
            ),
            settings,
            stop=stop,
            listener=listener,
            summary=summary,
        )
        listener.started([(each.name, each.size) for each in opened])
        pipeline.run(inputs)
        _finish(deliverer, settings, summary)
        summary.arrived = arrived() if arrived else None
        summary.advice += job.advice(
            summary.findings, of_rows=bool(summary.findings.types or summary.reasons)
        )
        conclude(settings, summary)
        ledger.end_run(summary.exit_code)
        _write_report(settings, summary)
        listener.finished(summary)
    return summary


def _settings(given: Settings | str | Iterable[str], options: dict[str, Any]) -> Settings:
    settings = (
        given.but(**options) if isinstance(given, Settings) else Settings.of(given, **options)
    )
    return with_preset_options(settings)


def _concurrency(settings: Settings) -> int:
    return 0 if settings.validation.dry_run else settings.delivery.concurrency


def _close(deliverer: BatchDeliverer) -> None:
    if isinstance(deliverer, RecordFileDeliverer):
        deliverer.close()


def _finish(deliverer: BatchDeliverer, settings: Settings, summary: Summary) -> None:
    """Complete the file of records, if there is one and all inputs were read to their ends."""
    if not isinstance(deliverer, RecordFileDeliverer) or summary.stopped_by or summary.problems:
        return
    try:
        deliverer.finish()
        summary.written_to = settings.output.convert_to
    except OutputError as error:
        summary.stopped_by = error


def _write_report(settings: Settings, summary: Summary) -> None:
    if settings.output.report is not None:
        from miso_upload.report.file import write_report  # noqa: PLC0415 -- few runs write one

        try:
            write_report(settings.output.report, summary)
        except LedgerError as error:
            summary.problems.append(error)


def _check(settings: Settings) -> None:
    """Check what the parts of the settings cannot check on their own."""
    validation, report = settings.validation, settings.output.report
    named = settings.resume.remember and settings.resume.target
    if not (validation.dry_run or validation.sandbox or named or settings.delivery.api_key):
        raise ConfigurationError(
            "no API key: set MISO_API_KEY, or name a file with --api-key-file. --dry-run and "
            "--sandbox need no key"
        )
    if settings.scope.sample is not None and not validation.dry_run:
        raise ConfigurationError(
            "--sample is for dry runs only; add --dry-run, or use --limit to send a part"
        )
    if settings.scope.sample is not None and settings.mapping.bot_rate is not None:
        raise ConfigurationError(
            "--sample and --bot-rate exclude each other, because a sample does not show how many "
            "rows a visitor has"
        )
    if report is not None and not _can_write(Path(report)):
        raise ConfigurationError(
            f"--report {report}: cannot write this file; check permissions, or name another file"
        )


def _can_write(path: Path) -> bool:
    try:
        return os.access(path if path.exists() else path.parent, os.W_OK) and not path.is_dir()
    except OSError:  # for example, the name is too long
        return False


def _inputs(settings: Settings, ledger_files: Sequence[FileUse], listener: Listener) -> list[str]:
    """Return the inputs that the user's names and patterns match; the run writes none of them."""
    own = [*own_files_of(settings), *ledger_files]
    names, left_out = expand_inputs(
        settings.inputs,
        own=[each.path for each in own],
        allow_insecure_http=settings.reading.allow_insecure_http,
    )
    for note in left_out:
        listener.noted(note)
    refuse_shared_files([*files_of(settings, names), *ledger_files])
    return names


def _ledger_files(settings: Settings) -> list[FileUse]:
    """Return the files of all ledgers, and those that this run will create."""
    made: list[Path] = []
    # A server with an invalid address is refused later, with a better message.
    with suppress(ConfigurationError):
        path = ledger_file(*_target(settings))
        made = [path, *(path.with_name(path.name + end) for end in (".lock", "-wal", "-shm"))]
    made.append(settings.resume.state_dir / FILE_NAME)
    return [
        FileUse("a file of the ledger", str(each), written=True)
        for each in dict.fromkeys([*made, *own_files(settings.resume.state_dir)])
    ]


class _RejectsFiles:
    """Provides the rejects file of each input; only an upload has one by default."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._files: dict[Path, RejectsFile] = {}

    def of(self, name: str) -> RejectsFile | None:
        """Return the rejects file of an input, or None if none is to be written.

        Raises:
            ConfigurationError: The file of --rejects cannot be written.
        """
        settings = self._settings
        if settings.output.rejects is None and not settings.persistent:
            return None
        # Each pass has a file of its own, which a new scan may begin again.
        of_pass = ".".join(filter(None, (name, settings.resume.pass_name)))
        path = Path(settings.output.rejects) if settings.output.rejects else rejects_path(of_pass)
        if path not in self._files:
            if not _can_write(path):
                if settings.output.rejects is None:
                    return None
                raise ConfigurationError(
                    f"--rejects {settings.output.rejects}: cannot write this file; check "
                    "permissions, or name another file"
                )
            ours = settings.output.rejects in (
                None,
                f"{settings.output.convert_to}{REJECTS_SUFFIX}",
            )
            if ours and settings.resume.restart:
                self._ledger.forget_rejects_file(path)
            known = self._ledger.rejects_length(path)
            self._files[path] = RejectsFile(
                path, known, ours=ours, rows=not settings.output.rejects_without_rows
            )
        return self._files[path]


def _deliverer(settings: Settings, stop: StopSignal, listener: Listener) -> BatchDeliverer:
    if settings.output.convert_to is not None:
        return RecordFileDeliverer(settings.output.convert_to)
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
    """Open and lock the ledger of the target; a run that is not persistent uses a temporary one."""
    if settings.persistent:
        target = open_target(*_target(settings), stack, ask)
        for note in target.notes:
            listener.noted(note)
        return target.ledger
    ledger = Ledger(None)
    stack.callback(ledger.close)
    return ledger


def _known_ledger(settings: Settings, stack: ExitStack, listener: Listener) -> Ledger | None:
    """Return the ledger in which a dry run looks up the records that Miso has, if any."""
    if not settings.validation.dry_run or settings.output.convert_to is not None:
        return None
    path = existing_ledger(*_target(settings))
    if path is None and has_only_other_targets(*_target(settings)):
        listener.noted(
            "No ledger has this key or target, although this server has other ledgers. An upload "
            "would stop or ask for the target; this dry run cannot tell which records Miso has."
        )
    ledger = Ledger.to_read(path) if path is not None else None
    if ledger is not None:
        stack.callback(ledger.close)
    return ledger


def _secret(settings: Settings, known: Ledger | None) -> bytes:
    """Return the secret for content keys: a random one if no ledger is read or written."""
    if not settings.persistent and known is None:
        return os.urandom(SECRET_BYTES)
    secret = content_secret(settings.resume.state_dir)
    if known is not None:
        check_secret(settings.resume.state_dir, known, secret)
    return secret


def _target(settings: Settings) -> tuple[ResumeOptions, str, str]:
    """Return the settings that identify the target."""
    return settings.resume, settings.delivery.server, settings.delivery.api_key


def _host(settings: Settings) -> str:
    """Return the host and port that records go to, without a user name and password."""
    return urlsplit(settings.delivery.server).netloc.rpartition("@")[2]


def _with_sandbox(
    settings: Settings, stack: ExitStack
) -> tuple[Settings, Callable[[], dict[str, object]]]:
    """Start a mock server for this run; return settings for it and a function for its counts."""
    import tempfile  # noqa: PLC0415 -- only runs with a mock server need it

    from miso_upload.sandbox import Sandbox  # noqa: PLC0415

    store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miso-upload-")))
    sandbox = stack.enter_context(Sandbox(store=store / "sandbox.sqlite"))
    return settings.but(server=sandbox.url, api_key=sandbox.key), sandbox.counts


def _mode(settings: Settings) -> str:
    if settings.output.convert_to is not None:
        return modes.CONVERT
    if settings.validation.dry_run:
        return modes.REMEMBER_DRY_RUN if settings.resume.remember else modes.DRY_RUN
    if settings.validation.server_dry_run:
        return modes.SERVER_DRY_RUN
    if settings.resume.remember:
        return modes.REMEMBER
    return modes.SANDBOX if settings.validation.sandbox else modes.UPLOAD
