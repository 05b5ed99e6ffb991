"""The main command: `miso-upload FILE...`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.asking import ask_for_target, can_ask, read_key
from miso_upload.cli.framework import (
    CONTEXT,
    HeadedCommand,
    Statuses,
    WorkerCount,
    all_statuses,
    ask_for_secret,
    headed,
    say,
    say_error,
    with_lists,
)
from miso_upload.cli.reading import reading, reading_options
from miso_upload.cli.secrets import SALT, is_exposed, kept_from_others, read_secret
from miso_upload.errors import ConfigurationError, MisoUploadError
from miso_upload.pipeline.settings import DEFAULT_SERVER, MOST_ROWS

if TYPE_CHECKING:
    from miso_upload.pipeline.settings import Settings
    from miso_upload.report.listener import Listener
    from miso_upload.report.summary import Summary

_SIZE = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0, min_open=True)
_EXAMPLES = """\b
Examples:
  miso-upload history.jsonl --dry-run       look before anything is sent
  miso-upload history.jsonl                 upload, or go on where it stopped
  miso-upload events.csv --map product_ids=sku --set type=checkout --timezone UTC
  miso-upload 'logs/*.jsonl.gz' --sandbox   rehearse against a local double
  zcat old.gz | miso-upload - --format jsonl

Every option can come from the environment: --chunk-size is MISO_UPLOAD_CHUNK_SIZE.
"""


becoming = headed("Becoming a record")
proving = headed("Proving")
delivering = headed("Delivering")
resuming = headed("Resuming")
showing = headed("Showing")


def use_options_of_preset(ctx: click.Context, _: click.Parameter, name: str | None) -> str | None:
    """Take the options that a preset holds as defaults; those of a mapping file win over them."""
    if name:
        from miso_upload.transform.mapping import read_preset

        ctx.default_map = {**read_preset(name).options, **(ctx.default_map or {})}
    return name


def use_options_of_file(ctx: click.Context, _: click.Parameter, path: str | None) -> str | None:
    """Take the options that a mapping file holds as defaults; command line and environment win."""
    if path is None:
        return None
    from miso_upload.transform.mapping import read_mapping_file
    from miso_upload.values.display import did_you_mean

    file = read_mapping_file(path)
    # Whatever reads a job's file takes from it what it needs of an upload's options.
    known = {param.name for param in upload_command.params} - {"mapping"}
    options = {name.replace("-", "_"): value for name, value in file.options.items()}
    for name in options:
        if name not in known:
            meant = did_you_mean(name, filter(None, known))
            raise ConfigurationError(f"{path}: [options] has no option {name}{meant}")
    ctx.default_map = {**(ctx.default_map or {}), **with_lists(upload_command, options)}
    return path


def read_proxies(_: click.Context, __: click.Parameter, value: Any) -> int | str:
    """Return how many proxies there are, or their networks; a mapping file may hold a list."""
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return int(text) if text.isascii() and text.isdigit() else text


def becoming_options(command: Any) -> Any:
    """Add the options that say what a row becomes."""
    for option in reversed(_BECOMING):
        command = option(command)
    return command


def judging_options(command: Any) -> Any:
    """Add the options that say which records are good."""
    for option in reversed(_JUDGING):
        command = option(command)
    return command


def state_option(command: Any) -> Any:
    """Add the option that says where the ledgers are."""
    return resuming(
        "--state-dir", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
        help="Where the ledgers are.",
    )(command)  # fmt: skip


_BECOMING = (
    becoming(
        "-m",
        "--mapping",
        "--config",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        is_eager=True,
        callback=use_options_of_file,
        help="A mapping file; it can hold options of the job too.",
    ),
    becoming(
        "--preset",
        metavar="NAME",
        is_eager=True,
        callback=use_options_of_preset,
        help="A ready mapping; 'miso-upload presets' lists them.",
    ),
    becoming(
        "--map", multiple=True, metavar="ATTRIBUTE=COLUMN", help="Name the column of an attribute."
    ),
    becoming(
        "--set", multiple=True, metavar="ATTRIBUTE=VALUE", help="Give an attribute one value."
    ),
    becoming(
        "--transform",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Python whose transform(row) goes first.",
    ),
    becoming(
        "--keep",
        multiple=True,
        metavar="NAME",
        help="Keep the rows that a skip of this name drops.",
    ),
    becoming(
        "--bot-rate",
        type=_SIZE,
        metavar="N",
        help="Skip visitors with more rows a minute. Default: no bound.",
    ),
    becoming(
        "--series",
        metavar="NAME",
        default="",
        help="The series of the inputs, such as the name of a server or shard. Equal records of "
        "different series are all sent.",
    ),
    becoming("--list-separator", metavar="TEXT", help="Split list cells here. Default: one value."),
    becoming("--strict", is_flag=True, help="A column that becomes nothing is an error."),
    becoming(
        "--timestamp-format",
        multiple=True,
        metavar="FORMAT",
        help="As in strptime: %d/%m/%Y %H:%M.",
    ),
    becoming("--timezone", metavar="ZONE", help="Of times without one, such as Europe/Berlin."),
    becoming(
        "--derive-anonymous-id",
        type=click.Choice(["missing", "always", "never"]),
        default="missing",
        help="From ip and user_agent. Default: where a row has no id.",
    ),
    becoming(
        "--anonymous-id-from",
        type=click.Choice(["ip", "ip+user-agent"]),
        default="ip+user-agent",
        help="Default: ip+user-agent.",
    ),
    becoming(
        "--anonymous-id-salt-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Or set MISO_ANONYMOUS_ID_SALT.",
    ),
    becoming(
        "--trusted-proxies",
        type=click.UNPROCESSED,
        callback=read_proxies,
        default=0,
        metavar="N|CIDR,...",
        help="Your own addresses at the right end of a forwarded list.",
    ),
    becoming(
        "--ipv6-prefix",
        type=click.IntRange(1, 128),
        default=128,
        metavar="N",
        help="Bits of an IPv6 address that count for an id. Default: 128; 64 for a household.",
    ),
)
_JUDGING = (
    proving(
        "--schema",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="RecordValidator by this one.",
    ),
    proving(
        "--allow-missing",
        multiple=True,
        type=click.Choice(["timestamp", "id"]),
        help="Send rows without it. Miso makes up what is missing.",
    ),
)


@click.command(
    "upload", cls=HeadedCommand, context_settings=CONTEXT, epilog=_EXAMPLES,
)  # fmt: skip
@click.argument("inputs", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@reading_options
@reading("--growing", is_flag=True, help="The last line may still be written: let it wait.")
@reading(
    "--settle-after", type=click.FloatRange(0), default=600.0, metavar="SECONDS",
    help="With --growing: a file is finished when it is not written to for so long. Default: 600.",
)  # fmt: skip
@reading("--max-row-bytes", type=_SIZE, default=8 * 2**20, metavar="N", help="Longest row read.")
@becoming_options
@proving("--dry-run", is_flag=True, help="Do everything but send; needs no key.")
@proving("--server-dry-run", is_flag=True, help="Send to Miso with dry_run=1: nothing is stored.")
@proving("--sandbox", is_flag=True, help="Send to a local double, started for this run.")
@judging_options
@proving(
    "--max-reject-rate", type=click.FloatRange(0, 1), default=0.1, metavar="RATE",
    help="Stop when more rows are bad. Default: 0.1; 1 never stops.",
)  # fmt: skip
@delivering("--server", default=DEFAULT_SERVER, metavar="URL", help=f"Default: {DEFAULT_SERVER}")
@delivering(
    "--api-key-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Or set MISO_API_KEY; else you are asked.",
)  # fmt: skip
@delivering(
    "--auth", type=click.Choice(["query", "header"]), default="query",
    help="Send the key as api_key (default) or X-API-KEY.",
)  # fmt: skip
@delivering("--allow-insecure-http", is_flag=True, help="Use unencrypted http with any host.")
@delivering(
    "--chunk-size", type=click.IntRange(1, MOST_ROWS), default=MOST_ROWS, metavar="N",
    help="Rows in a request. Default: 10000.",
)  # fmt: skip
@delivering("--max-chunk-bytes", type=_SIZE, default=2**23, metavar="N", help="Default: 8388608.")
@delivering(
    "--concurrency", type=_SIZE, default=4, metavar="N", help="Requests at once. Default: 4."
)
@becoming(
    "--workers", type=WorkerCount(), default="auto", metavar="N|auto",
    help="Processes that make the records. Default: auto; 0 for none.",
)  # fmt: skip
@delivering("--max-requests-per-second", type=_SECONDS, metavar="N", help="Default: no bound.")
@delivering("--connect-timeout", type=_SECONDS, default=10.0, metavar="S", help="Default: 10.")
@delivering("--read-timeout", type=_SECONDS, default=120.0, metavar="S", help="Default: 120.")
@delivering(
    "--max-attempts", type=_SIZE, default=8, metavar="N", help="For one request. Default: 8."
)
@delivering("--retry-for", type=_SECONDS, default=600.0, metavar="S", help="Default: 600.")
@delivering(
    "--on-unknown", type=click.Choice(["resend", "hold", "skip"]), default="resend",
    help="When nobody knows whether Miso has a chunk. Default: resend.",
)  # fmt: skip
@delivering(
    "--not-stored", type=Statuses(), multiple=True, callback=all_statuses, metavar="STATUS,...",
    help="Take this answer of your gateway (408, 5xx) for a refusal. Default: none.",
)  # fmt: skip
@state_option
@resuming(
    "--target", metavar="NAME",
    help="The target, one environment of Miso. Default: the one that knows the key.",
)  # fmt: skip
@resuming("--new-target", metavar="NAME", help="Name a target that is new on this server.")
@resuming("--rotated-key", is_flag=True, help="Once: accept a new key for the target.")
@resuming(
    "--already-sent",
    type=click.Choice(["leave-out", "send"]),
    default="leave-out",
    help="What to do with records that Miso has from another file. Default: leave-out.",
)
@resuming(
    "--changed",
    type=click.Choice(["leave-out", "send"]),
    default="leave-out",
    help="What to do with records whose key Miso has with other content. Default: leave-out.",
)
@resuming(
    "--changed-mapping",
    type=click.Choice(["stop", "send", "continue"]),
    default="stop",
    help="What to do if sent rows come out differently under other options. Default: stop.",
)
@resuming("--restart", is_flag=True, help="Forget what was sent from the inputs, and send it all.")
@showing(
    "--rejects", type=click.Path(dir_okay=False), metavar="FILE", help="Default: FILE.rejects.jsonl"
)
@showing("--rejects-without-rows", is_flag=True, help="Write places and reasons there, no rows.")
@showing("--report", type=click.Path(dir_okay=False), metavar="FILE", help="Write a JSON summary.")
@showing("-q", "--quiet", is_flag=True, help="Say nothing when all goes well.")
@showing("--json", is_flag=True, help="Messages and summary as JSON, a line each.")
def upload_command(*, quiet: bool, json: bool, **options: Any) -> None:
    """Upload interaction history to Miso, validated and accounted for row by row.

    FILE is JSON Lines, a JSON array, CSV, TSV or a web server's access log, plain or compressed
    (gz, bz2, xz, zst, zip), or Parquet. It may be a URL (s3://, gs://, az://, https://); - is
    standard input. Rerun the same command to resume, or to send what was added or corrected since.
    Records that Miso has already, from this or another file, are not sent again.
    """
    settings = settings_from(options)
    listener = choose_listener(quiet=quiet, as_json=json)
    summary = run_upload(settings, listener, as_json=json)
    conclude(summary, quiet=quiet, as_json=json)
    raise click.exceptions.Exit(summary.exit_code)


def run_upload(settings: Settings, listener: Listener, *, as_json: bool = False) -> Summary:
    """Run an upload that signals stop in good order; an error ends the program with its code."""
    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.run import upload

    for path in filter(is_exposed, (settings.api_key_file, settings.anonymous_id_salt_file)):
        listener.noted(f"{path}: other users can read this secret; chmod 600 keeps it yours")
    stop = StopSignal()
    leave = getattr(listener, "leave", lambda: None)
    try:
        with stop.on_signals(leave), kept_from_others():
            return upload(settings, listener, stop=stop, ask=ask_for_target(settings, leave))
    except MisoUploadError as error:
        leave()
        _complain(error, as_json=as_json)
        raise click.exceptions.Exit(error.exit_code) from None
    except BaseException:
        leave()
        raise


def settings_from(options: dict[str, Any]) -> Settings:
    """Return the settings that the command line's options make.

    Raises:
        ConfigurationError: A file with a secret cannot be read.
    """
    from miso_upload.pipeline.settings import Settings

    salt_file, key_file = options.get("anonymous_id_salt_file"), options.get("api_key_file")
    if options["state_dir"] is None:
        del options["state_dir"]
    # What only notes records finds the ledger by the name of the target too.
    named = options.get("remember") and options.get("target")
    needs_key = not (options["dry_run"] or options["sandbox"] or named)
    salt = read_secret("--anonymous-id-salt-file", salt_file, SALT)
    key = read_key(key_file, needed=needs_key)
    if needs_key and not key and can_ask(options["inputs"]):
        key = ask_for_secret("Miso API key (secret key)")
    return Settings(api_key=key, anonymous_id_salt=salt.encode(), **options)


def choose_listener(*, quiet: bool, as_json: bool) -> Listener:
    """Return what shows the progress of a run, given where stderr goes."""
    from miso_upload.report import progress

    if as_json:
        return progress.JsonLines()
    if quiet:
        return progress.Quiet()
    return progress.Bar() if sys.stderr.isatty() else progress.Lines()


def conclude(summary: Summary, *, quiet: bool = False, as_json: bool = False) -> None:
    """Print the summary to stdout, and what went wrong to stderr: what ended the run last."""
    for problem in summary.problems:
        _complain(problem, as_json=as_json)
    stopped = summary.stopped_by
    nothing_read = stopped is not None and not summary.totals.rows
    if not (nothing_read or (quiet and summary.exit_code == 0)):
        say(_json_text(summary) if as_json else _text(summary))
    if stopped is not None:
        _complain(stopped, as_json=as_json)


def _text(summary: Summary) -> str:
    from miso_upload.report.text import summary_text

    return summary_text(summary).rstrip()


def _json_text(summary: Summary) -> str:
    from miso_upload.report.json import summary_json
    from miso_upload.values.json import encode

    return encode(summary_json(summary)).decode()


def _complain(error: MisoUploadError, *, as_json: bool) -> None:
    if as_json:
        from miso_upload.report.progress import JsonLines

        JsonLines().failed(str(error))
        return
    say_error(str(error))
