"""What an upload asks at the terminal, and the key that it then need not ask for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from miso_upload.cli.framework import ask_at_terminal, say, say_error
from miso_upload.cli.secrets import KEY, read_secret
from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from miso_upload.errors import NewKeyError
    from miso_upload.ledger.state_directory import AskForTarget
    from miso_upload.pipeline.settings import Settings


def read_key(file: Path | None, *, needed: bool) -> str:
    """Return the API key; a dry run only looks up its ledger with it, and does without."""
    try:
        return read_secret("--api-key-file", file, KEY)
    except ConfigurationError:
        if needed:
            raise
        return ""


def can_ask(inputs: Sequence[str]) -> bool:
    """Return whether somebody at a terminal can answer."""
    return "-" not in inputs and bool(sys.stdin) and sys.stdin.isatty()


def ask_for_target(settings: Settings, leave: Callable[[], None]) -> AskForTarget | None:
    """Return what asks whose key a new one is; None where nobody can answer."""
    if not (can_ask(settings.inputs) and sys.stderr and sys.stderr.isatty()):
        return None

    def ask(error: NewKeyError) -> str | None:
        leave()
        say_error(str(error))
        if len(error.names) == 1:
            say(f"If it is a rotated key of {error.names[0]}, enter {error.names[0]}.", err=True)
        name = ask_at_terminal("The target's name, known or new (nothing stops)")
        if not name or name in error.names:
            return name or None
        answer = ask_at_terminal(f"Upload to a new target {name}? (yes/no)")
        return name if answer.lower() in ("y", "yes") else None

    return ask
