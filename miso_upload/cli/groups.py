"""The command group: imports a command when it is called, and maps errors to exit codes."""

from __future__ import annotations

import errno
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from miso_upload.cli.output import fail, say_error, silence
from miso_upload.errors import MisoUploadError, OutputError

if TYPE_CHECKING:
    import traceback
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

DEFAULT_COMMAND = "upload"
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_OTHER = "Other"
_INTERNAL_ERROR = 3
_PACKAGE = "miso_upload"


class GroupedCommand(click.Command):
    """A command whose help lists its options by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        by_group: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                by_group.setdefault(getattr(param, "group", _OTHER), []).append(record)
        by_group[_OTHER] = by_group.pop(_OTHER, [])
        for group, records in by_group.items():
            with formatter.section(group):
                formatter.write_dl(records)


class Program(click.Group):
    """The command group: an argument that is not a command is an input; errors become exit codes.

    The command `status` is `status_command` in the module `status`. It is imported when it is
    called, so that `--help` and `--version` start fast.
    """

    def __init__(
        self, *args: Any, purposes: Mapping[str, str], common: Mapping[str, str], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._purposes = purposes
        self._common = common

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in alphabetical order."""
        del ctx
        return sorted(self._purposes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None if it does not exist."""
        del ctx
        if cmd_name not in self._purposes:
            return None
        module = import_module(f"{__package__}.{cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the common options and all commands, without importing the commands."""
        own = [param.get_help_record(ctx) for param in self.get_params(ctx)]
        with formatter.section("Common options"):
            formatter.write_dl([*self._common.items(), *filter(None, own)])
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._purposes[name]) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default command if the arguments do not start with a command."""
        own = {"-h", "--help", "--version"}
        if args and args[0] not in self._purposes and args[0] not in own:
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the default command's files and options in addition to the commands."""
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
        """Run the program; click's own output, such as the help, may also fail to be written."""
        try:
            return super().main(*args, **options)
        except OSError as error:
            silence(sys.stdout)
            say_error(f"cannot write to standard output: {error.strerror}")
            sys.exit(OutputError.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error ends the program with its exit code, never with a traceback."""
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
                raise  # click handles a closed pipe
            # The last resort.
            fail(_internal_error(error), _INTERNAL_ERROR)


def _internal_error(error: Exception) -> str:
    """Return the message for an internal error: where it was raised, without any values."""
    import traceback

    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    ours = [f"{_location(frame.filename)}:{frame.lineno}" for frame in frames]
    return (
        f"internal error ({type(error).__name__} at {' < '.join(reversed(ours[-4:]))}). Progress "
        "is saved. Please report this line"
    )


def _location(filename: str) -> str:
    """Return the path of a file within its package, without directories of the user."""
    parts = filename.replace("\\", "/").split("/")
    home = parts.index(_PACKAGE) + 1 if _PACKAGE in parts else -2
    return "/".join(parts[home:])
