"""The commands `remember` and `forget`: change what the ledger knows, without sending anything."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.asking import can_ask
from miso_upload.cli.framework import CONTEXT, HeadedCommand, ask_at_terminal, say, say_error
from miso_upload.cli.reading import reading_options
from miso_upload.cli.upload import (
    choose_listener,
    conclude,
    run_upload,
    settings_from,
    state_option,
    upload_command,
)
from miso_upload.errors import ConfigurationError, NewKeyError

if TYPE_CHECKING:
    from miso_upload.pipeline.forget import Found
    from miso_upload.pipeline.settings import Settings

_NOT_FOR_REMEMBER = {
    "dry_run", "server_dry_run", "sandbox", "quiet", "json", "concurrency", "chunk_size",
    "max_chunk_bytes", "max_requests_per_second", "connect_timeout", "read_timeout",
    "max_attempts", "retry_for", "on_unknown", "not_stored", "auth", "allow_insecure_http",
    "already_sent", "changed", "changed_mapping", "restart", "report",
}  # fmt: skip
_NO_TARGET = (
    "nothing says which target has the records: name a known one with --target NAME "
    "('miso-upload status' lists them), or give its API key (MISO_API_KEY or --api-key-file)"
)
_NEXT = "The next upload sends these records again, unless other sources have them."
_EXAMPLES = """\b
Examples:
  miso-upload remember history.jsonl -m shop.toml     show, ask, and note
  miso-upload remember *.jsonl --target production    no key is needed for a known target
  miso-upload forget history.jsonl                    take it back
"""


def _options_of_upload() -> list[click.Parameter]:
    return [each for each in upload_command.params if each.name not in _NOT_FOR_REMEMBER]


@click.command(
    "remember",
    cls=HeadedCommand,
    context_settings=CONTEXT,
    params=_options_of_upload(),
    epilog=_EXAMPLES,
)
@click.option("--yes", is_flag=True, help="Note the records without asking first.")
def remember_command(*, yes: bool, **options: Any) -> None:
    """Note the records of FILE as sent, without sending them.

    Use it for rows that another tool, another machine or an older version has sent. The rows are
    mapped and validated with the same options as for an upload. Later uploads leave their records
    out as already sent. Rejected rows are not noted. 'miso-upload forget FILE' takes it back.
    """
    settings = settings_from({**options, "remember": True, "dry_run": False, "sandbox": False})
    target = _shown_target(settings)
    if not yes:
        _refuse_what_is_read_once(settings.inputs)
        _ask_with_preview(settings, target)
    done = run_upload(settings, choose_listener(quiet=False, as_json=False))
    conclude(done)
    raise click.exceptions.Exit(done.exit_code)


def _ask_with_preview(settings: Settings, target: str) -> None:
    """Show what would be noted, and ask whether it is to be; end the program if it is not."""
    preview = replace(settings, dry_run=True)
    forecast = run_upload(preview, choose_listener(quiet=False, as_json=False))
    conclude(forecast)
    records = forecast.totals.pending
    if forecast.stopped_by is not None or not records:
        if forecast.stopped_by is None:
            say("There is nothing to note.")
        raise click.exceptions.Exit(forecast.exit_code)
    what = f"{records:,} records" if records > 1 else "this record"
    _confirm(f"Note {what} as sent to {target}, without sending anything?", nothing="noted")


def _shown_target(settings: Settings) -> str:
    """Return the target for messages; refuse a wrong one before anything is read.

    Raises:
        ConfigurationError: No target is named, there is no such target, or the key is not its own.
    """
    from miso_upload.ledger.state_directory import shown_target

    if not (settings.api_key or settings.target):
        raise ConfigurationError(_NO_TARGET)
    try:
        return shown_target(settings)
    except NewKeyError:
        if can_ask(settings.inputs):
            return "the target that you name next"
        raise


def _refuse_what_is_read_once(inputs: tuple[str, ...]) -> None:
    for name in inputs:
        if name == "-" or Path(name).is_fifo():
            raise ConfigurationError(
                f"{name}: can be read only once, so it cannot be shown before it is noted. Nothing "
                "was noted. Add --yes to note its records without being asked"
            )


@click.command("forget", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path(), required=True)
@reading_options
@state_option
@click.option("--target", metavar="NAME", help="Forget them at this target only.")
@click.option("--yes", is_flag=True, help="Forget without asking first.")
def forget_command(
    *,
    files: tuple[str, ...],
    state_dir: Path | None,
    target: str | None,
    yes: bool,
    **options: Any,
) -> None:
    """Forget what was sent or noted from FILE, so that the next upload sends its records.

    FILE may be gone: 'miso-upload status' lists the names. Nothing is removed from Miso. Records
    that Miso has are there twice after the next upload, unless other sources have them too.
    """
    from miso_upload.pipeline.forget import forget, found_to_forget
    from miso_upload.pipeline.settings import Settings
    from miso_upload.sources import ReadingOptions
    from miso_upload.values.display import counted

    directory = state_dir or Settings(inputs=()).state_dir
    found = found_to_forget(directory, files, ReadingOptions(**options), target)
    for each in found:
        say(_about(each))
    if not yes:
        _confirm("Forget this?", nothing="forgotten")
    say(f"Forgot {counted(forget(found), 'source')}. " + _NEXT)


def _about(found: Found) -> str:
    from miso_upload.values.display import one_line

    totals = found.totals
    known = totals.accepted + totals.already_sent
    which = f"{totals.accepted:,} accepted from it, {totals.already_sent:,} already sent or noted"
    return (
        one_line(f"{found.name}  ->  {found.server} ({found.target})")
        + f"\n  Miso has {known:,} of its {totals.rows:,} rows: {which}"
    )


def _confirm(question: str, *, nothing: str) -> None:
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        say_error(
            f"nothing was {nothing}, because there is no terminal to ask at. Add --yes to go on "
            "without being asked"
        )
        raise click.exceptions.Exit(2)
    if ask_at_terminal(f"{question} (yes/no)").lower() not in ("y", "yes"):
        say(f"Nothing was {nothing}.")
        raise click.exceptions.Exit(0)
