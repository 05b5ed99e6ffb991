"""The program: its commands by their names, each imported when it is called."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from miso_upload.cli.framework import CONTEXT, PROGRAM, Home, Program
from miso_upload.values.version import __version__

_EPILOG = """\b
A file that is called like a command is reached as ./status.
'miso-upload upload --help' lists the options of an upload.
"""
_HOMES = {
    "upload": Home("upload", "What FILE... does without a command."),
    "init": Home("starting", "Draft a mapping file from a sample."),
    "preview": Home("starting", "Show rows and their records."),
    "types": Home("looking", "List the types, or explain one."),
    "presets": Home("looking", "List ready mappings, or print one."),
    "schema": Home("looking", "Print the schema of a record."),
    "status": Home("looking", "Show what became of each source."),
    "rejects": Home("looking", "Print rejected rows again."),
    "remember": Home("remember", "Note records as sent, without sending them."),
    "forget": Home("remember", "Forget what was sent from a source."),
    "ledger": Home("ledger", "Move a ledger to another machine."),
    "sandbox": Home("looking", "Serve a local double of Miso."),
}


@click.group(
    PROGRAM, cls=Program, homes=_HOMES, context_settings=CONTEXT, epilog=_EPILOG,
    no_args_is_help=True, subcommand_metavar="FILE... | COMMAND [ARGS]...",
)  # fmt: skip
@click.version_option(__version__, prog_name=PROGRAM)
def program() -> None:
    """Upload months of interaction history to Miso.

    miso-upload FILE... uploads; run the same command again to go on where it stopped.
    """


def main() -> None:
    """Run the program."""
    # Names and rows hold any character; a terminal that cannot show one gets an escape.
    sys.stdout, sys.stderr = map(_open_stream, (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    program()


def _open_stream(stream: Any) -> Any:
    """Return a stream, or one that forgets what it is told, where the caller has closed it."""
    return open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: PTH123
