"""IP addresses in the many spellings of logs: the canonical one, the client's, the network's.

No address is ever part of a message.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

from miso_upload.errors import ConfigurationError

Proxies: TypeAlias = "int | tuple[IPv4Network | IPv6Network, ...]"
"""The user's own addresses at the right end of a forwarded list: how many, or in which networks."""

WHOLE_ADDRESS = 128
"""The length of an IPv6 address in bits: a prefix of so many changes nothing."""

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
"""How most logs write most addresses, which is canonical already."""
_PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?"
_WITH_PORT = re.compile(rf"\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\]{_PORT}|([0-9.]+){_PORT}")
"""An address in brackets or an IPv4 address, with a port or the name that hides one (RFC 7239)."""
_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)
_NOTHING = frozenset({"", "-"})
_LONGEST = 256
"""No address is longer."""


@lru_cache(maxsize=64)
def proxies(said: int | str) -> Proxies:
    """Return the proxies that `--trusted-proxies` names: a number, or networks between commas.

    Raises:
        ConfigurationError: It is neither.
    """
    text = str(said).strip()
    if re.fullmatch(r"-?[0-9]+", text):
        if int(text) < 0:
            raise ConfigurationError("--trusted-proxies: there cannot be fewer than 0")
        return int(text)
    try:
        networks = {ip_network(part.strip()) for part in text.split(",") if part.strip()}
    except ValueError:
        networks = set()
    if not networks:
        raise ConfigurationError(
            "--trusted-proxies: say how many of your own addresses stand at the right end of a "
            "forwarded list, or which networks they are in, as in 10.0.0.0/8,2001:db8::/32 (no "
            "bits may be set behind the prefix)"
        )
    return tuple(sorted(networks, key=lambda each: (each.version, each)))


def canonical_ip(text: str) -> str | None:
    """Return the one spelling of an IP address; None if `text` is none.

    Port, brackets and zone are gone, IPv4 in IPv6 is IPv4, and IPv6 is compressed and lower-case.
    """
    if len(text) > _LONGEST:
        return None
    text = text.strip()
    if _PLAIN_IPV4.fullmatch(text):
        return text
    return _canonical_ip(text)


def client_address(ip: str | None, forwarded_for: str | None, trusted: Proxies) -> str | None:
    """Return the canonical address of the client; None if there is none that can be told.

    `ip` is the address that connected, or a whole list `client, proxy, proxy` of those that did.
    `forwarded_for` is what the one that connected said about those before it; it is believed only
    where there are trusted proxies, and then the list is `forwarded_for`, and behind it `ip`.

    Of a list, so many entries at its right end are passed over as there are trusted proxies, or all
    that are in the trusted networks. The client is the next one: anything further left is what
    somebody says of himself. Where all entries are trusted, it is the first. An entry may be an
    element of RFC 7239, such as `for="[2001:db8::1]:4711";proto=http`.
    """
    chain = ip if ip is not None and ip.strip() not in _NOTHING else None
    if trusted and forwarded_for is not None and forwarded_for.strip() not in _NOTHING:
        chain = forwarded_for if chain is None else f"{forwarded_for}, {chain}"
    if chain is None or _PLAIN_IPV4.fullmatch(chain):
        return chain
    return _client_of(chain, trusted)


def network_address(address: str, prefix: int) -> str:
    """Return the first address of the network of `prefix` bits that an IPv6 address is in.

    An IPv4 address is returned as it is.

    Args:
        address: A canonical address.
        prefix: From 1 to 128; 64 is what a household is usually given.
    """
    if prefix >= WHOLE_ADDRESS or ":" not in address:
        return address
    return str(IPv6Network((address, prefix), strict=False).network_address)


def truncated_ip(address: str) -> str | None:
    """Return an IPv4 address with 0 as its last part; None for IPv6, which Miso has no form for."""
    canonical = canonical_ip(address)
    if canonical is None or ":" in canonical:
        return None
    return canonical[: canonical.rindex(".")] + ".0"


def _client_of(chain: str, trusted: Proxies) -> str | None:
    entries = [entry for entry in map(str.strip, chain.split(",")) if entry]
    if not entries:
        return None
    if isinstance(trusted, int):
        return _address_of(entries[max(len(entries) - 1 - trusted, 0)])
    address = None
    for entry in reversed(entries):
        address = _address_of(entry)
        if address is None or not _is_in(address, trusted):
            break
    return address


def _address_of(entry: str) -> str | None:
    if "=" in entry:
        match = _FORWARDED_FOR.search(entry)
        if match is None:
            return None
        entry = match[1] or match[2] or ""
    return canonical_ip(entry)


def _is_in(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    parsed = ip_address(address)
    return any(parsed in network for network in networks)


def _canonical_ip(text: str) -> str | None:
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match[1] or match[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Address(int(address)))
