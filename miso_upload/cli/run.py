"""Runs an upload from the options of a command, and reports errors as exit codes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from miso_upload.cli.asking import ask_for_secret, ask_for_target, can_ask
from miso_upload.cli.output import choose_listener, complain
from miso_upload.cli.secrets import is_exposed, kept_from_others
from miso_upload.errors import ConfigurationError, MisoUploadError
from miso_upload.pipeline.settings import Settings
from miso_upload.values.secrets import KEY, SALT, read_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miso_upload.report.options import OutputOptions
    from miso_upload.report.summary import Summary


def run_upload(
    settings: Settings, *, convert_to: str | None = None, force: bool = False
) -> Summary:
    """Run an upload that signals stop gracefully; an error ends the program with its exit code.

    Args:
        settings: The settings.
        convert_to: Write the records to this file instead of sending them.
        force: Whether this file is replaced if it exists.
    """
    from pathlib import Path

    from miso_upload.pipeline.interrupt import StopSignal
    from miso_upload.pipeline.run import upload

    listener = choose_listener(settings.output)
    secrets = (settings.delivery.api_key_file, settings.identity.anonymous_id_salt_file)
    for path in filter(is_exposed, (Path(name) for name in secrets if name)):
        listener.noted(f"{path}: other users can read this secret. Possible fix: chmod 600 {path}")
    stop = StopSignal()
    leave = getattr(listener, "leave", lambda: None)
    with errors_reported(settings.output):
        try:
            with stop.on_signals(leave), kept_from_others():
                if convert_to is not None:
                    from miso_upload.pipeline.convert import convert

                    return convert(settings, convert_to, listener, force=force, stop=stop)
                return upload(settings, listener, stop=stop, ask=ask_for_target(settings, leave))
        except BaseException:
            leave()
            raise


@contextmanager
def errors_reported(options: OutputOptions) -> Iterator[None]:
    """Report an error as the options say, and end the program with its exit code."""
    try:
        yield
    except MisoUploadError as error:
        complain(error, options)
        raise click.exceptions.Exit(error.exit_code) from None


def settings_from(options: dict[str, Any]) -> Settings:
    """Return the settings for the options of the command line.

    Raises:
        ConfigurationError: A file with a secret cannot be read, or options contradict each other.
    """
    settings = Settings.of(**options)
    validation, key_file = settings.validation, settings.delivery.api_key_file
    # `remember` needs no key, because the name of the target identifies its ledger.
    named = settings.resume.remember and settings.resume.target
    needs_key = not (validation.dry_run or validation.sandbox or named)
    salt = read_secret("--anonymous-id-salt-file", settings.identity.anonymous_id_salt_file, SALT)
    key = _read_key(key_file, needed=needs_key)
    if needs_key and not key and can_ask(settings.inputs):
        key = ask_for_secret("Miso API key (secret key)")
    return settings.but(api_key=key, anonymous_id_salt=salt.encode())


def _read_key(file: str | None, *, needed: bool) -> str:
    """Return the API key; a dry run uses it only to find its ledger, and can do without."""
    try:
        return read_secret("--api-key-file", file, KEY)
    except ConfigurationError:
        if needed:
            raise
        return ""
