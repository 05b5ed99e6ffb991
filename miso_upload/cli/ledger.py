"""The command `ledger`: moves a ledger to another machine, or repairs a copy."""

from __future__ import annotations

from pathlib import Path

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import state_dir_of, state_option
from miso_upload.cli.output import say

_FILE = click.Path(dir_okay=False, path_type=Path)


_EXPORT = """\b
Example:
  miso-upload ledger export production.tar --target production
"""
_IMPORT = """\b
Example:
  miso-upload ledger import production.tar
"""
_REPAIR = """\b
Example:
  miso-upload ledger repair ~/.local/state/miso-upload/production.ledger
"""


@click.group("ledger", context_settings=CONTEXT, epilog=_EXPORT)
def ledger_command() -> None:
    """Move the ledger of a target to another machine, or repair a copy of one."""


@ledger_command.command(
    "export", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXPORT,
    params=[click.Argument(["file"], type=_FILE, required=True), *state_option()],
)  # fmt: skip
@click.option(
    "--target", metavar="NAME", help="Export the ledger of this target.  [default: the only one]"
)
@click.option(
    "--server", metavar="URL", help="Export a ledger of this server.  [default: the only one]"
)
def _export(*, file: Path, target: str | None, server: str | None, state_dir: Path | None) -> None:
    """Write a ledger and its secret to a new FILE (tar) that only its owner can read."""
    from miso_upload.ledger.archive import export_ledger

    done = export_ledger(state_dir_of(state_dir), file, target=target, server=server)
    say(f"Exported the ledger of {done.name} at {done.server} to {file}.")
    if done.secret:
        say(
            "The file contains the secret of the state directory: protect it like the API key, "
            "and delete it after the import."
        )
    say("From now on, upload to this target from only one of the two machines.")


@ledger_command.command(
    "import", cls=GroupedCommand, context_settings=CONTEXT, epilog=_IMPORT,
    params=[click.Argument(["file"], type=_FILE, required=True), *state_option()],
)  # fmt: skip
@click.option(
    "--replace",
    is_flag=True,
    help="Replace another ledger of the same target and keep it under another name.",
)
def _import(*, file: Path, replace: bool, state_dir: Path | None) -> None:
    """Put an exported ledger, with its secret, into the state directory."""
    from miso_upload.ledger.archive import import_ledger

    directory = state_dir_of(state_dir)
    done = import_ledger(directory, file, replace=replace)
    if done.replaced is not None:
        say(f"The previous ledger was renamed to {done.replaced}.")
    if done.changed:
        say(f"Imported the ledger of {done.name} at {done.server} into {directory}.")
    else:
        say(f"Nothing to do: {directory} already has this ledger of {done.name} at {done.server}.")


@ledger_command.command(
    "repair", cls=GroupedCommand, context_settings=CONTEXT, epilog=_REPAIR,
    params=[click.Argument(["file"], type=_FILE, required=True)],
)  # fmt: skip
def _repair(*, file: Path) -> None:
    """Use the ledger FILE although its -wal file is lost; rows may be sent twice."""
    from miso_upload.ledger.archive import repair

    if repair(file):
        say(f"{file} can be used without its -wal file. Rows noted only there may be sent again.")
    else:
        say(f"{file} needs no repair.")
