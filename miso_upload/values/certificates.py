"""Certificate authorities that the user trusts: one setting for uploads and remote inputs.

Of `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `SSL_CERT_FILE`, the first that is set names a file of
certificates in PEM format, or a directory of such files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from miso_upload.errors import ConfigurationError

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_MARK = b"-----BEGIN CERTIFICATE-----"


class Authorities(NamedTuple):
    """Which variable names the certificates, and where they are."""

    variable: str
    path: str

    def text(self) -> bytes:
        """Return the certificates in PEM format, one after the other.

        Raises:
            ConfigurationError: They cannot be read, or there are none.
        """
        path = Path(self.path)
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            texts = [file.read_bytes() for file in files if file.is_file() or file == path]
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(
                f"{self.variable}: {self.path} cannot be read ({problem}); name a file of "
                "certificates in PEM format"
            ) from None
        found = b"\n".join(text for text in texts if _MARK in text)
        if not found:
            raise ConfigurationError(
                f"{self.variable}: {self.path} holds no certificate in PEM format; name a file "
                "that does, or unset the variable"
            )
        return found


def trusted_authorities() -> Authorities | None:
    """Return what the environment names, or None where the built-in authorities are to do."""
    for variable in VARIABLES:
        path = os.environ.get(variable)
        if path:
            return Authorities(variable, path)
    return None
