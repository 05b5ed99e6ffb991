"""The command `forget`: forget what was sent from a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.asking import confirm
from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import format_of, format_options, state_dir_of, state_option
from miso_upload.cli.output import say

if TYPE_CHECKING:
    from pathlib import Path

    from miso_upload.pipeline.forget import Found

_NEXT = "The next upload sends these records again, unless other sources have them."
_EXAMPLES = """\b
Examples:
  miso-upload forget history.jsonl                        show, ask, and forget
  miso-upload forget history.jsonl --target staging --yes
"""


@click.command(
    "forget", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[
        click.Argument(["files"], metavar="FILE...", nargs=-1, type=click.Path(), required=True),
        *format_options(), *state_option(),
    ],
)  # fmt: skip
@click.option(
    "--target", metavar="NAME",
    help="Forget only what was sent to this target.  [default: all targets]",
)  # fmt: skip
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

    FILE need not exist any more: 'miso-upload status' lists the names. Miso keeps the records, so
    after the next upload it has them twice, unless other sources have them too.
    """
    from miso_upload.pipeline.forget import forget, found_to_forget
    from miso_upload.sources.options import ReadingOptions
    from miso_upload.values.display import counted

    reading = ReadingOptions.of(**format_of(options))
    found = found_to_forget(state_dir_of(state_dir), files, reading, target)
    for each in found:
        say(_about(each))
    if not yes:
        confirm("Forget this?", nothing="forgotten")
    say(f"Forgot {counted(forget(found), 'source')}. {_NEXT}")


def _about(found: Found) -> str:
    from miso_upload.values.display import counted, one_line

    totals = found.totals
    known = totals.accepted + totals.already_sent
    which = f"{totals.accepted:,} accepted, {totals.already_sent:,} already sent or noted"
    return (
        one_line(f"{found.name}  ->  {found.server} ({found.target})")
        + f"\n  Miso has {known:,} of {counted(totals.rows, 'row')}: {which}"
    )
