"""The command `schema`: prints the JSON Schema of a record."""

from __future__ import annotations

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.output import say

_EXAMPLES = """\b
Examples:
  miso-upload schema > own.json                     copy it to change it
  miso-upload history.jsonl --schema own.json       validate against your own
"""


@click.command("schema", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES)
def schema_command() -> None:
    """Print the JSON Schema that records are validated against."""
    from miso_upload.transform.schema.schema import shipped_schema_text

    say(shipped_schema_text().decode().rstrip())
