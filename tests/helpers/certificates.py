"""Creates self-signed certificates, and certificates of a private authority."""

import shutil
import ssl
import subprocess

import pytest


def self_signed(directory):
    """Return a server's side of TLS for localhost, and the file with the certificate to trust."""
    _skip_without_openssl()
    key, certificate = directory / "key", directory / "certificate"
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


def signed_by_private_authority(directory):
    """Return a server's side of TLS for localhost, and the file with its authority to trust."""
    _skip_without_openssl()
    authority, request, leaf = (
        directory / "authority.pem",
        directory / "request",
        directory / "leaf.pem",
    )
    names = directory / "names"
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    for command in (
        ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=private",
         "-keyout", directory / "authority.key", "-out", authority),
        ("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-keyout", directory / "leaf.key", "-out", request),
        ("x509", "-req", "-in", request, "-CA", authority, "-CAkey", directory / "authority.key",
         "-set_serial", "2", "-days", "2", "-extfile", names, "-out", leaf),
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, directory / "leaf.key")
    return context, authority


def _skip_without_openssl():
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
