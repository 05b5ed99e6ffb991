"""The command `types`: lists the types of interactions, or explains one."""

from __future__ import annotations

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import completing, type_names
from miso_upload.cli.output import say

_EXAMPLES = """\b
Examples:
  miso-upload types             list all types
  miso-upload types checkout    explain one type and its attributes
"""


@click.command("types", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("name", required=False, shell_complete=completing(type_names))
@click.option(
    "--schema", type=click.Path(dir_okay=False), metavar="FILE",
    help="Explain this JSON Schema.  [default: the schema of Miso's API]",
)  # fmt: skip
def types_command(name: str | None, schema: str | None) -> None:
    """List the types of interactions and their attributes, or explain one."""
    from miso_upload.cli.type_help import explain_type, list_types
    from miso_upload.transform.schema.schema import schema_of

    chosen = schema_of(schema)
    say((explain_type(chosen, name) if name else list_types(chosen)).rstrip())
