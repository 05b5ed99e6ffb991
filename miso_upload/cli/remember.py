"""The command `remember`: note records as sent, without sending them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.asking import can_ask, confirm
from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.output import conclude, say
from miso_upload.cli.run import run_upload, settings_from
from miso_upload.cli.upload import upload_command
from miso_upload.errors import ConfigurationError, NewKeyError

if TYPE_CHECKING:
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
_EXAMPLES = """\b
Examples:
  miso-upload remember history.jsonl -m shop.toml     show, ask, and note
  miso-upload remember *.jsonl --target production    no key is needed for a known target
  miso-upload forget history.jsonl                    take it back
"""


@click.command(
    "remember", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[each for each in upload_command.params if each.name not in _NOT_FOR_REMEMBER],
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Note the records without asking first.")
def remember_command(*, yes: bool, **options: Any) -> None:
    """Note the records of FILE as sent, without sending them.

    Use it for rows that another tool, another machine or an older version has sent. The rows are
    mapped and validated with the same options as for an upload. Later uploads leave their records
    out as already sent. Rejected rows are not noted. 'miso-upload forget FILE' takes it back.
    """
    settings = settings_from({**options, "remember": True})
    target = _shown_target(settings)
    if not yes:
        _refuse_what_is_read_once(settings.inputs)
        _ask_with_preview(settings, target)
    done = run_upload(settings)
    conclude(done, settings.output)
    raise click.exceptions.Exit(done.exit_code)


def _ask_with_preview(settings: Settings, target: str) -> None:
    """Show what would be noted, and ask whether it is to be; end the program if it is not."""
    forecast = run_upload(settings.but(dry_run=True))
    conclude(forecast, settings.output)
    records = forecast.totals.pending
    if forecast.stopped_by is not None or not records:
        if forecast.stopped_by is None:
            say("There is nothing to note.")
        raise click.exceptions.Exit(forecast.exit_code)
    what = f"{records:,} records" if records > 1 else "this record"
    confirm(f"Note {what} as sent to {target}, without sending anything?", nothing="noted")


def _shown_target(settings: Settings) -> str:
    """Return the target for messages; refuse a wrong one before anything is read.

    Raises:
        ConfigurationError: No target is named, there is no such target, or the key is not its own.
    """
    from miso_upload.ledger.state_directory import shown_target

    if not (settings.delivery.api_key or settings.resume.target):
        raise ConfigurationError(_NO_TARGET)
    try:
        return shown_target(settings.resume, settings.delivery.server, settings.delivery.api_key)
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
