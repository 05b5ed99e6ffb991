"""Reads and creates the secret for content keys: 32 random bytes in the state directory."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from miso_upload.errors import LedgerError
from miso_upload.values.hashing import keyed_digest

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "content.key"
SECRET_BYTES = 32
_PURPOSE = b"fingerprint"
_CONSTANT = b"miso-upload: fingerprint of the secret of the content keys"
_FINGERPRINT_BYTES = 6
_POLL_SECONDS, _POLLS = 0.05, 40
"""How long to wait for another process that writes the file on a system without hard links."""


def read_secret(state_dir: Path, *, create: bool = True) -> bytes:
    """Return the secret of a state directory.

    Args:
        state_dir: The directory.
        create: Whether to create a secret if there is none; False if a ledger needs the old one.

    Raises:
        LedgerError: The file cannot be read or written, is damaged, or is missing.
    """
    path = state_dir / FILE_NAME
    try:
        secret = _read(path)
        if secret is None and create:
            state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path)
            secret = _read(path)
    except OSError as error:
        raise LedgerError(
            f"Cannot read or write {path}, the secret for content keys ({error.strerror}). Nothing "
            "was sent. Free some space, fix the permissions, or name another directory with "
            "--state-dir, then rerun the same command."
        ) from None
    if secret is None:
        raise LedgerError(
            f"{path}, the secret for content keys, is missing, and the ledgers beside it cannot be "
            "used without it. Restore it from a backup, or copy it from the machine that the "
            "ledgers come from. 'miso-upload ledger export' includes it."
        )
    if len(secret) != SECRET_BYTES:
        raise LedgerError(
            f"{path} is not a secret for content keys: it has {len(secret):,} bytes instead of "
            f"{SECRET_BYTES}. Restore it from a backup."
        )
    return secret


def secret_fingerprint(secret: bytes) -> str:
    """Return a fingerprint of 12 hexadecimal digits, by which secrets are compared."""
    return keyed_digest(secret, _PURPOSE, _CONSTANT, _FINGERPRINT_BYTES).hex()


def _read(path: Path) -> bytes | None:
    """Return the content of the file, or a part of it if it is too long; None if it is missing."""
    secret = b""
    for _ in range(_POLLS):
        try:
            with path.open("rb") as file:
                secret = file.read(SECRET_BYTES * 2)
        except FileNotFoundError:
            return None
        if len(secret) >= SECRET_BYTES:
            break
        time.sleep(_POLL_SECONDS)
    return secret


def _create(path: Path) -> None:
    """Write a new secret, unless another process writes one first.

    The file appears under its name only when it is complete, and never replaces another one.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        _write_new(draft)
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            with suppress(FileExistsError):
                _write_new(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _write_new(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 -- a descriptor
        file.write(secrets.token_bytes(SECRET_BYTES))
        file.flush()
        os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a directory
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
