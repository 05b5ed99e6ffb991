"""Reads secrets from files or from the environment."""

from __future__ import annotations

import os

from miso_upload.errors import ConfigurationError

KEY, SALT = "MISO_API_KEY", "MISO_ANONYMOUS_ID_SALT"


def read_secret(option: str, file: str | None, variable: str) -> str:
    """Return the content of a file, or of a variable if no file is given.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    if file is None:
        return os.environ.get(variable, "").strip()
    try:
        with open(file, encoding="utf-8") as held:  # noqa: PTH123 -- pathlib takes long to import
            return held.read().strip()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8"
        # Do not repeat the name: it may be the secret itself, given by mistake.
        raise ConfigurationError(
            f"{option}: cannot read the file ({problem}); name a file that contains the secret"
        ) from None
