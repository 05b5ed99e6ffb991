"""Certificates that nobody else has reason to trust."""

import shutil
import ssl
import subprocess

import pytest


def self_signed(place):
    """Return a server's side of TLS for localhost, and the file with the certificate to trust."""
    if shutil.which("openssl") is None:
        pytest.skip("a certificate has to be made, and there is no openssl")
    key, certificate = place / "key", place / "certificate"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
