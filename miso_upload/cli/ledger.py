"""The command `ledger`: move a ledger to another machine."""

from __future__ import annotations

from pathlib import Path

import click

from miso_upload.cli.framework import CONTEXT, HeadedCommand, say
from miso_upload.cli.upload import state_option

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("ledger", context_settings=CONTEXT)
def ledger_command() -> None:
    """Move the ledger of a target to another machine, or repair a copy of one."""


@ledger_command.command("export", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("file", type=_FILE)
@click.option("--target", metavar="NAME", help="The target, if there are several.")
@click.option("--server", metavar="URL", help="Its server, if there are several.")
@state_option
def _export(*, file: Path, target: str | None, server: str | None, state_dir: Path | None) -> None:
    """Write a ledger and its secret to a new FILE (tar) that the owner alone can read."""
    from miso_upload.ledger.archive import export_ledger

    done = export_ledger(_state_dir(state_dir), file, target=target, server=server)
    say(f"Exported the ledger of {done.name} at {done.server} to {file}.")
    if done.secret:
        say(
            "It holds the secret of the state directory: keep it as you keep the API key, and "
            "delete it when it is imported."
        )
    say("From now on, upload to this target from one of the two machines only.")


@ledger_command.command("import", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("file", type=_FILE)
@click.option("--replace", is_flag=True, help="Replace another ledger of the same target.")
@state_option
def _import(*, file: Path, replace: bool, state_dir: Path | None) -> None:
    """Put an exported ledger, with its secret, into the state directory."""
    from miso_upload.ledger.archive import import_ledger

    directory = _state_dir(state_dir)
    done = import_ledger(directory, file, replace=replace)
    if done.replaced is not None:
        say(f"The ledger that was there before is now {done.replaced}.")
    what = "Imported" if done.changed else "Nothing to do: this is already"
    say(f"{what} the ledger of {done.name} at {done.server} in {directory}.")


@ledger_command.command("repair", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("file", type=_FILE)
def _repair(*, file: Path) -> None:
    """Use the ledger FILE although its -wal is lost; rows may be sent twice."""
    from miso_upload.ledger.archive import repair

    if repair(file):
        say(f"{file} is used as it is; what its lost -wal held may be sent again.")
    else:
        say(f"{file} needs no repair.")


def _state_dir(given: Path | None) -> Path:
    from miso_upload.pipeline.settings import Settings

    return given or Settings(inputs=()).state_dir
