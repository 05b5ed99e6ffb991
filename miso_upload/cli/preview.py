"""The command `preview`: shows rows and their records."""

from __future__ import annotations

from typing import Any

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import format_of, format_options, grouped, options_for
from miso_upload.cli.output import say
from miso_upload.cli.run import settings_from
from miso_upload.cli.sample import open_source, width
from miso_upload.cli.secrets import kept_from_others
from miso_upload.transform.options import IdentityOptions, MappingOptions, ValidationOptions

_EXAMPLES = """\b
Examples:
  miso-upload preview events.csv -m mapping.toml
  miso-upload preview events.csv --set type=checkout --only rejected --rows 20
"""

showing = grouped("Output")


@click.command(
    "preview", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[
        click.Argument(["file"], type=click.Path(), required=True),
        *format_options(),
        *options_for(MappingOptions, but={"workers"}),
        *options_for(IdentityOptions),
        *options_for(ValidationOptions, only={"schema", "allow_missing"}),
    ],
)  # fmt: skip
@showing("--rows", type=click.IntRange(min=1), default=5, metavar="N", help="Show N rows.")
@showing("--only", type=click.Choice(["valid", "rejected", "skipped"]),
         help="Of the first 1,000 rows, show those with this outcome.  [default: any]")  # fmt: skip
def preview_command(*, file: str, rows: int, only: str | None, **options: Any) -> None:
    """Show the first rows of FILE with their records, or why they are rejected or skipped.

    If none of these rows is valid, preview searches the first 1,000 for valid rows. It has the
    options of an upload that affect records. It sends nothing and needs no API key.
    """
    from miso_upload.pipeline.group_blocks import BlockReader
    from miso_upload.pipeline.job import Job
    from miso_upload.pipeline.preview import chosen_rows, counts_of, preview_text, rows_of

    settings = settings_from({**options, "inputs": (file,), "dry_run": True})
    with kept_from_others(), open_source(file, format_of(options), rows=1) as source:
        job = Job(settings)
        job.check(source)
        transform = job.transform(source)
        reader = BlockReader(source, transform)
        each = (
            shown
            for block in reader.blocks(source.body_start, source.body_line)
            for shown in rows_of(block, source.format, transform)
        )
        chosen, examined = chosen_rows(each, rows, only)
    if not examined:
        say("the input has no rows")
        return
    text = preview_text(chosen, width()).rstrip("\n")
    if chosen != examined:
        text = f"{text}\n\n{counts_of(examined)}"
    say(text.lstrip("\n"))
