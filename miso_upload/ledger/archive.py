"""A ledger and the secret of its state directory in one file, to move to another machine."""

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
_MOST_SMALL = 65_536
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Moved:
    """What was exported or imported.

    Attributes:
        name: The target's name.
        server: The target's server, for messages.
        secret: Whether the secret is in the archive.
        changed: False where the same ledger was there already.
        replaced: Where the ledger that was there before is now.
    """

    name: str
    server: str
    secret: bool
    changed: bool = True
    replaced: Path | None = None


def export_ledger(
    state_dir: Path, file: Path, *, target: str | None = None, server: str | None = None
) -> Moved:
    """Write a target's ledger and the secret of its state directory to a new file.

    Raises:
        ConfigurationError: `file` exists, or the options mean no target, or several.
        LockedError: A run is at work on the target.
        LedgerError: The ledger cannot be copied.
    """
    if file.exists():
        raise ConfigurationError(f"{file}: exists already; name another file, or remove it first")
    found = _the_target(state_dir, target, server)
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
        _pack(scratch, file)
    return Moved(found.name, shown_server(found.server), secret is not None)


def import_ledger(state_dir: Path, file: Path, *, replace: bool = False) -> Moved:
    """Put an exported ledger, and the secret if there is none yet, into a state directory.

    Args:
        state_dir: Where to; it is made if it does not exist.
        file: What `export_ledger` wrote.
        replace: Replace another ledger of the same target, which is kept under another name.

    Raises:
        ConfigurationError: The file is no export or is damaged; the target has another ledger; or
            the state directory has another secret.
        LockedError: A run is at work on the target.
        LedgerError: A ledger cannot be read or written.
    """
    refuse_network(state_dir)
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_targets(state_dir), _scratch(state_dir) as scratch:
        _unpack(file, scratch)
        found = _imported(file, scratch)
        path = state_dir / ledger_name(found.server, found.name)
        secret = _secret_to_import(state_dir, file, scratch)
        before = _before(state_dir, found, file)
        old = state_dir / before.ledger if before else path
        with Locked(path), Locked(old) if old != path else nullcontext():
            same = before is not None and _is_same(old, scratch)
            if before is not None and not (same or replace):
                raise _has_another(found, file, old)
            if secret is not None:
                (scratch / FILE_NAME).replace(state_dir / FILE_NAME)
            moved = None
            if not same:
                moved = _put_aside(old) if before else None
                (scratch / _LEDGER).replace(path)
        has_secret = (state_dir / FILE_NAME).exists()
    return Moved(found.name, shown_server(found.server), has_secret, not same, moved)


def repair(path: Path) -> bool:
    """Take a ledger as it is, although its `-wal` is lost. Return whether that was needed.

    Raises:
        ConfigurationError: There is no such file.
        LockedError: A run is at work on the target.
        LedgerError: The ledger cannot be read or written.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such ledger; 'miso-upload status' lists the targets")
    with Locked(path):
        return repair_ledger(path)


def _the_target(state_dir: Path, name: str | None, server: str | None) -> KnownTarget:
    at = server_identity(server) if server else None
    known = known_targets(state_dir)
    found = [each for each in known if name in (None, each.name) and at in (None, each.server)]
    unique = {(each.server, each.name) for each in found}
    if len(unique) == 1:
        return found[0]
    shown = ", ".join(f"{each.name} at {shown_server(each.server)}" for each in known) or "none"
    raise ConfigurationError(
        f"{'several targets' if unique else 'no target'} in {state_dir} for these options; name "
        f"one with --target and --server. Known: {shown}"
    )


def _secret(state_dir: Path) -> bytes | None:
    path = state_dir / FILE_NAME
    try:
        return path.read_bytes() if path.exists() else None
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read ({error.strerror})") from None


@contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """Give a directory of the owner's on the same file system, which is gone afterwards."""
    try:
        with tempfile.TemporaryDirectory(prefix=".miso-upload-", dir=beside) as name:
            yield Path(name)
    except OSError as error:
        raise LedgerError(
            f"{error.filename or beside}: cannot be used ({error.strerror}); free some space or "
            "fix the permissions, and run the same command again"
        ) from None


def _pack(scratch: Path, file: Path) -> None:
    part = scratch / "export"
    with _new(part) as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name in (_MANIFEST, _LEDGER, FILE_NAME):
                if (scratch / name).exists():
                    archive.add(scratch / name, name, recursive=False, filter=_nobodys)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who made the archive."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _new(path: Path) -> IO[bytes]:
    """Open a new file of the owner's for writing."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _unpack(file: Path, scratch: Path) -> None:
    """Write the members of an export to files; no other name, and no link, is followed."""
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
            raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from None
        raise


def _write(stream: IO[bytes], path: Path) -> None:
    with _new(path) as target:
        shutil.copyfileobj(stream, target, _PIECE)
        target.flush()
        os.fsync(target.fileno())


def _imported(file: Path, scratch: Path) -> KnownTarget:
    """Return the target of an extracted export, after its checksums were verified."""
    manifest = _manifest(file, scratch)
    for name in (_LEDGER, FILE_NAME):
        path = scratch / name
        known = manifest["sha256"].get(name)
        if (known is None) == path.exists() or (known and _checksum(path) != known):
            raise ConfigurationError(
                f"{file}: {name} in it is damaged or missing (its checksum differs); export again"
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
    if not path.exists() or path.stat().st_size > _MOST_SMALL:
        raise _not_an_export(file)
    try:
        manifest = decode(path.read_bytes())
    except JSONDecodeError:
        raise _not_an_export(file) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise _not_an_export(file)
    if manifest.get("format") != _FORMAT:
        raise ConfigurationError(f"{file}: was exported by a newer miso-upload; use that one")
    return manifest


def _not_an_export(file: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{file}: is not what 'miso-upload ledger export' writes; nothing was changed"
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
        f"{file}: its secret is not the one in {state_dir / FILE_NAME}, which the ledgers there "
        "were made with; nothing was changed. Import it into a state directory of its own with "
        "--state-dir"
    )


def _before(state_dir: Path, found: KnownTarget, file: Path) -> KnownTarget | None:
    """Return the ledger that the target has already, if it has one.

    Raises:
        ConfigurationError: Another target knows a key of this one.
    """
    here = [each for each in known_targets(state_dir) if each.server == found.server]
    for other in here:
        if other.name != found.name and other.keys & found.keys:
            raise ConfigurationError(
                f"{file}: a key of {found.name} belongs to the target {other.shown} in "
                f"{state_dir} already; nothing was changed"
            )
    return next((each for each in here if each.name == found.name), None)


def _is_same(ledger: Path, scratch: Path) -> bool:
    copy_ledger(ledger, scratch / "before")
    return _checksum(scratch / "before") == _checksum(scratch / _LEDGER)


def _has_another(found: KnownTarget, file: Path, ledger: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{file}: {found.name} at {shown_server(found.server)} has another ledger already, "
        f"{ledger}; nothing was changed. --replace puts this one in its place and keeps that one "
        "under another name"
    )


def _put_aside(path: Path) -> Path:
    """Give a ledger a name under which it is not found, and return that."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.name}.replaced-{stamp}")
    if not move_ledger(path, aside):
        raise LedgerError(f"{path}: another program has it open; end that one and try again")
    return aside


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
