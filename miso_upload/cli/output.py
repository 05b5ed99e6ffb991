"""Prints results to stdout, and messages and errors to stderr."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn, TextIO

import click

from miso_upload.errors import MisoUploadError, OutputError

if TYPE_CHECKING:
    from miso_upload.report.listener import Listener
    from miso_upload.report.options import OutputOptions
    from miso_upload.report.summary import Summary

PROGRAM = "miso-upload"


def fail(text: str, exit_code: int) -> NoReturn:
    """Write an error to stderr and end the program."""
    say_error(text)
    raise click.exceptions.Exit(exit_code)


def say_error(text: str) -> None:
    """Write an error to stderr."""
    from miso_upload.values.display import one_line

    say(one_line(f"{PROGRAM}: {text}"), err=True)


def say(text: str, *, err: bool = False) -> None:
    """Write text without control characters; ignore a closed pipe.

    Raises:
        OutputError: The text is a result and there is no space left for it.
    """
    from miso_upload.values.display import harmless

    try:
        click.echo(harmless(text), err=err)
    except OSError as error:
        silence(sys.stderr if err else sys.stdout)
        if not err and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise OutputError(
                f"cannot write to standard output: {error.strerror}. The output is incomplete, but "
                "the ledger has the results of an upload: run 'miso-upload status' to see them"
            ) from None


def silence(stream: TextIO) -> None:
    """Discard further output to a stream: Python flushes it at exit, which would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def choose_listener(options: OutputOptions) -> Listener:
    """Return the listener that shows the progress of a run."""
    from miso_upload.report import progress

    if options.json:
        return progress.ProgressJson()
    if options.quiet:
        return progress.NoProgress()
    return progress.ProgressBar() if sys.stderr.isatty() else progress.ProgressLines()


def conclude(summary: Summary, options: OutputOptions, *, err: bool = False) -> None:
    """Print the summary and errors; the error that ended the run comes last.

    Args:
        summary: The summary, which goes to stdout.
        options: How it is printed.
        err: Whether the summary goes to stderr, because stdout has other results.
    """
    for problem in summary.problems:
        complain(problem, options)
    stopped = summary.stopped_by
    nothing_read = stopped is not None and not summary.totals.rows
    if not (nothing_read or (options.quiet and summary.exit_code == 0)):
        say(_json_text(summary) if options.json else _text(summary), err=err)
    if stopped is not None:
        complain(stopped, options)


def complain(error: MisoUploadError, options: OutputOptions) -> None:
    """Write an error to stderr, as text or as JSON."""
    if options.json:
        from miso_upload.report.progress import ProgressJson

        ProgressJson().failed(str(error))
        return
    say_error(str(error))


def _text(summary: Summary) -> str:
    from miso_upload.report.text import summary_text

    return summary_text(summary).rstrip()


def _json_text(summary: Summary) -> str:
    from miso_upload.report.json import summary_json
    from miso_upload.values.json import encode

    return encode(summary_json(summary)).decode()
