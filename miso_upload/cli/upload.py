"""The command `upload`, the default command: `miso-upload FILE...`."""

from __future__ import annotations

from typing import Any

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import PartOption, options_for
from miso_upload.cli.output import conclude
from miso_upload.cli.run import errors_reported, run_upload, settings_from
from miso_upload.pipeline.settings import PARTS
from miso_upload.report.options import OutputOptions

_EXAMPLES = """\b
Examples:
  miso-upload history.jsonl --dry-run       check everything, send nothing
  miso-upload history.jsonl                 upload, or resume
  miso-upload events.csv --map product_ids=sku --set type=checkout --timezone UTC
  miso-upload 'logs/*.jsonl.gz' --sandbox   test with a mock server
  zcat old.gz | miso-upload - --format jsonl

You can also set every option in the environment (MISO_UPLOAD_CHUNK_SIZE for --chunk-size) and in
[options] of a mapping file (chunk_size).
"""


def upload_options() -> list[PartOption]:
    """Return all options of an upload, by group."""
    found = [(part, each) for part in PARTS.values() for each in options_for(part)]
    # In a group, options of other parts come after those of the group's own part.
    return [each for _, each in sorted(found, key=lambda pair: pair[1].group != pair[0].GROUP)]


@click.command(
    "upload", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[
        click.Argument(["inputs"], metavar="FILE...", nargs=-1, required=True, type=click.Path()),
        *upload_options(),
    ],
)  # fmt: skip
def upload_command(**options: Any) -> None:
    """Upload interaction history to Miso, and account for every row.

    FILE is JSON Lines, a JSON array, CSV, TSV or a web server's access log, plain or compressed
    (gz, bz2, xz, zst, zip), or Parquet. It may be a URL (s3://, gs://, az://, https://); - is
    standard input. Rerun the same command to resume, or to send rows added or corrected since.
    Records that Miso already has, from this or another file, are not sent again.
    """
    with errors_reported(OutputOptions.of(json=options["json"])):
        settings = settings_from(options)
    summary = run_upload(settings)
    conclude(summary, settings.output)
    raise click.exceptions.Exit(summary.exit_code)
