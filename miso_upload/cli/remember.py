"""The command `remember`: notes records as sent, without sending them."""

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
    "sample", "already_sent", "changed", "changed_mapping", "restart", "report",
}  # fmt: skip
_NO_TARGET = (
    "no target: name a known target with --target NAME ('miso-upload status' lists them), or set "
    "its API key with MISO_API_KEY or --api-key-file"
)
_EXAMPLES = """\b
Examples:
  miso-upload remember history.jsonl -m shop.toml     show, ask, and note
  miso-upload remember *.jsonl --target production    no key is needed for a known target
  miso-upload forget history.jsonl                    undo it
"""


@click.command(
    "remember", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[each for each in upload_command.params if each.name not in _NOT_FOR_REMEMBER],
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Note the records without asking first.")
def remember_command(*, yes: bool, **options: Any) -> None:
    """Note the records of FILE as sent, without sending them.

    Use it for rows that another tool, another machine or an older version has sent. It maps and
    validates the rows with the same options as an upload. Later uploads count these records as
    already sent. It does not note rejected rows. To undo it, run 'miso-upload forget FILE'.
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
    """Show what would be noted and ask for confirmation; end the program if the answer is no."""
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
    """Return the target for messages; refuse a wrong target before anything is read.

    Raises:
        ConfigurationError: No target is named, it is unknown, or the key belongs to another one.
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
                f"{name}: can be read only once, so its records cannot be shown before they are "
                "noted. Nothing was noted. To skip the confirmation, add --yes"
            )
