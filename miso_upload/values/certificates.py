"""Finds the certificate authorities that the user trusts for uploads and remote inputs.

The first of `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `SSL_CERT_FILE` that is set names a file of
certificates in PEM format, or a directory of these files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from miso_upload.errors import ConfigurationError

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_MARK = b"-----BEGIN CERTIFICATE-----"


class Authorities(NamedTuple):
    """The path of the certificates, and the variable that names it."""

    variable: str
    path: str

    def text(self) -> bytes:
        """Return the concatenated certificates in PEM format.

        Raises:
            ConfigurationError: The certificates cannot be read, or there are none.
        """
        path = Path(self.path)
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            texts = [file.read_bytes() for file in files if file.is_file() or file == path]
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(
                f"{self.variable}: {self.path} cannot be read ({problem}); set the variable to a "
                "file of certificates in PEM format"
            ) from None
        found = b"\n".join(text for text in texts if _MARK in text)
        if not found:
            raise ConfigurationError(
                f"{self.variable}: {self.path} contains no certificate in PEM format; set the "
                "variable to a file that does, or unset it"
            )
        return found


def trusted_authorities() -> Authorities | None:
    """Return the authorities that the environment names; None if the built-in ones apply."""
    for variable in VARIABLES:
        path = os.environ.get(variable)
        if path:
            return Authorities(variable, path)
    return None
