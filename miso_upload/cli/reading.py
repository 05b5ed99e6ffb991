"""The options that say how an input is read, which several commands share."""

from __future__ import annotations

from typing import Any

import click

from miso_upload.cli.framework import headed

READING = (
    "format",
    "log_format",
    "encoding",
    "delimiter",
    "quote",
    "escape",
    "columns",
    "no_header",
)
"""The options that say how an input is read."""


def _column_names(_ctx: click.Context, _param: click.Parameter, value: Any) -> tuple[str, ...]:
    """Return names that commas separate, or that a mapping file lists; `-` stands for no name."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        raise click.BadParameter("must be a list of names")
    return tuple("" if each.strip() == "-" else each.strip() for each in names)


def _tab_by_name(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    return "\t" if value in ("tab", "\\t") else value


reading = headed("Reading")


def reading_options(command: Any) -> Any:
    """Add the options that say how an input is read."""
    for option in (
        reading(
            "--columns",
            type=click.UNPROCESSED,
            default=(),
            callback=_column_names,
            metavar="NAME,...",
            help="There is no header; these are the columns. - leaves one out.",
        ),
        reading(
            "--no-header",
            is_flag=True,
            help="There is no header; columns are called 1, 2, ...",
        ),
        reading(
            "--delimiter",
            metavar="CHAR",
            callback=_tab_by_name,
            help="What separates cells ('tab' for a tab).",
        ),
        reading(
            "--quote",
            metavar="CHAR|none",
            help="What stands around cells; none reads quotes as they are.  "
            '[default: ", or none for TSV that does not use it]',
        ),
        reading(
            "--escape",
            metavar="CHAR",
            help="What stands before a quote or delimiter inside a cell, such as '\\'.  "
            "[default: none]",
        ),
        reading("--encoding", metavar="NAME", help="Default: UTF-8, or what a BOM says."),
        reading(
            "--format",
            type=click.Choice(["jsonl", "json", "csv", "tsv", "log"]),
            help="Default: by name, then by content.",
        ),
        reading(
            "--log-format",
            metavar="TEXT",
            help="The lines of an access log, as nginx or Apache describe them.",
        ),
    ):
        command = option(command)
    return command


__all__ = ["READING", "reading", "reading_options"]
