"""The command `init`: drafts a mapping file from a sample of rows."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import format_options, grouped, options_for
from miso_upload.cli.output import say
from miso_upload.cli.sample import open_source, width
from miso_upload.errors import ConfigurationError
from miso_upload.transform.options import MappingOptions
from miso_upload.values.display import counted, one_line

if TYPE_CHECKING:
    from miso_upload.drafting import Draft
    from miso_upload.sources import Source

_STDOUT = "-"
_ROWS = 3
_SAMPLE = 10_000
_EXAMPLES = """\b
Examples:
  miso-upload init events.csv
  miso-upload init events.csv -o shop.toml --timezone Europe/Berlin
"""

writing = grouped("Output")


@click.command(
    "init", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
    params=[
        click.Argument(["file"], type=click.Path(), required=True),
        *format_options(), *options_for(MappingOptions, only={"timezone"}),
    ],
)  # fmt: skip
@writing("-o", "--output", default="mapping.toml", metavar="FILE", type=click.Path(dir_okay=False),
         help="Write the mapping file here; - is standard output.")  # fmt: skip
@writing("--force", is_flag=True, help="Overwrite the mapping file if it exists.")
def init_command(
    *, file: str, output: str, force: bool, timezone: str | None, **options: Any
) -> None:
    """Read a sample of FILE and draft a mapping file, in which unsure mappings are marked.

    The command sends nothing and needs no API key.
    """
    from miso_upload.drafting import draft_of, mapping_text, review_lines
    from miso_upload.pipeline.preview import (
        counts_of,
        examples,
        preview_text,
        rows_of,
        transform_of,
    )
    from miso_upload.transform.mapping import (
        detect_preset,
        parse_mapping,
    )
    from miso_upload.transform.schema.schema import shipped_schema
    from miso_upload.values.timestamps import TimestampReader

    TimestampReader(timezone)
    _refuse_to_overwrite_input(file, output)
    if output != _STDOUT and not force and Path(output).exists():
        raise ConfigurationError(
            f"{output} already exists; to overwrite it, add --force, or name another file with -o"
        )
    given = {name: value for name, value in options.items() if value}
    source, is_headerless = _open_sample(file, options)
    if is_headerless:
        given["no_header"] = True
    with source:
        # A query is in [options] of the draft, so the next command names what the query reads.
        name = file if options.get("sql") or options.get("sql_file") else source.name
        draft, block = draft_of(source, shipped_schema(), given)
        draft = draft if timezone is None else draft.in_zone(timezone)
        text = mapping_text(draft, name, output if output != _STDOUT else "mapping.toml")
        _write(output, text)
        # Without a time zone, the preview would only show that it is missing.
        tried = mapping_text(draft.in_zone("UTC").decided(), name, output)
        transform = transform_of(parse_mapping(output, tried), shipped_schema(), source.format)
        shown = rows_of(block, source.format, transform)
    to_stdout = output == _STDOUT
    lines = [
        *([] if to_stdout else [f"Wrote {one_line(output)}: {_contents(draft)}."]),
        *map(one_line, draft.missing),
        *review_lines(draft),
        "",
        preview_text(examples(shown, _ROWS), width()).rstrip("\n"),
        "",
        counts_of(shown),
    ]
    if is_headerless:
        lines.insert(
            0,
            f"{source.name}: the first line looks like data and not like a header, so the columns "
            "are named 1, 2, 3 and so on. To name them, rerun the command with --columns NAMES.",
        )
    preset = detect_preset([each.row for each in shown])
    if preset is not None:
        lines += [
            f"The columns match the preset {preset}, which needs no mapping file:",
            f"  miso-upload {shlex.quote(name)} --preset {preset} --dry-run",
        ]
    if draft.needs_zone:
        lines.append(
            "The timestamps have no time zone and are shown in UTC. An upload rejects these rows "
            "until you fill in timezone."
        )
    lines += [
        f"{sentence[0].upper()}{sentence[1:]} The rows above show the first choice. An upload "
        "rejects these rows until you choose."
        for sentence in draft.undecided
    ]
    first = "Save it as mapping.toml. " if to_stdout else ""
    mapping = "mapping.toml" if to_stdout else output
    lines += [
        f"{first}Review the mapping file, correct it, and then run:",
        f"  {_next(name, mapping)}",
    ]
    say("\n".join(lines), err=to_stdout)


def _open_sample(file: str, options: dict[str, Any]) -> tuple[Source, bool]:
    """Open a sample, without a header if its first line looks like data; return whether it does."""
    from miso_upload.sources.first_rows import first_rows
    from miso_upload.transform.mapping import LOOKS_LIKE_DATA, looks_like_data

    source = open_source(file, options, rows=_SAMPLE)
    columns = source.format.columns
    if options.get("columns") or options.get("no_header") or not columns:
        return source, False
    if not looks_like_data(columns, first_rows(source)):
        return source, False
    if not source.can_reopen:
        say(f"{source.name}: {LOOKS_LIKE_DATA}.", err=True)
        return source, False
    source.close()
    return open_source(file, {**options, "no_header": True}, rows=_SAMPLE), True


def _refuse_to_overwrite_input(file: str, output: str) -> None:
    from miso_upload.pipeline.file_conflicts import FileUse, refuse_shared_files
    from miso_upload.sources import expand_inputs
    from miso_upload.values.input_names import is_remote

    if output == _STDOUT:
        return
    names = [file] if is_remote(file) else expand_inputs((file,))[0]
    remedy = "name another file with -o"
    refuse_shared_files(
        [
            FileUse("--output", output, written=True, remedy=remedy),
            *(FileUse("an input", name) for name in names if not is_remote(name)),
        ]
    )


def _write(output: str, text: str) -> None:
    if output == _STDOUT:
        say(text.rstrip("\n"))
        return
    try:
        # Only its owner may read it: it contains examples of the rows.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{output}: cannot write the file: {error.strerror}") from None


def _contents(draft: Draft) -> str:
    found, unsure = len(draft.guesses), draft.unsure
    if draft.routes:
        routes = counted(len(draft.routes), "route")
        return (
            f"{routes} for the visits of the preset {draft.options['preset']}, all to be reviewed"
        )
    attributes = counted(found, "attribute")
    return f"{attributes}, {unsure} to be reviewed" if unsure else attributes


def _next(name: str, mapping: str) -> str:
    return one_line(f"miso-upload {shlex.quote(name)} -m {shlex.quote(mapping)} --dry-run")
