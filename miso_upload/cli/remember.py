"""The commands `remember` and `forget`: change what the ledger knows, without sending anything."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.framework import CONTEXT, HeadedCommand, ask_at_terminal, say, say_error
from miso_upload.cli.reading import reading_options
from miso_upload.cli.upload import choose_listener, settings_from, state_option, upload_command

if TYPE_CHECKING:
    from pathlib import Path

_NOT_FOR_REMEMBER = {
    "dry_run", "server_dry_run", "sandbox", "quiet", "json", "concurrency", "chunk_size",
    "max_chunk_bytes", "max_requests_per_second", "connect_timeout", "read_timeout",
    "max_attempts", "retry_for", "on_unknown", "not_stored", "auth", "allow_insecure_http",
    "already_sent", "changed", "changed_mapping", "restart", "report",
}  # fmt: skip
_NOBODY_TO_ASK = "There is no terminal to ask at. Add --yes if that is meant."


def _options_of_upload() -> list[click.Parameter]:
    return [each for each in upload_command.params if each.name not in _NOT_FOR_REMEMBER]


@click.command("remember", cls=HeadedCommand, context_settings=CONTEXT, params=_options_of_upload())
@click.option("--yes", is_flag=True, help="Do not ask.")
def remember_command(*, yes: bool, **options: Any) -> None:
    """Note the records of FILE as sent, without sending them.

    For rows that another tool, another machine or an older version has sent: the rows are mapped
    and validated as for an upload, and later uploads leave the records out as already sent.
    'miso-upload forget FILE' takes it back.
    """
    from miso_upload import check, upload

    preview = settings_from({**options, "dry_run": True, "sandbox": False})
    summary = check(preview, choose_listener(quiet=True, as_json=False))
    for problem in summary.problems:
        say_error(str(problem))
    say(summary.as_text().rstrip())
    if not summary.totals.pending:
        say("There is nothing to note.")
        raise click.exceptions.Exit(summary.exit_code)
    question = f"Note {summary.totals.pending:,} records as sent, without sending them?"
    _confirm(question, yes=yes)
    settings = settings_from({**options, "dry_run": False, "sandbox": False})
    done = upload(replace(settings, remember=True), choose_listener(quiet=False, as_json=False))
    say(done.as_text().rstrip())
    raise click.exceptions.Exit(done.exit_code)


@click.command("forget", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path(), required=True)
@reading_options
@state_option
@click.option("--target", metavar="NAME", help="Only at this target.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget_command(
    *,
    files: tuple[str, ...],
    state_dir: Path | None,
    target: str | None,
    yes: bool,
    **options: Any,
) -> None:
    """Forget what was sent from FILE, so that the next upload sends its records again.

    Records that Miso has stay there, and will be there twice.
    """
    from miso_upload.forgetting import forget, found_to_forget
    from miso_upload.quoting import counted
    from miso_upload.settings import Settings
    from miso_upload.sources import ReadingOptions

    directory = state_dir or Settings(inputs=()).state_dir
    reading = ReadingOptions(**options)
    found = found_to_forget(directory, files, reading, target)
    for each in found:
        say(f"{each.name} at {each.server} ({each.target}): {counted(each.rows, 'row')} known")
    _confirm("Forget them? Records that are sent again will be at Miso twice.", yes=yes)
    say(f"Forgot {counted(forget(found), 'source')}.")


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        say_error(_NOBODY_TO_ASK)
        raise click.exceptions.Exit(2)
    if ask_at_terminal(f"{question} (yes/no)").lower() not in ("y", "yes"):
        say("Nothing was changed.")
        raise click.exceptions.Exit(0)
