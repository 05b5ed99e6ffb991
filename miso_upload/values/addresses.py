"""Finds the client's IP address in a log's forwarded list, and puts addresses into canonical form.

Messages never contain an address: `redaction` hides them.
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
"""The trusted proxies at the right end of a forwarded list: their number, or their networks."""

WHOLE_ADDRESS = 128
"""The length of an IPv6 address in bits; a prefix of this length is the whole address."""

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
"""The form of most addresses in most logs, which is canonical already."""
_PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?"
_WITH_PORT = re.compile(rf"\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\]{_PORT}|([0-9.]+){_PORT}")
"""An address in brackets or an IPv4 address, with a port or the name that hides one (RFC 7239)."""
_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"localhost|(?:{_LABEL}\.)+(?=[^.]*[a-z])[a-z0-9-]{{2,63}}")
_EMPTY = frozenset({"", "-"})
_LONGEST = 256
"""No address is longer."""


@lru_cache(maxsize=64)
def proxies(option: int | str) -> Proxies:
    """Return the value of `--trusted-proxies`: a number, or comma-separated networks.

    Raises:
        ConfigurationError: The value is neither.
    """
    text = str(option).strip()
    if re.fullmatch(r"-?[0-9]+", text):
        if int(text) < 0:
            raise ConfigurationError(
                "--trusted-proxies: the number of proxies cannot be negative; use 0 or more"
            )
        return int(text)
    try:
        networks = {ip_network(part.strip()) for part in text.split(",") if part.strip()}
    except ValueError:
        networks = set()
    if not networks:
        raise ConfigurationError(
            "--trusted-proxies: the value is neither a number nor a list of networks; give the "
            "number of your own proxies, or their networks, "
            "such as 10.0.0.0/8,2001:db8::/32 (all bits after the prefix must be zero)"
        )
    return tuple(sorted(networks, key=lambda each: (each.version, each)))


def canonical_ip(text: str) -> str | None:
    """Return the canonical form of an IP address; None if `text` is not an address.

    The canonical form has no port, brackets or zone. An IPv4-mapped IPv6 address is returned as
    IPv4, and IPv6 is compressed and lower-case.
    """
    if len(text) > _LONGEST:
        return None
    text = text.strip()
    if _PLAIN_IPV4.fullmatch(text):
        return text
    return _canonical_ip(text)


def host_name(text: str | None) -> str | None:
    """Return a host name in lower case; None if `text` is not a host name with a dot."""
    if text is None or len(text) > _LONGEST:
        return None
    name = text.strip().rstrip(".").lower()
    return name if _HOST_NAME.fullmatch(name) else None


def client_address(ip: str | None, forwarded_for: str | None, trusted: Proxies) -> str | None:
    """Return the canonical address of the client; None if it cannot be determined.

    `ip` is the address that connected, or a forwarded list `client, proxy, proxy`.
    `forwarded_for` is the list that the connecting address sent. It is used only if there are
    trusted proxies; the list is then `forwarded_for` followed by `ip`.

    Trusted entries are skipped from the right end of the list: as many as there are trusted
    proxies, or all in the trusted networks. The next entry is the client, because anyone can
    forge the entries left of it. If all entries are trusted, the client is the first one. An
    entry may be an element of RFC 7239, such as `for="[2001:db8::1]:4711";proto=http`.
    """
    chain = ip if ip is not None and ip.strip() not in _EMPTY else None
    if trusted and forwarded_for is not None and forwarded_for.strip() not in _EMPTY:
        chain = forwarded_for if chain is None else f"{forwarded_for}, {chain}"
    if chain is None or _PLAIN_IPV4.fullmatch(chain):
        return chain
    return _client_of(chain, trusted)


def network_address(address: str, prefix: int) -> str:
    """Return the first address of the `prefix`-bit network that contains an IPv6 address.

    An IPv4 address is returned unchanged.

    Args:
        address: A canonical address.
        prefix: From 1 to 128; providers usually give a household 64.
    """
    if prefix >= WHOLE_ADDRESS or ":" not in address:
        return address
    return str(IPv6Network((address, prefix), strict=False).network_address)


def truncated_ip(address: str) -> str | None:
    """Return an IPv4 address with its last part set to 0; None for IPv6, which Miso cannot take."""
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
