"""The command `rejects`: prints the rejected rows of a source."""

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
  miso-upload rejects history.jsonl                     print rows and reasons
  miso-upload rejects history.jsonl > history.rejects   save them
"""


@click.command(
    "rejects", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[
        click.Argument(["file"], type=click.Path(), required=True),
        *format_options(), *state_option(),
    ],
)  # fmt: skip
def rejects_command(*, file: str, state_dir: Path | None, **options: Any) -> None:
    """Print the rejected rows of a source with their reasons, as JSON lines."""
    from miso_upload.pipeline.status import rejections_again
    from miso_upload.sources.options import ReadingOptions
    from miso_upload.values.display import one_line

    line = None
    reading = ReadingOptions.of(**format_of(options))
    for line in rejections_again(state_dir_of(state_dir), file, reading):
        say(line.decode().rstrip("\n"))
    if line is None:
        say(one_line(f"{file}: no rejected rows"), err=True)
