"""Finds, locks and opens the ledger of a target in the state directory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.errors import ConfigurationError, LedgerError, NewKeyError
from miso_upload.ledger import KEYS, SECRET, Label, Ledger, move_ledger, read_label
from miso_upload.ledger.lock import Locked
from miso_upload.ledger.mounts import network_mount
from miso_upload.ledger.secret import FILE_NAME, read_secret, secret_fingerprint
from miso_upload.ledger.targets import (
    LEDGER_SUFFIX,
    Choice,
    KnownTarget,
    Wanted,
    choose_target,
    find_target,
    key_fingerprint,
    key_of_name,
    ledger_name,
    server_identity,
    shown_server,
)
from miso_upload.values.display import counted
from miso_upload.values.json import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from miso_upload.ledger.options import ResumeOptions

    AskForTarget = Callable[[NewKeyError], str | None]
    """Returns the target whose key was rotated, or the name of a new target; None to stop."""


_TARGETS = "targets"
_PATIENCE = 60.0
"""Seconds to wait for other runs that are choosing their targets, which takes milliseconds."""


class OpenTarget(NamedTuple):
    """The target of a run, with its ledger open and locked.

    Attributes:
        name: The name that the user gave it, or `key-` and a fingerprint.
        ledger: Its ledger.
        notes: Messages for the user, such as that this is the first upload to the target.
    """

    name: str
    ledger: Ledger
    notes: tuple[str, ...]


def open_target(
    options: ResumeOptions,
    server: str,
    api_key: str,
    stack: ExitStack,
    ask: AskForTarget | None = None,
) -> OpenTarget:
    """Find, lock and open the ledger of the target that a run asks for, and store its key.

    Args:
        options: Where the ledgers are, and which target is named.
        server: The URL of the server.
        api_key: Its key; empty for none.
        stack: Closes the ledger and releases the lock.
        ask: Called if a new key may belong to a known target or to a new one.

    Raises:
        ConfigurationError: The state directory is on a network file system.
        TargetError: The key does not belong to the target.
        LockedError: Another run is using the target.
        LedgerError: A ledger cannot be read.
        IncompleteLedgerError: The ledger is a copy without its `-wal`.
    """
    refuse_network(options.state_dir)
    try:
        return _open(options, server, api_key, stack)
    except NewKeyError as error:
        name = ask(error) if ask is not None else None
        if not name:
            raise
        known = name in error.names
    answer = {"target": name, "rotated_key": True} if known else {"new_target": name}
    return _open(options.but(**answer), server, api_key, stack)


def shown_target(options: ResumeOptions, server: str, api_key: str) -> str:
    """Return the name and server of the target that a run would use.

    Raises:
        TargetError: The key does not belong to the target.
        LedgerError: A ledger cannot be read.
    """
    wanted = _wanted(options, server, api_key)
    choice = choose_target(wanted, known_targets(options.state_dir))
    return f"{choice.name} at {shown_server(wanted.server)}"


def existing_ledger(options: ResumeOptions, server: str, api_key: str) -> Path | None:
    """Return the ledger of the target that a run asks for; None if there is none.

    For runs that send nothing: it does not create or lock anything, and does not check the key.
    """
    with suppress(ConfigurationError):
        known = known_targets(options.state_dir, skip_unreadable=True)
        found = find_target(_wanted(options, server, api_key), known)
        return options.state_dir / found.ledger if found else None
    return None


def has_only_other_targets(options: ResumeOptions, server: str, api_key: str) -> bool:
    """Return whether a run without an existing ledger asks for a target, and there are others.

    An upload would stop or ask for the target, so a dry run cannot forecast what it would send.

    Raises:
        ConfigurationError: The server is not a valid URL.
    """
    wanted = _wanted(options, server, api_key)
    if not (wanted.key or wanted.target or wanted.new_target):
        return False
    known = known_targets(options.state_dir, skip_unreadable=True)
    return any(each.server == wanted.server for each in known)


def ledger_file(options: ResumeOptions, server: str, api_key: str) -> Path:
    """Return the path of the target's ledger, which need not exist yet.

    Raises:
        ConfigurationError: The server is not a valid URL.
    """
    wanted = _wanted(options, server, api_key)
    name = wanted.name or f"key-{wanted.key}"
    made = options.state_dir / ledger_name(wanted.server, name)
    return existing_ledger(options, server, api_key) or made


def ledger_paths(state_dir: Path) -> list[Path]:
    """Return the ledgers in a state directory, one for each target, last used first."""
    found = state_dir.glob(f"*{LEDGER_SUFFIX}") if state_dir.is_dir() else ()
    return sorted(found, key=_changed_at, reverse=True)


def _changed_at(path: Path) -> float:
    with suppress(OSError):  # a run may be renaming it
        return path.stat().st_mtime
    return 0.0


def own_files(state_dir: Path) -> list[Path]:
    """Return the files of a state directory, which must never be read as inputs."""
    others = (f"{_TARGETS}.lock", FILE_NAME)
    return [*state_dir.glob(f"*{LEDGER_SUFFIX}*"), *(state_dir / name for name in others)]


def known_targets(state_dir: Path, *, skip_unreadable: bool = False) -> list[KnownTarget]:
    """Return the targets that have a ledger, last used first.

    If a target has several ledgers, for example because of a manual copy, the one with the expected
    file name comes first.

    Raises:
        LedgerError: A ledger cannot be read, so its target is unknown.
    """
    found = list(_known(ledger_paths(state_dir), skip_unreadable=skip_unreadable))
    return sorted(found, key=lambda each: each.ledger != ledger_name(each.server, each.name))


def target_of(label: Label, ledger: str) -> KnownTarget | None:
    """Return the target of a ledger; None if its label names no valid server.

    Args:
        label: The label of the ledger.
        ledger: The file name of the ledger.
    """
    try:
        server = server_identity(label.about.get("server", ""))
    except ConfigurationError:
        return None
    name = label.about.get("target", "")
    noted = label.about.get(KEYS)
    keys = frozenset(decode(noted)) if noted else key_of_name(name)
    return KnownTarget(server, name, keys, label.sent, ledger)


def content_secret(state_dir: Path) -> bytes:
    """Return the secret for content keys of all ledgers in a state directory.

    Raises:
        LedgerError: It is missing, although a ledger was written with one.
    """
    labels = [_label(path) for path in ledger_paths(state_dir)]
    named = any(label is not None and label.about.get(SECRET) for label in labels)
    return read_secret(state_dir, create=not named)


def lock_targets(state_dir: Path) -> Locked:
    """Return the lock to hold while choosing a target, and creating or moving its ledger."""
    return Locked(state_dir / _TARGETS, patience=_PATIENCE)


def refuse_network(state_dir: Path) -> None:
    """Refuse a state directory on a network file system.

    Raises:
        ConfigurationError: It is on a network file system.
    """
    mount = network_mount(state_dir)
    if mount is not None:
        raise ConfigurationError(
            f"The state directory {state_dir} is on a network file system ({mount.type}, mounted "
            f"at {mount.point}), where the ledger's write-ahead log and lock are not safe. Name a "
            "directory on a local disk with --state-dir. To move a ledger there, use 'miso-upload "
            "ledger export' and 'miso-upload ledger import'."
        )


def _known(paths: Iterable[Path], *, skip_unreadable: bool) -> Iterator[KnownTarget]:
    for path in paths:
        try:
            label = read_label(path)
        except LedgerError:
            if skip_unreadable:
                continue
            raise
        target = target_of(label, path.name) if label else None
        if target is not None:
            yield target


def _label(path: Path) -> Label | None:
    with suppress(LedgerError):
        return read_label(path)
    return None


def check_secret(state_dir: Path, ledger: Ledger, secret: bytes) -> None:
    """Check that a ledger was written with this secret.

    Raises:
        LedgerError: It was written with another one.
    """
    found = secret_fingerprint(secret)
    if ledger.about().get(SECRET, found) != found:
        raise LedgerError(
            f"The ledger {ledger.path} was not written with the secret {state_dir / FILE_NAME}"
            ", so miso-upload cannot tell which records Miso has. Nothing was sent. Restore the "
            "secret that belongs to the ledger. To move a ledger together with its secret, use "
            "'miso-upload ledger export' and 'miso-upload ledger import'."
        )


def _wanted(options: ResumeOptions, server: str, api_key: str) -> Wanted:
    return Wanted(
        server_identity(server),
        key_fingerprint(api_key) if api_key else "",
        options.target,
        options.new_target,
        options.rotated_key,
    )


def _open(options: ResumeOptions, server: str, api_key: str, stack: ExitStack) -> OpenTarget:
    wanted = _wanted(options, server, api_key)
    with lock_targets(options.state_dir):
        known = known_targets(options.state_dir)
        choice = choose_target(wanted, known)
        path = _ledger_file(options.state_dir, wanted.server, choice, stack)
        ledger = Ledger(path, {"server": server, "target": choice.name})
        stack.callback(ledger.close)
        about = {"target": choice.name, KEYS: encode(sorted(choice.keys)).decode()}
        secret = read_secret(options.state_dir)
        check_secret(options.state_dir, ledger, secret)
        ledger.begin_work({**about, SECRET: secret_fingerprint(secret)})
    notes = [choice.note, _first(options, wanted, choice), _others(wanted, choice, known)]
    return OpenTarget(choice.name, ledger, tuple(filter(None, notes)))


def _ledger_file(directory: Path, server: str, choice: Choice, stack: ExitStack) -> Path:
    """Lock the ledger of a target, rename it if its name is outdated, and return its path."""
    path = directory / ledger_name(server, choice.name)
    stack.enter_context(Locked(path))
    before = directory / choice.known.ledger if choice.known else path
    if before == path:
        return path
    lock = Locked(before)
    stack.enter_context(lock)
    if not move_ledger(before, path):
        return before
    lock.remove()
    return path


def _first(options: ResumeOptions, wanted: Wanted, choice: Choice) -> str:
    """Return a note if nothing was sent to the target before; else an empty text."""
    server = shown_server(wanted.server)
    to = f"{choice.name} at {server}" if wanted.name else f"{server} with this key"
    if options.remember:
        return "" if choice.known else f"No ledger exists yet for {to}; this run creates it."
    if choice.known is None:
        return f"First upload to {to}: no ledger exists yet in {options.state_dir}."
    if not choice.known.sent:
        return f"First upload to {to}: nothing was sent to it before."
    return ""


def _others(wanted: Wanted, choice: Choice, known: Iterable[KnownTarget]) -> str:
    """Return a note if the target has other ledgers, such as manual copies; else an empty text."""
    if choice.known is None:
        return ""
    names = {choice.known.name, choice.name}
    same = [
        each.ledger
        for each in known
        if each.server == wanted.server and each.name in names and each != choice.known
    ]
    if not same:
        return ""
    count = counted(len(same), "other ledger", "other ledgers")
    return f"Ignoring {count} of this target in the state directory: {', '.join(same)}."
