"""The command `status`: shows each source's totals over all runs, from `pipeline.status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import format_of, format_options, state_dir_of, state_option
from miso_upload.cli.output import say

if TYPE_CHECKING:
    from pathlib import Path

_EXAMPLES = """\b
Examples:
  miso-upload status                  show all sources of all targets
  miso-upload status history.jsonl    show one source
"""


@click.command(
    "status", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[
        click.Argument(["files"], metavar="[FILE]...", nargs=-1, type=click.Path()),
        *format_options(), *state_option(),
    ],
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the totals as JSON.")
def status_command(
    *, files: tuple[str, ...], as_json: bool, state_dir: Path | None, **options: Any
) -> None:
    """Show how many rows of each source were accepted, rejected or skipped, over all runs."""
    from miso_upload.pipeline.status import status_text, statuses
    from miso_upload.sources.options import ReadingOptions
    from miso_upload.values.display import one_line
    from miso_upload.values.json import encode_pretty

    reading = ReadingOptions.of(**format_of(options))
    found = statuses(state_dir_of(state_dir), files, reading)
    if as_json:
        sources = [source.as_json() for each in found for source in each.sources]
        say(encode_pretty(sources).decode().rstrip())
    elif files and not found:
        say(one_line(f"{', '.join(files)}: nothing has been uploaded yet"))
    else:
        say(status_text(found).rstrip())
