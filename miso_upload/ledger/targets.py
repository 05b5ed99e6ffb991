"""Which target a run means: the server's one spelling, the target's name, and the keys it knows.

A target is one environment of Miso. It has one ledger and one lock, however its server is spelled
and whichever of its keys is used. Nothing here reads or writes a file.
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
_MOST_SLUG = 80
"""Characters of a file name that are for people; a hash of 12 follows, and `.ledger.lock`."""
_DIFFERS_BY_IDNA = "ßς\u200c\u200d"
"""IDNA 2003, which Python has, and IDNA 2008, which requests uses, encode these differently."""


def server_identity(url: str) -> str:
    """Return the one spelling of a server's URL: `https://api.askmiso.com/gateway`.

    Raises:
        ConfigurationError: It is no http(s) URL.
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
    """Return a server for messages: its host, and its port and path if they are not the usual."""
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
    """Return the address that a host is, in any spelling that connects: `127.1` too."""
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
    """Return 48 bits of a key's hash in hexadecimal: no random key can be found from them."""
    return hashlib.sha256(b"miso-upload key\n" + api_key.encode()).hexdigest()[:12]


def key_of_name(name: str) -> frozenset[str]:
    """Return the fingerprint that a target without a name of its own is called after, if it is."""
    return frozenset({name.removeprefix("key-")} if _UNNAMED.fullmatch(name) else ())


def name_of_key(fingerprint: str) -> str:
    """Return the name of a target that was given none."""
    return f"key-{fingerprint}"


