"""Asks questions at the terminal."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.output import say, say_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miso_upload.errors import NewKeyError
    from miso_upload.ledger.state_directory import AskForTarget
    from miso_upload.pipeline.settings import Settings


def can_ask(inputs: Sequence[str]) -> bool:
    """Return whether the user can answer a question at a terminal."""
    return "-" not in inputs and bool(sys.stdin) and sys.stdin.isatty()


def ask_for_target(settings: Settings, leave: Callable[[], None]) -> AskForTarget | None:
    """Return a function that asks for the target of a new key; None without a terminal."""
    if not (can_ask(settings.inputs) and sys.stderr and sys.stderr.isatty()):
        return None

    def ask(error: NewKeyError) -> str | None:
        leave()
        say_error(str(error))
        if len(error.names) == 1:
            say(f"If this is a rotated key of {error.names[0]}, enter {error.names[0]}.", err=True)
        name = ask_at_terminal("Target name, existing or new (leave empty to stop)")
        if not name or name in error.names:
            return name or None
        answer = ask_at_terminal(f"Upload to the new target {name}? (yes/no)")
        return name if answer.lower() in ("y", "yes") else None

    return ask


def confirm(question: str, *, nothing: str) -> None:
    """Ask a question; end the program unless the answer is yes.

    Args:
        question: The question.
        nothing: What is not done if the answer is no, such as "noted".
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        say_error(
            f"nothing was {nothing}, because there is no terminal to confirm at. To skip the "
            "confirmation, add --yes"
        )
        raise click.exceptions.Exit(2)
    if ask_at_terminal(f"{question} (yes/no)").lower() not in ("y", "yes"):
        say(f"Nothing was {nothing}.")
        raise click.exceptions.Exit(0)


def ask_for_secret(prompt: str) -> str:
    """Ask for a secret, which the terminal does not show.

    Raises:
        click.Abort: The user pressed Ctrl-C; the terminal shows input again.
    """
    return _ask(prompt, hide_input=True)


def ask_at_terminal(prompt: str) -> str:
    """Ask a question; the answer may be empty.

    Raises:
        click.Abort: The user pressed Ctrl-C.
    """
    return _ask(prompt, default="", show_default=False).strip()


def _ask(prompt: str, **options: Any) -> str:
    from miso_upload.values.display import one_line

    before = signal.getsignal(signal.SIGINT)
    # Other handlers would not restore the terminal, or would continue to wait.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer: str = click.prompt(one_line(prompt), err=True, **options)
    finally:
        signal.signal(signal.SIGINT, before)
    return answer
