"""Exports a ledger and its secret to one file, and imports that file on another machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from miso_upload.errors import ConfigurationError, LedgerError
from miso_upload.ledger import copy_ledger, move_ledger, read_label, repair_ledger
from miso_upload.ledger.lock import Locked
from miso_upload.ledger.secret import FILE_NAME
from miso_upload.ledger.state_directory import (
    known_targets,
    lock_targets,
    refuse_network,
    target_of,
)
from miso_upload.ledger.targets import KnownTarget, ledger_name, server_identity, shown_server
from miso_upload.values.json import JSONDecodeError, decode, encode_pretty
from miso_upload.values.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEDGER, _MANIFEST = "ledger.sqlite", "manifest.json"
_FORMAT = 1
_MAX_MANIFEST_BYTES = 65_536
_COPY_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """The result of an export or import.

    Attributes:
        name: The target's name.
        server: The target's server, for messages.
        secret: Whether the secret is in the archive or in the state directory.
        changed: False if the state directory already had the same ledger.
        replaced: The new path of the ledger that was replaced; None if none was.
    """

    name: str
    server: str
    secret: bool
    changed: bool = True
    replaced: Path | None = None


def export_ledger(
    state_dir: Path, file: Path, *, target: str | None = None, server: str | None = None
) -> ArchiveResult:
    """Write a target's ledger and the secret of its state directory to a new file.

    Raises:
        ConfigurationError: `file` exists, or the options match no target, or several.
        LockedError: A run is using the target.
        LedgerError: The ledger cannot be copied.
    """
    if file.exists():
        raise ConfigurationError(f"{file} exists already. Name another file, or remove it first.")
    found = _find_target(state_dir, target, server)
    path, secret = state_dir / found.ledger, _secret(state_dir)
    with Locked(path), _scratch(file.parent) as scratch:
        copy = scratch / _LEDGER
        copy_ledger(path, copy)
        sums = {_LEDGER: _checksum(copy)}
        if secret is not None:
            (scratch / FILE_NAME).write_bytes(secret)
            sums[FILE_NAME] = _checksum(scratch / FILE_NAME)
        manifest = {
            "format": _FORMAT,
            "miso_upload": __version__,
            "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "server": found.server,
            "target": found.name,
            "sha256": sums,
        }
        (scratch / _MANIFEST).write_bytes(encode_pretty(manifest))
        _write_archive(scratch, file)
    return ArchiveResult(found.name, shown_server(found.server), secret is not None)


def import_ledger(state_dir: Path, file: Path, *, replace: bool = False) -> ArchiveResult:
    """Import an exported ledger, and its secret if the state directory has none yet.

    Args:
        state_dir: The state directory; it is created if it does not exist.
        file: The file that `export_ledger` wrote.
        replace: Whether to replace another ledger of the same target, which is then renamed.

    Raises:
        ConfigurationError: The file is not an export or is damaged; the target has another ledger;
            or the state directory has another secret.
        LockedError: A run is using the target.
        LedgerError: A ledger cannot be read or written.
    """
    refuse_network(state_dir)
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_targets(state_dir), _scratch(state_dir) as scratch:
        _extract(file, scratch)
        found = _verified_target(file, scratch)
        path = state_dir / ledger_name(found.server, found.name)
        secret = _secret_to_import(state_dir, file, scratch)
        existing = _existing_target(state_dir, found, file)
        old = state_dir / existing.ledger if existing else path
        with Locked(path), Locked(old) if old != path else nullcontext():
            same = existing is not None and _is_same(old, scratch)
            if existing is not None and not (same or replace):
                raise _has_another(found, file, old)
            if secret is not None:
                (scratch / FILE_NAME).replace(state_dir / FILE_NAME)
            replaced = None
            if not same:
                replaced = _rename_replaced(old) if existing else None
                (scratch / _LEDGER).replace(path)
        has_secret = (state_dir / FILE_NAME).exists()
    return ArchiveResult(found.name, shown_server(found.server), has_secret, not same, replaced)


def repair(path: Path) -> bool:
    """Make a ledger usable although its `-wal` is lost. Return whether that was needed.

    Raises:
        ConfigurationError: The file does not exist.
        LockedError: A run is using the target.
        LedgerError: The ledger cannot be read or written.
    """
    if not path.is_file():
        raise ConfigurationError(
            f"There is no ledger {path}. Run 'miso-upload status' to list the targets."
        )
    with Locked(path):
        return repair_ledger(path)


def _find_target(state_dir: Path, name: str | None, server: str | None) -> KnownTarget:
    at = server_identity(server) if server else None
    known = known_targets(state_dir)
    found = [each for each in known if name in (None, each.name) and at in (None, each.server)]
    unique = {(each.server, each.name) for each in found}
    if len(unique) == 1:
        return found[0]
    if not known:
        raise ConfigurationError(f"{state_dir} has no ledgers. Check --state-dir.")
    listed = ", ".join(f"{each.name} at {shown_server(each.server)}" for each in known)
    match = "More than one target matches" if unique else "No target matches"
    raise ConfigurationError(
        f"{match} these options. Name one with --target and --server. {state_dir} has these "
        f"targets: {listed}."
    )


def _secret(state_dir: Path) -> bytes | None:
    path = state_dir / FILE_NAME
    try:
        return path.read_bytes() if path.exists() else None
    except OSError as error:
        raise LedgerError(
            f"Cannot read {path} ({error.strerror}). Check its permissions."
        ) from None


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """Yield a private temporary directory in `parent`, so on the same file system."""
    try:
        with tempfile.TemporaryDirectory(prefix=".miso-upload-", dir=parent) as name:
            yield Path(name)
    except OSError as error:
        raise LedgerError(
            f"Cannot use {error.filename or parent} ({error.strerror}). Free some space or fix the "
            "permissions, then rerun the command."
        ) from None


def _write_archive(scratch: Path, file: Path) -> None:
    part = scratch / "export"
    with _new(part) as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name in (_MANIFEST, _LEDGER, FILE_NAME):
                if (scratch / name).exists():
                    archive.add(scratch / name, name, recursive=False, filter=_anonymous)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove the owner of a file from the archive."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _new(path: Path) -> IO[bytes]:
    """Open a new file for writing that only its owner can read."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _extract(file: Path, scratch: Path) -> None:
    """Extract the known members of an export; other names and links are ignored."""
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if member.name in (_MANIFEST, _LEDGER, FILE_NAME) and member.isfile():
                    stream = archive.extractfile(member)
                    if stream is not None:
                        _write(stream, scratch / member.name)
    except (tarfile.TarError, FileExistsError):
        raise _not_an_export(file) from None
    except OSError as error:
        if error.filename == str(file):
            raise ConfigurationError(f"Cannot read {file} ({error.strerror}).") from None
        raise


