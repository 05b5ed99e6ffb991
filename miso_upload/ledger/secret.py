"""The secret of the content keys: 32 random bytes in one file of the state directory."""

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
"""How long another process may take to write the file, where it cannot appear at once."""


def read_secret(state_dir: Path, *, create: bool = True) -> bytes:
    """Return the secret of a state directory.

    Args:
        state_dir: The directory.
        create: Make a secret if there is none. False where a ledger was written with one.

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
            f"{path}: the secret of the content keys cannot be read or written: {error.strerror}. "
            "Nothing was sent. Free some space, check the permissions, or choose another directory "
            "with --state-dir, and rerun the same command"
        ) from None
    if secret is None:
        raise LedgerError(
            f"{path}: the secret of the content keys is missing, and the ledgers beside it are of "
            "no use without it. Restore it from a backup, or copy it from where the ledgers were "
            "copied from ('miso-upload ledger export' takes both along)"
        )
    if len(secret) != SECRET_BYTES:
        raise LedgerError(
            f"{path}: is not the secret of the content keys: it has {len(secret):,} bytes in place "
            f"of {SECRET_BYTES}; restore it from a backup"
        )
    return secret


def secret_fingerprint(secret: bytes) -> str:
    """Return 12 hexadecimal digits that tell whether two secrets are the same."""
    return keyed_digest(secret, _PURPOSE, _CONSTANT, _FINGERPRINT_BYTES).hex()


def _read(path: Path) -> bytes | None:
    """Return what the file holds, of a file that is too long only a part; None if there is none."""
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
    """Write a new secret, unless another process does so first.

    The file appears under its name when it is whole, and never replaces another.
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
        return  # which has no descriptors of directories
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
