"""Selects a run's target by server, name and key.

A target is one environment of Miso. It has one ledger and one lock, no matter how its server is
spelled and which of its keys is used. This module does not read or write files.
"""

from __future__ import annotations

import hashlib
import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from miso_upload.errors import ConfigurationError, NewKeyError, TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

LEDGER_SUFFIX = ".ledger"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_UNNAMED = re.compile("key-[0-9a-f]{12}")
_MAX_SLUG = 80
"""The length of the readable part of a file name; a hash of 12 and `.ledger.lock` follow it."""
_DIFFERS_BY_IDNA = "ßς\u200c\u200d"
"""Python's IDNA 2003 and the IDNA 2008 of requests encode these characters differently."""


def server_identity(url: str) -> str:
    """Return the canonical form of a server's URL: `https://api.askmiso.com/gateway`.

    Raises:
        ConfigurationError: It is not an http(s) URL.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError(
            "--server: give a scheme and a host, as in https://api.askmiso.com"
        )
    host = _host(parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    colon = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown}{colon}{parts.path.rstrip('/')}"


def shown_server(identity: str) -> str:
    """Return a server for messages: its host, and its port and path unless they are defaults."""
    return identity.partition("://")[2]


def _host(host: str) -> str:
    host = host.lower().rstrip(".") or host
    address = _address(host)
    if host == "localhost" or address in _LOOPBACK:
        return "localhost"
    if address is not None:
        return str(address)
    if host.isascii() or any(char in host for char in _DIFFERS_BY_IDNA):
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address of a host, in any notation that can be connected to, such as `127.1`.

    Returns:
        None if the host is a name.
    """
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def key_fingerprint(api_key: str) -> str:
    """Return 48 bits of a key's hash in hexadecimal, from which the key cannot be recovered."""
    return hashlib.sha256(b"miso-upload key\n" + api_key.encode()).hexdigest()[:12]


def key_of_name(name: str) -> frozenset[str]:
    """Return the key fingerprint in the name of an unnamed target; empty for other names."""
    return frozenset({name.removeprefix("key-")} if _UNNAMED.fullmatch(name) else ())


def name_of_key(fingerprint: str) -> str:
    """Return the name of a target that the user did not name."""
    return f"key-{fingerprint}"