def _write(stream: IO[bytes], path: Path) -> None:
    with _new(path) as target:
        shutil.copyfileobj(stream, target, _COPY_BYTES)
        target.flush()
        os.fsync(target.fileno())


def _verified_target(file: Path, scratch: Path) -> KnownTarget:
    """Verify the checksums of an extracted export, and return its target."""
    manifest = _manifest(file, scratch)
    for name in (_LEDGER, FILE_NAME):
        path = scratch / name
        known = manifest["sha256"].get(name)
        if (known is None) == path.exists() or (known and _checksum(path) != known):
            raise ConfigurationError(
                f"{file} is damaged: {name} in it is missing or has another checksum. Export the "
                "ledger again."
            )
    if not (scratch / _LEDGER).exists():
        raise _not_an_export(file)
    label = read_label(scratch / _LEDGER)
    target = target_of(label, _LEDGER) if label else None
    if target is None:
        raise _not_an_export(file)
    return target


def _manifest(file: Path, scratch: Path) -> dict[str, Any]:
    path = scratch / _MANIFEST
    if not path.exists() or path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise _not_an_export(file)
    try:
        manifest = decode(path.read_bytes())
    except JSONDecodeError:
        raise _not_an_export(file) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise _not_an_export(file)
    if manifest.get("format") != _FORMAT:
        raise ConfigurationError(
            f"{file} was exported by a newer version of miso-upload. Import it with that version."
        )
    return manifest


def _not_an_export(file: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{file} was not written by 'miso-upload ledger export'. Nothing was changed."
    )


def _secret_to_import(state_dir: Path, file: Path, scratch: Path) -> bytes | None:
    """Return the secret of an export if the state directory has none.

    Raises:
        ConfigurationError: The state directory has another one.
    """
    ours, theirs = _secret(state_dir), _secret(scratch)
    if theirs is None or ours == theirs:
        return None
    if ours is None:
        return theirs
    raise ConfigurationError(
        f"The secret in {file} differs from {state_dir / FILE_NAME}, and the ledgers there need "
        "theirs. Nothing was changed. Import the file into another directory with --state-dir."
    )


def _existing_target(state_dir: Path, found: KnownTarget, file: Path) -> KnownTarget | None:
    """Return the target in the state directory with the name of an imported one; None if new.

    Raises:
        ConfigurationError: A key of the imported target belongs to another target.
    """
    here = [each for each in known_targets(state_dir) if each.server == found.server]
    for other in here:
        if other.name != found.name and other.keys & found.keys:
            raise ConfigurationError(
                f"A key of {found.name} in {file} already belongs to the target {other.shown} in "
                f"{state_dir}. Nothing was changed. Import it into another directory with "
                "--state-dir."
            )
    return next((each for each in here if each.name == found.name), None)


def _is_same(ledger: Path, scratch: Path) -> bool:
    copy_ledger(ledger, scratch / "before")
    return _checksum(scratch / "before") == _checksum(scratch / _LEDGER)


def _has_another(found: KnownTarget, file: Path, ledger: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The target {found.name} at {shown_server(found.server)} already has the ledger {ledger}, "
        f"which differs from the one in {file}. Nothing was changed. Add --replace to use the "
        "imported ledger; the other one is renamed."
    )


def _rename_replaced(path: Path) -> Path:
    """Rename a ledger so that it is not used any more, and return its new path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    renamed = path.with_name(f"{path.name}.replaced-{stamp}")
    if not move_ledger(path, renamed):
        raise LedgerError(
            f"Another program has {path} open. Close that program, then rerun the command."
        )
    return renamed


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
