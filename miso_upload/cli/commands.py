"""Defines the program and its commands, each of which is imported when it is called."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from miso_upload.cli.groups import CONTEXT, Program
from miso_upload.cli.output import PROGRAM
from miso_upload.values.version import __version__

_EPILOG = """\b
Run 'miso-upload upload --help' to list all options of an upload, and
'miso-upload COMMAND --help' to list those of another command.
To upload a file named after a command, add its directory, as in ./status.
"""
_PURPOSES = {
    "upload": "Upload FILE...; this is the default command.",
    "init": "Draft a mapping file from a sample.",
    "preview": "Show rows and their records.",
    "types": "List the types, or explain one.",
    "presets": "List the presets, or print one.",
    "schema": "Print the schema of a record.",
    "status": "Show the totals of each source.",
    "rejects": "Print the rejected rows of a source.",
    "convert": "Write the records to a file instead of sending them.",
    "remember": "Note records as sent, without sending them.",
    "forget": "Forget what was sent from a source.",
    "ledger": "Move a ledger to another machine.",
    "sandbox": "Run a mock Miso server.",
}
_COMMON = {
    "--dry-run": "Check everything and send nothing; needs no API key.",
    "-m, --mapping FILE": "Map rows with this TOML mapping file.",
    "--preset NAME": "Map rows with a built-in mapping.",
    "--map ATTRIBUTE=COLUMN": "Map this column to an attribute.",
    "--set ATTRIBUTE=VALUE": "Set an attribute to this value.",
    "--timezone ZONE": "Read timestamps without a time zone in ZONE.",
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
    """  # noqa: D301 -- click does not wrap a paragraph after \b


def main() -> None:
    """Run the program."""
    # Names and rows may contain characters that the terminal cannot show: escape these.
    sys.stdout, sys.stderr = map(_open_stream, (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    program()


def _open_stream(stream: Any) -> Any:
    """Return a stream, or one that discards its output if the caller has closed the stream."""
    return open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: PTH123
