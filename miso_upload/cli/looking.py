"""The smaller commands: what there is, what was done, and a double of Miso to try it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from miso_upload.cli.framework import CONTEXT, HeadedCommand, headed, say
from miso_upload.cli.reading import reading_options
from miso_upload.cli.upload import state_option

serving = headed("Serving")

_SANDBOX_KEY = "sandbox"


@click.command("types", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("name", required=False)
@click.option("--schema", type=click.Path(dir_okay=False), metavar="FILE", help="Of this schema.")
def types_command(name: str | None, schema: str | None) -> None:
    """List the types of interactions and their attributes, or explain one."""
    from miso_upload.cli.type_help import explain_type, list_types
    from miso_upload.transform.schema.schema import schema_of

    chosen = schema_of(schema)
    say((explain_type(chosen, name) if name else list_types(chosen)).rstrip())


@click.command("presets", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("name", required=False)
def presets_command(name: str | None) -> None:
    """List the ready mappings, or print one, to be copied and changed."""
    from miso_upload.transform.mapping import preset_names, preset_purpose, preset_text

    if name is not None:
        say(preset_text(name).rstrip())
        return
    width = max(map(len, preset_names())) + 2
    for each in preset_names():
        say(f"{each:<{width}}{preset_purpose(each)}")
    say("'miso-upload presets NAME' prints one; --preset NAME uses it.")


@click.command("schema", cls=HeadedCommand, context_settings=CONTEXT)
def schema_command() -> None:
    """Print the JSON Schema that records are judged by."""
    from miso_upload.transform.schema.schema import shipped_schema_text

    say(shipped_schema_text().decode().rstrip())


@click.command("status", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path())
@reading_options
@state_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status_command(
    *, files: tuple[str, ...], as_json: bool, state_dir: Path | None, **options: Any
) -> None:
    """Show what became of the rows of each source, over all runs."""
    from miso_upload.pipeline.status import status_text, statuses
    from miso_upload.values.display import one_line
    from miso_upload.values.json import encode_pretty

    found = statuses(_state_dir(state_dir), files, _reading(options))
    if as_json:
        sources = [source.as_json() for each in found for source in each.sources]
        say(encode_pretty(sources).decode().rstrip())
    elif files and not found:
        say(one_line(f"{', '.join(files)}: nothing was uploaded from it yet"))
    else:
        say(status_text(found).rstrip())


@click.command("rejects", cls=HeadedCommand, context_settings=CONTEXT)
@click.argument("file", type=click.Path())
@reading_options
@state_option
def rejects_command(*, file: str, state_dir: Path | None, **options: Any) -> None:
    """Print the rejected rows of a source again, with the reasons, as JSON lines."""
    from miso_upload.pipeline.status import rejections_again
    from miso_upload.values.display import one_line

    line = None
    for line in rejections_again(_state_dir(state_dir), file, _reading(options)):
        say(line.decode().rstrip("\n"))
    if line is None:
        say(one_line(f"{file}: no rejected rows"), err=True)


@click.command("sandbox", cls=HeadedCommand, context_settings=CONTEXT)
@serving("--port", type=click.IntRange(0, 65535), default=8642, help="Default: 8642; 0 for any.")
@serving("--store", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
         help="Keep what is accepted in this SQLite file.")  # fmt: skip
@serving("--key", envvar="MISO_SANDBOX_KEY", default=_SANDBOX_KEY, help="Default: sandbox.")
@serving("--fault", "faults", multiple=True, metavar="NAME:RATE",
         help="Misbehave, as in 429:0.1, 502-after:0.05, drop:0.1, drop-after:0.1, garbage:0.1, "
         "errors-true:0.1, latency:0.5, retry-after:2, seed:1.")  # fmt: skip
@serving(
    "--schema", type=click.Path(dir_okay=False), metavar="FILE", help="RecordValidator by this one."
)
@serving("-q", "--quiet", is_flag=True, help="No line for each request.")
def sandbox_command(
    *, port: int, store: Path | None, key: str, faults: tuple[str, ...], schema: str | None,
    quiet: bool,
) -> None:  # fmt: skip
    """Serve Miso's interaction endpoint on this machine, for rehearsals without a key."""
    from miso_upload.pipeline.file_conflicts import FileUse, refuse_shared_files
    from miso_upload.sandbox import Sandbox, parse_faults, serve
    from miso_upload.transform.schema.schema import schema_of
    from miso_upload.values.display import counted

    def announce(running: Sandbox) -> None:
        say(f"A double of Miso listens on {running.url}; Ctrl-C stops it. In another terminal:")
        shown = key if key == _SANDBOX_KEY else "..."
        say(f"  MISO_API_KEY={shown} miso-upload history.jsonl --server {running.url}")

    def show(status: int | None, records: int, fault: str | None) -> None:
        say(
            f"{status or 'no answer'}, {counted(records, 'record')}"
            + (f" ({fault})" if fault else ""),
            err=True,
        )

    if store is not None and schema is not None:
        written = FileUse("--store", str(store), written=True, remedy="name two files")
        refuse_shared_files([written, FileUse("--schema", schema)])
    sandbox = Sandbox(
        port=port,
        store=store,
        key=key,
        faults=parse_faults(faults),
        schema=schema_of(schema),
        on_request=None if quiet else show,
    )
    serve(sandbox, on_start=announce)
    counts = sandbox.counts()
    records, requests = counts["records"], counts["accepted_requests"]
    say(f"{counted(records, 'record')} accepted in {counted(requests, 'request')}")


def _state_dir(given: Path | None) -> Path:
    from miso_upload.pipeline.settings import Settings

    return given or Settings(inputs=()).state_dir


def _reading(options: dict[str, Any]) -> Any:
    from miso_upload.sources import ReadingOptions

    return ReadingOptions(**options)
