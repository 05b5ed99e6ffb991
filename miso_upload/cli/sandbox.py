"""The command `sandbox`: runs a mock Miso server."""

from __future__ import annotations

from pathlib import Path

import click

from miso_upload.cli.groups import CONTEXT, GroupedCommand
from miso_upload.cli.options import grouped
from miso_upload.cli.output import say

_KEY = "sandbox"
_EXAMPLES = """\b
Examples:
  miso-upload sandbox
  miso-upload sandbox --fault 503:0.2 --fault drop-after:0.05 --store accepted.sqlite
"""

serving = grouped("Server")


@click.command("sandbox", cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLES)
@serving("--port", type=click.IntRange(0, 65535), default=8642, metavar="N",
         help="Listen on port N; 0 uses any free port.")  # fmt: skip
@serving("--store", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
         help="Store accepted records in this SQLite file.  [default: none]")  # fmt: skip
@serving("--key", envvar="MISO_SANDBOX_KEY", default=_KEY, metavar="TEXT",
         help="Accept only this API key.")  # fmt: skip
@serving("--fault", "faults", multiple=True, metavar="NAME:RATE",
         help="Inject a fault, such as 429:0.1, 502-after:0.05, drop:0.1, drop-after:0.1, "
         "garbage:0.1, errors-true:0.1, latency:0.5, retry-after:2, seed:1.  "
         "[default: none]")  # fmt: skip
@serving("--schema", type=click.Path(dir_okay=False), metavar="FILE",
         help="Validate records against this JSON Schema.  "
         "[default: the schema of Miso's API]")  # fmt: skip
@serving("-q", "--quiet", is_flag=True, help="Do not print a line for each request.")
def sandbox_command(
    *, port: int, store: Path | None, key: str, faults: tuple[str, ...], schema: str | None,
    quiet: bool,
) -> None:  # fmt: skip
    """Run a mock server of Miso's interaction endpoint on this machine, to test without an API key.

    To stop it, press Ctrl-C.
    """
    from miso_upload.pipeline.file_conflicts import FileUse, refuse_shared_files
    from miso_upload.sandbox import Sandbox, parse_faults, serve
    from miso_upload.transform.schema.schema import schema_of
    from miso_upload.values.display import counted

    def announce(running: Sandbox) -> None:
        say(f"The mock server is listening on {running.url}. To stop it, press Ctrl-C.")
        say("To upload to it, run in another terminal:")
        shown = key if key == _KEY else "..."
        say(f"  MISO_API_KEY={shown} miso-upload history.jsonl --server {running.url}")

    def show(status: int | None, records: int, fault: str | None) -> None:
        say(
            f"{status or 'no answer'}, {counted(records, 'record')}"
            + (f" ({fault})" if fault else ""),
            err=True,
        )

    if store is not None and schema is not None:
        written = FileUse("--store", str(store), written=True, remedy="use two different files")
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