def ledger_name(server: str, name: str) -> str:
    """Return the file name of a target's ledger.

    The hash distinguishes targets with the same readable part, such as `a/b` and `a:b`, or `Shop`
    and `shop` on file systems that ignore case.
    """
    text = f"{shown_server(server)}-{name}".lower()
    slug = "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "_"
                   for char in text)  # fmt: skip
    digest = hashlib.sha256(f"{server}\n{name}".encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{slug[:_MAX_SLUG]}-{digest}{LEDGER_SUFFIX}"


class KnownTarget(NamedTuple):
    """A target that has a ledger.

    Attributes:
        server: The server, in the form of `server_identity`.
        name: The name of the target.
        keys: Fingerprints of its keys; version 0.1 did not store them for named targets.
        sent: Whether Miso may have any of its records.
        ledger: The file name of the ledger.
    """

    server: str
    name: str
    keys: frozenset[str]
    sent: bool
    ledger: str

    @property
    def named(self) -> bool:
        """Whether the user named it."""
        return _UNNAMED.fullmatch(self.name) is None

    @property
    def shown(self) -> str:
        """Return its name for messages."""
        return self.name if self.named else f"{self.name} (unnamed)"


class Wanted(NamedTuple):
    """The target that the options and the key ask for.

    Attributes:
        server: The server, in the form of `server_identity`.
        key: The fingerprint of the key; empty without a key.
        target: The name of a known target.
        new_target: The name of a new target.
        rotated_key: Whether the key is a new key of the known target.
    """

    server: str
    key: str
    target: str | None = None
    new_target: str | None = None
    rotated_key: bool = False

    @property
    def name(self) -> str | None:
        """Return the name that the user gave."""
        return self.target or self.new_target


class Choice(NamedTuple):
    """The selected target of a run.

    Attributes:
        name: Its name from now on.
        keys: The fingerprints of its keys from now on.
        known: The target whose ledger it uses; None for a new ledger.
        note: A message for the user; may be empty.
    """

    name: str
    keys: frozenset[str]
    known: KnownTarget | None = None
    note: str = ""


def choose_target(wanted: Wanted, known: Sequence[KnownTarget]) -> Choice:
    """Return the known or new target that a run asks for.

    Raises:
        TargetError: The key does not belong to the target, or belongs to another one.
        NewKeyError: The key is new, the server has targets, and the options name none.
    """
    here = [each for each in known if each.server == wanted.server]
    owner = _owner(wanted.key, here)
    if wanted.name is None:
        return _choose_by_key(wanted, here, owner)
    mine = next((each for each in here if each.name == wanted.name), None)
    if not wanted.key:
        return _choose_without_key(wanted, mine)
    if mine is not None:
        return _choose_known(wanted, mine, owner)
    return _choose_unknown(wanted, here, owner)


def find_target(wanted: Wanted, known: Sequence[KnownTarget]) -> KnownTarget | None:
    """Return the known target that a run would use without asking; None if there is none."""
    here = [each for each in known if each.server == wanted.server]
    if wanted.name is not None:
        mine = next((each for each in here if each.name == wanted.name), None)
        if mine is not None:
            return mine
    owner = _owner(wanted.key, here) if wanted.key else None
    return owner if wanted.name is None or (owner and not owner.named) else None


def _owner(key: str, here: Sequence[KnownTarget]) -> KnownTarget | None:
    """Return the target of a key; if there are several, the one that is named after the key."""
    owners = [each for each in here if key in each.keys]
    return next(
        (each for each in owners if each.name == name_of_key(key)), next(iter(owners), None)
    )


def _is_spare(target: KnownTarget) -> bool:
    """Return whether a target is unused: the user did not name it, and nothing was sent to it.

    A first run with a key that Miso refuses leaves a target like this.
    """
    return not target.named and not target.sent


def _choose_without_key(wanted: Wanted, mine: KnownTarget | None) -> Choice:
    """Return a known target for a run that sends nothing and therefore needs no key."""
    if mine is None:
        raise TargetError(
            f"--target {wanted.name}: {shown_server(wanted.server)} has no target of this name. "
            "Run 'miso-upload status' to list the targets. For a new target, pass its API key with "
            "MISO_API_KEY."
        )
    return Choice(mine.name, mine.keys, mine)


def _choose_by_key(
    wanted: Wanted, here: Sequence[KnownTarget], owner: KnownTarget | None
) -> Choice:
    if owner is not None:
        return Choice(owner.name, owner.keys, owner)
    if all(map(_is_spare, here)):
        return _new(wanted, name_of_key(wanted.key), here)
    others = [each for each in here if not _is_spare(each)]
    server = shown_server(wanted.server)
    names = " or ".join(each.name for each in others)
    if len(others) == 1 and not others[0].named:
        names += ", or a name that you choose for it"
    raise NewKeyError(
        f"This API key is new at {server}. Known targets there: "
        f"{', '.join(each.shown for each in others)}. Nothing was sent. If the key of a target was "
        f"rotated, add --target NAME --rotated-key once, where NAME is {names}. If the key belongs "
        "to another environment, add --new-target NAME.",
        names=[each.name for each in others],
    )


def _choose_known(wanted: Wanted, mine: KnownTarget, owner: KnownTarget | None) -> Choice:
    if wanted.key in mine.keys:
        return Choice(mine.name, mine.keys, mine)
    shown = f"{mine.name} at {shown_server(mine.server)}"
    # A ledger of version 0.1 has no keys, so the unnamed target may be the same environment.
    if owner is not None and not _is_spare(owner) and (owner.named or mine.keys):
        raise _belongs_to(owner, mine.name)
    if not mine.sent:
        return Choice(mine.name, frozenset({wanted.key}), mine)
    if not mine.keys:
        note = f"Saved this API key for {shown}. To use another key later, add --rotated-key once."
        return Choice(mine.name, frozenset({wanted.key}), mine, note)
    if wanted.rotated_key:
        note = f"Saved this API key for {shown}. You do not need --rotated-key again."
        return Choice(mine.name, mine.keys | {wanted.key}, mine, note)
    if wanted.new_target:
        raise TargetError(
            f"--new-target {mine.name}: {shown} exists already, with another API key. Nothing was "
            f"sent. If its key was rotated, use --target {mine.name} --rotated-key once. Otherwise "
            "choose another name."
        )
    raise TargetError(
        f"--target {mine.name}: {shown} was used with another API key before. Nothing was sent. "
        "Check that the key belongs to this environment. If it was rotated, add --rotated-key once."
    )


def _choose_unknown(
    wanted: Wanted, here: Sequence[KnownTarget], owner: KnownTarget | None
) -> Choice:
    name = wanted.name or ""
    others = [each for each in here if not _is_spare(each)]
    if owner is not None and not _is_spare(owner):
        if owner.named or wanted.new_target:
            raise _belongs_to(owner, name)
        return _named_now(owner, name, owner.keys)
    only = others[0] if len(others) == 1 else None
    if wanted.rotated_key and only is not None and not only.named:
        return _named_now(only, name, only.keys | {wanted.key})
    if wanted.rotated_key or (wanted.target and others):
        raise _no_such_target(wanted, name, others)
    return _new(wanted, name, here)


def _new(wanted: Wanted, name: str, here: Sequence[KnownTarget]) -> Choice:
    """Return a new target, which takes over an unused ledger if there is one."""
    spare = next(filter(_is_spare, here), None)
    return Choice(name, frozenset({wanted.key}), spare)


def _named_now(owner: KnownTarget, name: str, keys: frozenset[str]) -> Choice:
    note = (
        f"Renamed the target {owner.name} at {shown_server(owner.server)} to {name}. It keeps its "
        "ledger."
    )
    return Choice(name, keys, owner._replace(), note)


def _belongs_to(owner: KnownTarget, name: str) -> TargetError:
    remedy = (
        f"Use --target {owner.name}, or the key of {name}."
        if owner.named
        else f"Use the key of {name}. To name the target {owner.name}, use --target NAME with an "
        "unused name."
    )
    return TargetError(
        f"This API key belongs to the target {owner.shown} at {shown_server(owner.server)}, not to "
        f"{name}. Nothing was sent. {remedy}"
    )


def _no_such_target(wanted: Wanted, name: str, others: Sequence[KnownTarget]) -> TargetError:
    server = shown_server(wanted.server)
    if not others:
        return TargetError(
            f"--rotated-key: {server} has no target {name} yet, so no key can have been rotated. "
            "Nothing was sent. Leave out --rotated-key for a first upload."
        )
    shown = ", ".join(each.shown for each in others)
    if len(others) == 1 and not others[0].named:
        rotated = f"If you mean {others[0].name} and its key was rotated, add --rotated-key once"
    else:
        rotated = "If you mean one of them and its key was rotated, use --target NAME --rotated-key"
    return TargetError(
        f"--target {name}: {server} has no target of this name, and this API key is new there. "
        f"Known targets: {shown}. Nothing was sent. {rotated}. If {name} is another environment, "
        f"use --new-target {name}."
    )
