"""Getting started: `init` writes a mapping file, `preview` shows what one does."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.framework import HeadedCommand, headed, say
from miso_upload.cli.reading import READING, reading_options
from miso_upload.cli.secrets import kept_from_others
from miso_upload.cli.upload import (
    becoming,
    becoming_options,
    judging_options,
    settings_from,
)
from miso_upload.errors import ConfigurationError
from miso_upload.values.display import one_line

if TYPE_CHECKING:
    from miso_upload.drafting import Draft
    from miso_upload.sources import Source

_STDOUT = "-"
_ROWS = 3
_SAMPLE = 10_000
_NARROW, _WIDE = 72, 160

writing = headed("Writing")
showing = headed("Showing")


@click.command("init", cls=HeadedCommand)
@click.argument("file", type=click.Path())
@writing("-o", "--output", default="mapping.toml", metavar="FILE", type=click.Path(dir_okay=False),
         help="The mapping file to write; - is standard output. Default: mapping.toml")  # fmt: skip
@writing("--force", is_flag=True, help="Overwrite it if it is there.")
@reading_options
@becoming("--timezone", metavar="ZONE", help="Of times without one, such as Europe/Berlin.")
def init_command(
    *, file: str, output: str, force: bool, timezone: str | None, **options: Any
) -> None:
    """Look at the rows of FILE and write a draft of a mapping file, with what is unsure.

    Nothing is sent, and no key is needed.
    """
    from miso_upload.drafting import draft_of, mapping_text
    from miso_upload.pipeline.preview import counts_of, preview_text, rows_of, telling, transform_of
    from miso_upload.transform.mapping import (
        LOOKS_LIKE_DATA,
        detect_preset,
        looks_like_data,
        parse_mapping,
    )
    from miso_upload.transform.schema.schema import shipped_schema
    from miso_upload.values.timestamps import TimestampReader

    TimestampReader(timezone)
    _refuse_to_overwrite_input(file, output)
    if output != _STDOUT and not force and Path(output).exists():
        raise ConfigurationError(
            f"{output} is there already; --force overwrites it, and -o names another file"
        )
    given = {name: value for name, value in options.items() if value}
    with _opened(file, options, rows=_SAMPLE) as source:
        draft, block = draft_of(source, shipped_schema(), given)
        draft = draft if timezone is None else draft.in_zone(timezone)
        text = mapping_text(draft, source.name, output if output != _STDOUT else "mapping.toml")
        _write(output, text)
        # Without a zone there would be nothing to see but that it is missing.
        tried = mapping_text(draft.in_zone("UTC"), source.name, output)
        transform = transform_of(parse_mapping(output, tried), shipped_schema(), source.format)
        shown = rows_of(block, source.format, transform)
    aside = output == _STDOUT
    lines = [
        *([] if aside else [f"Wrote {one_line(output)}: {_contents(draft)}."]),
        *map(one_line, draft.missing),
        "",
        preview_text(telling(shown, _ROWS), _width()).rstrip("\n"),
        "",
        counts_of(shown),
    ]
    if not given.keys() & {"columns", "no_header"} and looks_like_data(source.format.columns):
        lines.insert(0, f"{source.name}: {LOOKS_LIKE_DATA}.")
    preset = detect_preset([each.row for each in shown])
    if preset is not None:
        lines += [
            f"These are the columns of the preset {preset}, which needs no mapping file:",
            f"  miso-upload {shlex.quote(source.name)} --preset {preset} --dry-run",
        ]
    if draft.needs_zone:
        lines.append(
            "The times name no zone, and are shown as if it were UTC: until you fill in timezone, "
            "such rows are rejected."
        )
    mapping = "mapping.toml" if aside else output
    first = "Save it as mapping.toml, read" if aside else "Read"
    lines += [f"{first} it, change what is wrong, and then:", f"  {_next(source.name, mapping)}"]
    say("\n".join(lines), err=aside)


@click.command("preview", cls=HeadedCommand)
@click.argument("file", type=click.Path())
@reading_options
@becoming_options
@judging_options
@showing("--rows", type=click.IntRange(min=1), default=5, metavar="N", help="Default: 5.")
@showing("--only", type=click.Choice(["valid", "rejected", "skipped"]),
         help="Show such rows only, of the first 1,000.")  # fmt: skip
def preview_command(*, file: str, rows: int, only: str | None, **options: Any) -> None:
    """Show the first rows of FILE and the records that they become, or why they do not.

    If none of them becomes a record, the first 1,000 are looked through for some that do. It takes
    the options of an upload that make a record of a row. Nothing is sent, and no key is needed.
    """
    from miso_upload.pipeline.job import Recipe
    from miso_upload.pipeline.preview import chosen_rows, counts_of, preview_text, rows_of

    reading = {name: options[name] for name in READING}
    none = dict.fromkeys(("api_key_file", "state_dir", "sandbox"))
    settings = settings_from({**options, **none, "inputs": (file,), "dry_run": True})
    with kept_from_others(), _opened(file, reading, rows=1) as source:
        transform = Recipe(settings).transform(source)
        each = (
            shown
            for block in source.blocks(source.body_start, source.body_line)
            for shown in rows_of(block, source.format, transform)
        )
        chosen, looked = chosen_rows(each, rows, only)
    if not looked:
        say("there are no rows")
        return
    text = preview_text(chosen, _width()).rstrip("\n")
    if chosen != looked:
        text = f"{text}\n\n{counts_of(looked)}"
    say(text.lstrip("\n"))


def _opened(file: str, options: dict[str, Any], *, rows: int) -> Source:
    from miso_upload.errors import SourceError
    from miso_upload.sources import ReadingOptions, Source, expand_inputs
    from miso_upload.sources.formats import Limits
    from miso_upload.values.input_names import shown_name

    names, _ = expand_inputs((file,))
    if not names:
        raise SourceError(f"{shown_name(file)}: is a rejects file of ours, and no history")
    return Source(names[0], ReadingOptions(**options, limits=Limits(rows=rows)))


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
        # For its owner's eyes: it shows examples of what the rows hold.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{output}: cannot be written: {error.strerror}") from None


def _contents(draft: Draft) -> str:
    found, unsure = len(draft.guesses), draft.unsure
    if draft.routes:
        routes = f"{len(draft.routes)} route" + ("s" if len(draft.routes) != 1 else "")
        return (
            f"{routes} for what the preset {draft.options['preset']} takes for visits, all of "
            "them to be looked at"
        )
    attributes = f"{found} attribute" + ("s" if found != 1 else "")
    return f"{attributes}, {unsure} of them to be looked at" if unsure else attributes


def _next(name: str, mapping: str) -> str:
    return one_line(f"miso-upload {shlex.quote(name)} -m {shlex.quote(mapping)} --dry-run")


def _width() -> int:
    return min(max(shutil.get_terminal_size((80, 24)).columns, _NARROW), _WIDE)
