"""The command `presets`: lists the built-in mappings, or prints one."""

from __future__ import annotations

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import completing, preset_names
from miso_upload.cli.output import say

_EXAMPLES = """\b
Examples:
  miso-upload presets                         list all presets
  miso-upload presets segment > mapping.toml  copy one to change it
"""


@click.command("presets", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("name", required=False, shell_complete=completing(preset_names))
def presets_command(name: str | None) -> None:
    """List the built-in mappings, or print one, which you can copy and change."""
    from miso_upload.transform.mapping import preset_names, preset_purpose, preset_text

    if name is not None:
        say(preset_text(name).rstrip())
        return
    width = max(map(len, preset_names())) + 2
    for each in preset_names():
        say(f"{each:<{width}}{preset_purpose(each)}")
    say("'miso-upload presets NAME' prints a preset; --preset NAME uses it.")
