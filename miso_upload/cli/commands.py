"""The program: its commands by their names, each imported when it is called."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from miso_upload.cli.groups import CONTEXT, Program
from miso_upload.cli.output import PROGRAM
from miso_upload.values.version import __version__

_EPILOG = """\b
'miso-upload upload --help' lists all options of an upload, and
'miso-upload COMMAND --help' those of a command.
A file that is named like a command is reached as ./status.
"""
_PURPOSES = {
    "upload": "Upload FILE..., which is what happens without a command.",
    "init": "Draft a mapping file from a sample.",
    "preview": "Show rows and their records.",
    "types": "List the types, or explain one.",
    "presets": "List the presets, or print one.",
    "schema": "Print the schema of a record.",
    "status": "Show the totals of each source.",
    "rejects": "Print rejected rows again.",
    "remember": "Note records as sent, without sending them.",
    "forget": "Forget what was sent from a source.",
    "ledger": "Move a ledger to another machine.",
    "sandbox": "Run a mock server of Miso.",
}
_COMMON = {
    "--dry-run": "Check everything and send nothing; this needs no API key.",
    "-m, --mapping FILE": "Map rows as this TOML file says.",
    "--preset NAME": "Map rows with a ready mapping.",
    "--map ATTRIBUTE=COLUMN": "Take an attribute from this column.",
    "--set ATTRIBUTE=VALUE": "Give an attribute this value.",
    "--timezone ZONE": "Read timestamps without a time zone as in ZONE.",
    "--report FILE": "Write a summary as JSON.",
}


@click.group(
    PROGRAM, cls=Program, purposes=_PURPOSES, common=_COMMON, context_settings=CONTEXT,
    epilog=_EPILOG, no_args_is_help=True, options_metavar="[OPTIONS]",
    subcommand_metavar="FILE... | COMMAND [ARGS]...",
)  # fmt: skip
@click.version_option(__version__, prog_name=PROGRAM)
def program() -> None:
    """Upload months of interaction history to Miso.

    miso-upload FILE... uploads. Rerun the same command to resume.

    \b
    Examples:
      miso-upload history.jsonl --dry-run    check everything, send nothing
      miso-upload history.jsonl              upload, or resume
      miso-upload events.csv --map product_ids=sku --set type=checkout
    """  # noqa: D301 -- click's mark for lines that are not wrapped


def main() -> None:
    """Run the program."""
    # Names and rows hold any character; a terminal that cannot show one gets an escape.
    sys.stdout, sys.stderr = map(_open_stream, (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    program()


def _open_stream(stream: Any) -> Any:
    """Return a stream, or one that ignores what is written, where the caller has closed it."""
    return open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: PTH123
