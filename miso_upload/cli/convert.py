"""The command `convert`: writes records to a file instead of sending them."""

from __future__ import annotations

from typing import Any

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import grouped
from miso_upload.cli.output import conclude
from miso_upload.cli.run import run_upload, settings_from
from miso_upload.cli.upload import upload_command
from miso_upload.pipeline.settings import PARTS
from miso_upload.values.option import options_of

_PARTS = ("reading", "mapping", "identity", "scope", "validation", "output")
_NOT_FOR_CONVERT = {"dry_run", "server_dry_run", "sandbox", "chunk_size"}
_NAMES = {name for part in _PARTS for name in options_of(PARTS[part])} - _NOT_FOR_CONVERT
_EXAMPLES = """\b
Examples:
  miso-upload convert events.csv -m shop.toml -o records.jsonl
  miso-upload convert 'logs/*.gz' --timezone UTC -o records.jsonl.gz
  miso-upload convert events.csv -m shop.toml -o - | head
"""

writing = grouped("Output")


@click.command(
    "convert", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[
        each for each in upload_command.params if each.name in _NAMES or each.name == "inputs"
    ],
)  # fmt: skip
@writing("-o", "--output", required=True, type=click.Path(), metavar="FILE",
         help="Write the records to this file, gzipped if its name ends with .gz; - is standard "
         "output.")  # fmt: skip
@writing("--force", is_flag=True, help="Replace the file if it exists.")
def convert_command(*, output: str, force: bool, **options: Any) -> None:
    """Write the records of FILE to a file, without sending them.

    It maps and validates the rows with the same options as an upload, and writes each record as
    JSON on a line of its own, in order. Rejected rows go to OUTPUT.rejects.jsonl. It needs no API
    key and uses no ledger. The file appears when all inputs were read to their ends.
    """
    settings = settings_from({**options, "dry_run": True})
    done = run_upload(settings, convert_to=output, force=force)
    conclude(done, settings.output, err=output == "-")
    raise click.exceptions.Exit(done.exit_code)