def ledger_name(server: str, name: str) -> str:
    """Return the file name of a target's ledger.

    The hash tells apart what the readable part does not, such as `a/b` and `a:b`, or `Shop` and
    `shop` where file names have no case.
    """
    text = f"{shown_server(server)}-{name}".lower()
    slug = "".join(char if char.isascii() and (char.isalnum() or char in ".-") else "_"
                   for char in text)  # fmt: skip
    digest = hashlib.sha256(f"{server}\n{name}".encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{slug[:_MOST_SLUG]}-{digest}{LEDGER_SUFFIX}"


class KnownTarget(NamedTuple):
    """A target of which a ledger exists.

    Attributes:
        server: As `server_identity` spells it.
        keys: Fingerprints of its keys; version 0.1 noted none of targets with a name.
        sent: Whether Miso may have anything of it.
        ledger: The name of the ledger's file.
    """

    server: str
    name: str
    keys: frozenset[str]
    sent: bool
    ledger: str

    @property
    def named(self) -> bool:
        """Whether the user gave it its name."""
        return _UNNAMED.fullmatch(self.name) is None

    @property
    def shown(self) -> str:
        """Return it for messages."""
        return self.name if self.named else f"{self.name} (without a name of its own)"


class Wanted(NamedTuple):
    """What the options and the key say about the target.

    Attributes:
        server: As `server_identity` spells it.
        key: The fingerprint of the key; empty without a key.
        target: The name of a known target.
        new_target: The name of a new one.
        rotated_key: Whether the key is another one of the known target.
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
    """The target of a run.

    Attributes:
        name: What it is called from now on.
        keys: The fingerprints that it knows from now on.
        known: The target whose ledger it uses; None if it gets a new one.
        note: What the user should know about that; may be empty.
    """

    name: str
    keys: frozenset[str]
    known: KnownTarget | None = None
    note: str = ""


def choose_target(wanted: Wanted, known: Sequence[KnownTarget]) -> Choice:
    """Return the target that a run means, of those that are known or a new one.

    Raises:
        TargetError: The key is not one of the target's, or is one of another target.
        NewKeyError: The key is new on a server that is known, and no target is named.
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
    """Return the known target that a run would use if it asked no questions; None if there is none.

    An empty `wanted.key` is no key.
    """
    here = [each for each in known if each.server == wanted.server]
    if wanted.name is not None:
        mine = next((each for each in here if each.name == wanted.name), None)
        if mine is not None:
            return mine
    owner = _owner(wanted.key, here) if wanted.key else None
    return owner if wanted.name is None or (owner and not owner.named) else None


def _owner(key: str, here: Sequence[KnownTarget]) -> KnownTarget | None:
    """Return the target that knows a key; the one that is called after it, if there are several."""
    owners = [each for each in here if key in each.keys]
    return next(
        (each for each in owners if each.name == name_of_key(key)), next(iter(owners), None)
    )


def _is_spare(target: KnownTarget) -> bool:
    """Whether nobody would miss a target: it has no name, and Miso took nothing of it.

    Such is left by a first run with a key that Miso refused.
    """
    return not target.named and not target.sent


def _choose_without_key(wanted: Wanted, mine: KnownTarget | None) -> Choice:
    """Return a known target for a run that sends nothing, and so needs no key."""
    if mine is None:
        raise TargetError(
            f"--target {wanted.name}: there is no such target at {shown_server(wanted.server)}. "
            "'miso-upload status' lists the targets; a new one needs its API key (MISO_API_KEY)"
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
        names += ", or a name that you give it"
    raise NewKeyError(
        f"this key is new at {server}, where uploads were made before to "
        f"{', '.join(each.shown for each in others)}. Nothing was sent. If a key was rotated, add "
        f"--target NAME --rotated-key, once, where NAME is {names}. If the key belongs to another "
        "environment, add --new-target NAME",
        names=[each.name for each in others],
    )


def _choose_known(wanted: Wanted, mine: KnownTarget, owner: KnownTarget | None) -> Choice:
    if wanted.key in mine.keys:
        return Choice(mine.name, mine.keys, mine)
    shown = f"{mine.name} at {shown_server(mine.server)}"
    # A ledger of version 0.1 knows no keys: then the target without a name may have had the same.
    if owner is not None and not _is_spare(owner) and (owner.named or mine.keys):
        raise _belongs_to(owner, mine.name)
    if not mine.sent:
        return Choice(mine.name, frozenset({wanted.key}), mine)
    if not mine.keys:
        note = f"This key is noted for {shown}; another one will need --rotated-key."
        return Choice(mine.name, frozenset({wanted.key}), mine, note)
    if wanted.rotated_key:
        note = f"This key is noted for {shown}; --rotated-key is not needed again."
        return Choice(mine.name, mine.keys | {wanted.key}, mine, note)
    if wanted.new_target:
        raise TargetError(
            f"--new-target {mine.name}: {shown} exists already and does not know this key. "
            f"Nothing was sent. If its key was rotated: --target {mine.name} --rotated-key, "
            "once; otherwise choose another name"
        )
    raise TargetError(
        f"--target {mine.name}: {shown} does not know this key. Nothing was sent. Check that it "
        "is the key of this environment; if it was rotated, add --rotated-key, once"
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
    """Return a target that is new; it may use a ledger of which nothing was sent."""
    spare = next(filter(_is_spare, here), None)
    return Choice(name, frozenset({wanted.key}), spare)


def _named_now(owner: KnownTarget, name: str, keys: frozenset[str]) -> Choice:
    note = (
        f"The target {owner.name} at {shown_server(owner.server)} is called {name} from now on; "
        "its ledger is kept."
    )
    return Choice(name, keys, owner._replace(), note)


def _belongs_to(owner: KnownTarget, name: str) -> TargetError:
    way = (
        f"use --target {owner.name}, or the key of {name}"
        if owner.named
        else "--target NAME, with a name that is not in use yet, names that target; otherwise use "
        f"the key of {name}"
    )
    return TargetError(
        f"this key belongs to the target {owner.shown} at {shown_server(owner.server)}, and not "
        f"to {name}. Nothing was sent; {way}"
    )


def _no_such_target(wanted: Wanted, name: str, others: Sequence[KnownTarget]) -> TargetError:
    server = shown_server(wanted.server)
    if not others:
        return TargetError(
            f"--rotated-key: no ledger of {name} at {server} exists, so no key of it is known. "
            "Nothing was sent; leave --rotated-key out for a first upload"
        )
    only = others[0] if len(others) == 1 and not others[0].named else None
    rotated = f"{name} is a name for {only.name}" if only else "one of these is meant"
    target = name if only else "NAME"
    return TargetError(
        f"--target {name}: there is no such target at {server}, and this key is new. Uploads were "
        f"made before to {', '.join(each.shown for each in others)}. Nothing was sent. If "
        f"{rotated} and its key was rotated, add --target {target} --rotated-key, once. If {name} "
        f"is another environment, add --new-target {name}"
    )
