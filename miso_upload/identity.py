"""Who did it, when the row has no id: a stable id from the address and the browser.

The recipe, so that any other system can compute the same ids:

    message = canonical IP address, line feed, trimmed User-Agent, all in UTF-8
    id      = SHA-256 of the message, in lower-case hex digits; or, with a salt,
              HMAC-SHA-256 of the message under the salt

A User-Agent that is missing or `-` is empty text, and the line feed stays. When the id is made of
the address alone, the message is the address alone. Trimmed means that ASCII white space (space,
tab, line feed, carriage return, vertical tab, form feed) is gone from both ends.

The address itself is never part of a record, nor of an error message.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Literal, NamedTuple

from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from miso_upload.records import Record

_PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?"
_WITH_PORT = re.compile(rf"\[([0-9A-Fa-f:.]+(?:%[^\]]*)?)\]{_PORT}|([0-9.]+){_PORT}")
"""An address in brackets or an IPv4 address, with a port or the name that hides one (RFC 7239)."""
_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)

_ASCII_SPACE = " \t\n\r\v\f"
_LONGEST_CACHED = 256
_MOST_CACHED = 65_536


class IdentityOutcome(NamedTuple):
    """What became of a record's ids beyond what the record shows.

    Attributes:
        derived: Whether `anonymous_id` was made here; if not, one in the record was given.
        problem: Why no id could be made although one was due; it never quotes the address.
    """

    derived: bool
    problem: str | None = None


_DERIVED = IdentityOutcome(derived=True)
_NOT_DERIVED = IdentityOutcome(derived=False)
_NOT_AN_ADDRESS = IdentityOutcome(derived=False, problem="is not an IP address")


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """When `anonymous_id` is made, and of what.

    Attributes:
        derive: Only where a record has neither id; wherever there is an address; or never.
        source: What the id is made of.
        salt: The key of the HMAC; empty for plain SHA-256.
        trusted_proxies: How many addresses at the right end of a forwarded list are the user's own.

    Raises:
        ConfigurationError: `trusted_proxies` is negative.
    """

    derive: Literal["missing", "always", "never"] = "missing"
    source: Literal["ip", "ip+user-agent"] = "ip+user-agent"
    salt: bytes = field(default=b"", repr=False)
    trusted_proxies: int = 0

    def __post_init__(self) -> None:
        if self.trusted_proxies < 0:
            raise ConfigurationError("--trusted-proxies: there cannot be fewer than 0")

    def apply(self, record: Record, ip: str | None, user_agent: str | None) -> IdentityOutcome:
        """Put into `record` what the address and the browser of its visitor tell.

        That is `anonymous_id` if one is due, and `truncated_ip` and `user_agent` of the context if
        they are not there. The id is made of the `user_agent` given here, or else of the one that
        the record has in its context.
        """
        address = client_address(ip, self.trusted_proxies) if ip is not None else None
        agent = _agent(user_agent)
        context = record.get("context")
        if address is not None or agent:
            if context is None:
                context = {}
            if isinstance(context, dict):
                _complete(context, address, agent)
                if context:
                    record["context"] = context
        if not self._is_due(record):
            return _NOT_DERIVED
        if address is None:
            is_needed = "user_id" not in record and "anonymous_id" not in record
            return _NOT_AN_ADDRESS if is_needed and _is_given(ip) else _NOT_DERIVED
        if not agent and isinstance(context, dict):
            agent = _agent(context.get("user_agent"))
        record["anonymous_id"] = _digest(address, agent if self.source != "ip" else None, self.salt)
        return _DERIVED

    def fingerprint(self) -> str:
        """Return a text that is the same for policies that give the same ids.

        It tells nothing about the salt but whether it is the same.
        """
        salt = hmac.digest(self.salt, b"miso-upload: fingerprint of a salt", "sha256").hex()
        return f"{self.derive} {self.source} {self.trusted_proxies} {salt if self.salt else '-'}"

    def _is_due(self, record: Record) -> bool:
        if self.derive == "missing":
            return "user_id" not in record and "anonymous_id" not in record
        return self.derive == "always"


def canonical_ip(text: str) -> str | None:
    """Return the one spelling of an IP address; None if `text` is none.

    Port, brackets and zone are gone, IPv4 in IPv6 is IPv4, and IPv6 is compressed and lower-case.
    """
    return _canonical_ip(text) if len(text) <= _LONGEST_CACHED else None


def client_address(forwarded: str, trusted_proxies: int) -> str | None:
    """Return the canonical address of the client in `client, proxy, proxy`; None if it has none.

    The client is the entry to the left of the trusted proxies, since anything further left is what
    somebody says of himself; a shorter list gives its first entry. An entry may be an element of
    RFC 7239, such as `for="[2001:db8::1]:4711";proto=http`.
    """
    if len(forwarded) > _LONGEST_CACHED:
        return _client_address.__wrapped__(forwarded, trusted_proxies)
    return _client_address(forwarded, trusted_proxies)


def truncated_ip(address: str) -> str | None:
    """Return an IPv4 address with 0 as its last part; None for IPv6, which Miso has no form for."""
    canonical = canonical_ip(address)
    if canonical is None or ":" in canonical:
        return None
    return canonical[: canonical.rindex(".")] + ".0"


def anonymous_id(address: str, user_agent: str | None, *, salt: bytes = b"") -> str:
    """Return the id of a visitor, which is the same for years and on every machine.

    Without a salt it can be turned back by trying all addresses. The message may hold lone
    surrogates, which JSON can spell and UTF-8 cannot; each becomes the three bytes it would have.

    Args:
        address: A canonical IP address.
        user_agent: None for an id that is made of the address alone.
        salt: The key of the HMAC; empty for plain SHA-256.

    Raises:
        ValueError: `address` is not canonical.
    """
    if canonical_ip(address) != address:
        raise ValueError("the address is not a canonical IP address")
    return _digest(address, user_agent if user_agent is None else _agent(user_agent), salt)


def _digest(address: str, agent: str | None, salt: bytes) -> str:
    message = address if agent is None else f"{address}\n{agent}"
    data = message.encode("utf-8", "surrogatepass")
    if salt:
        return hmac.digest(salt, data, "sha256").hex()
    return hashlib.sha256(data).hexdigest()


def _agent(value: object) -> str:
    """Return a trimmed User-Agent, or the empty text for none; logs write `-` for none."""
    agent = value.strip(_ASCII_SPACE) if isinstance(value, str) else ""
    return "" if agent == "-" else agent


def _is_given(ip: str | None) -> bool:
    return ip is not None and ip.strip() not in {"", "-"}


def _complete(context: dict[str, object], address: str | None, agent: str) -> None:
    if agent and "user_agent" not in context:
        context["user_agent"] = agent
    if address is not None and "truncated_ip" not in context:
        truncated = truncated_ip(address)
        if truncated is not None:
            context["truncated_ip"] = truncated


@lru_cache(maxsize=_MOST_CACHED)
def _client_address(forwarded: str, trusted_proxies: int) -> str | None:
    entries = [entry for entry in map(str.strip, forwarded.split(",")) if entry]
    if not entries:
        return None
    entry = entries[max(len(entries) - 1 - trusted_proxies, 0)]
    if "=" in entry:
        match = _FORWARDED_FOR.search(entry)
        if match is None:
            return None
        entry = match[1] or match[2] or ""
    return canonical_ip(entry)


@lru_cache(maxsize=_MOST_CACHED)
def _canonical_ip(text: str) -> str | None:
    text = text.strip()
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
