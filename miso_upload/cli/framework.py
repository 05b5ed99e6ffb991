"""What the commands have in common: options in groups, from the environment too, and exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO, cast

import click

from miso_upload.errors import MisoUploadError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from click.shell_completion import CompletionItem

PROGRAM = "miso-upload"
DEFAULT_COMMAND = "upload"
_DEFECT = 3
_PACKAGE = "miso_upload"
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Setting(click.Option):
    """An option that stands under a heading in the help and can come from the environment.

    `--chunk-size` is also `MISO_UPLOAD_CHUNK_SIZE`.
    """

    def __init__(self, *args: Any, heading: str = "Other", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading
        if self.envvar is None and self.name is not None:
            self.envvar = f"MISO_UPLOAD_{self.name.upper()}"

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Leave the range out: the help is short, and a wrong number is answered with it."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


def headed(heading: str) -> Callable[..., Callable[..., Any]]:
    """Return `click.option` for options that stand under `heading`."""

    def option(*args: Any, **kwargs: Any) -> Callable[..., Any]:
        return click.option(*args, cls=Setting, heading=heading, **kwargs)

    return option


class WorkerCount(click.ParamType[Any]):
    """A number of processes, or `auto`."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a whole number, or `auto`."""
        if value == "auto" or isinstance(value, int):
            return value
        return click.IntRange(min=0).convert(value, param, ctx)


class Statuses(click.ParamType[Any]):
    """HTTP statuses, separated by commas."""

    name = "statuses"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the statuses as numbers."""
        if isinstance(value, tuple):
            return value
        texts = [each.strip() for each in str(value).split(",")]
        if not all(each.isascii() and each.isdigit() for each in texts):
            self.fail(
                f"'{value}' is not a status such as 503, or several, as in 500,503", param, ctx
            )
        return tuple(map(int, texts))


def all_statuses(
    _ctx: click.Context, _param: click.Parameter, value: tuple[tuple[int, ...], ...]
) -> tuple[int, ...]:
    """Return the statuses of a repeated option as one sorted tuple."""
    return tuple(sorted({status for each in value for status in each}))


def with_lists(command: click.Command, options: dict[str, Any]) -> dict[str, Any]:
    """Return options with a list for each that can be repeated, also where one value is given."""
    repeated = {param.name for param in command.params if getattr(param, "multiple", False)}
    return {
        name: [value] if name in repeated and not isinstance(value, list) else value
        for name, value in options.items()
    }


class HeadedCommand(click.Command):
    """A command whose help lists its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        by_heading: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                by_heading.setdefault(getattr(param, "heading", "Other"), []).append(record)
        by_heading["Other"] = by_heading.pop("Other", [])
        for heading, records in by_heading.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class Home(NamedTuple):
    """Where a command is, and what the help of the program says of it.

    A command `init` is the `init_command` of its module.
    """

    module: str
    purpose: str


class Program(click.Group):
    """The command group: what is no command is an input, and errors become exit codes.

    A command is imported when it is called, so that `--help` and `--version` wait for none.
    """

    def __init__(self, *args: Any, homes: Mapping[str, Home], **options: Any) -> None:
        super().__init__(*args, **options)
        self._homes = homes

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the alphabet."""
        del ctx
        return sorted(self._homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such command."""
        del ctx
        home = self._homes.get(cmd_name)
        if home is None:
            return None
        module = import_module(f"{__package__}.{home.module}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the commands are for, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self._homes[name].purpose) for name in self.list_commands(ctx)]
            )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of anything that names none."""
        own = {"-h", "--help", "--version"}
        if args and args[0] not in self._homes and args[0] not in own:
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the default command's files and options beside the commands."""
        from click.shell_completion import CompletionItem

        default = cast("click.Command", self.get_command(ctx, DEFAULT_COMMAND))
        inner = click.Context(default, parent=ctx, info_name=DEFAULT_COMMAND)
        offered = default.shell_complete(inner, incomplete)
        if not incomplete.startswith("-"):
            offered.append(CompletionItem(incomplete, type="file"))
        known = {item.value for item in offered}
        return [*offered, *(item for item in super().shell_complete(ctx, incomplete)
                            if item.value not in known)]  # fmt: skip

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program; what click itself prints, such as the help, may find no room either."""
        try:
            return super().main(*args, **options)
        except OSError as error:
            _silence(sys.stdout)
            say_error(f"standard output cannot be written: {error.strerror}")
            sys.exit(OutputError.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with the exit code of whatever went wrong, and never a traceback."""
        try:
            return super().invoke(ctx)
        except MisoUploadError as error:
            fail(str(error), error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            fail("stopped before anything was read", 128 + signal.SIGINT)
        except click.UsageError as error:
            from miso_upload.values.display import one_line

            raise click.UsageError(one_line(error.format_message()), error.ctx) from None
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError, EOFError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # whoever read has gone, which click knows
            # The last resort.
            fail(_defect(error), _DEFECT)


def fail(text: str, exit_code: int) -> NoReturn:
    """Write an error to stderr and end."""
    say_error(text)
    raise click.exceptions.Exit(exit_code)


def say_error(text: str) -> None:
    """Write an error to stderr."""
    from miso_upload.values.display import one_line

    say(one_line(f"{PROGRAM}: {text}"), err=True)


def say(text: str, *, err: bool = False) -> None:
    """Write text that cannot act on a terminal, unless whoever read it has gone.

    Raises:
        OutputError: It is a result, and there is no room for it.
    """
    from miso_upload.values.display import harmless

    try:
        click.echo(harmless(text), err=err)
    except OSError as error:
        _silence(sys.stderr if err else sys.stdout)
        if not err and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise OutputError(
                f"standard output cannot be written: {error.strerror}. What is there is cut off; "
                "an upload is noted in the ledger all the same ('miso-upload status')"
            ) from None


def _silence(stream: TextIO) -> None:
    """Let a stream forget what it is told: Python flushes it on its way out, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def ask_for_secret(prompt: str) -> str:
    """Ask at the terminal for what it is not to show.

    Raises:
        click.Abort: Ctrl-C; the terminal shows again what is typed.
    """
    return _ask(prompt, hide_input=True)


def ask_at_terminal(prompt: str) -> str:
    """Ask at the terminal; the answer may be empty.

    Raises:
        click.Abort: Ctrl-C.
    """
    return _ask(prompt, default="", show_default=False).strip()


def _ask(prompt: str, **options: Any) -> str:
    from miso_upload.values.display import one_line

    before = signal.getsignal(signal.SIGINT)
    # Any other handler would leave the terminal as it is, or go on waiting.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer: str = click.prompt(one_line(prompt), err=True, **options)
    finally:
        signal.signal(signal.SIGINT, before)
    return answer


def _defect(error: Exception) -> str:
    """Return where an error of our own making came from, without the values that were at hand."""
    import traceback

    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    ours = [f"{_place(frame.filename)}:{frame.lineno}" for frame in frames]
    return (
        f"met a defect of its own ({type(error).__name__} at {' < '.join(reversed(ours[-4:]))}). "
        "The position is kept; please report this line"
    )


def _place(filename: str) -> str:
    """Return where a file is within the package, or within another, but not on whose machine."""
    parts = filename.replace("\\", "/").split("/")
    home = parts.index(_PACKAGE) + 1 if _PACKAGE in parts else -2
    return "/".join(parts[home:])
