"""Who did it, when the row has no id: a stable id from the address and the browser.

The recipe, so that any other system can compute the same ids:

    message = canonical IP address, line feed, trimmed User-Agent, all in UTF-8
    id      = SHA-256 of the message, in lower-case hex digits; or, with a salt,
              HMAC-SHA-256 of the message under the salt

A User-Agent that is missing or `-` is empty text, and the line feed stays. When the id is made of
the address alone, the message is the address alone. Trimmed means that ASCII white space (space,
tab, line feed, carriage return, vertical tab, form feed) is gone from both ends. With a prefix for
IPv6, the address in the message is the first of its network of so many bits, canonical and without
the prefix behind it; IPv4 addresses stay.

The address itself is never part of a record, nor of an error message.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.transform.options import IdentityOptions
from miso_upload.values.addresses import (
    WHOLE_ADDRESS,
    canonical_ip,
    client_address,
    network_address,
    proxies,
    truncated_ip,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miso_upload.records import Record
    from miso_upload.values.addresses import Proxies

_ASCII_SPACE = " \t\n\r\v\f"
_LONGEST_CACHED = 256
_MOST_PLACES = 65_536
_MOST_IDS = 16_384


class IdentityOutcome(NamedTuple):
    """The outcome for a record's ids, beyond what the record shows.

    Attributes:
        derived: Whether `anonymous_id` was made here; if not, one in the record was given.
        problem: Why no id could be made although one was due; it never quotes the address.
    """

    derived: bool
    problem: str | None = None


class _Place(NamedTuple):
    """What an address comes to: its network, and its form without the last part, if it has one."""

    network: str
    truncated: str | None


_NOT_AN_ADDRESS = IdentityOutcome(derived=False, problem="is not an IP address")


class IdentityPolicy:
    """Makes `anonymous_id` as the options say; remembers what it has made.

    Args:
        options: When it is made, and from what.

    Raises:
        ConfigurationError: `trusted_proxies` is negative or no network.
    """

    def __init__(self, options: IdentityOptions | None = None) -> None:
        self.options = options = options or IdentityOptions()
        self._trusted: Proxies = proxies(options.trusted_proxies)
        self._places = lru_cache(_MOST_PLACES)(self._place_of)
        self._ids = lru_cache(_MOST_IDS)(partial(_digest, salt=options.anonymous_id_salt))

    def __reduce__(self) -> tuple[Any, ...]:
        # What is remembered stays in its process.
        return IdentityPolicy, (self.options,)

    @property
    def believes_forwarded(self) -> bool:
        """Whether some entries of a forwarded list are passed over."""
        return bool(self._trusted)

    def client(self, ip: str | None, forwarded_for: str | None) -> str | None:
        """Return the canonical address of the visitor; see `client_address`."""
        return client_address(ip, forwarded_for, self._trusted)

    def apply(
        self,
        record: Record,
        ip: str | None,
        user_agent: str | None,
        forwarded_for: str | None = None,
    ) -> IdentityOutcome:
        """Put into `record` what the address and the browser of its visitor tell.

        That is `anonymous_id` if one is due, and `truncated_ip` and `user_agent` of the context if
        they are not there. The id is made of the `user_agent` given here, or else of the one that
        the record has in its context.
        """
        derived, problems = self.apply_all([record], [ip], [user_agent], [forwarded_for])
        if problems:
            return _NOT_AN_ADDRESS
        return IdentityOutcome(derived[0])

    def apply_all(
        self,
        records: Sequence[Record],
        ips: Sequence[str | None],
        user_agents: Sequence[str | None],
        forwarded_fors: Sequence[str | None],
    ) -> tuple[list[bool], list[int]]:
        """Do for each of many records what `apply` does for one.

        Returns:
            For each of them whether its id was derived, and the places of those for which none
            could be made although one was due.
        """
        derived = [False] * len(records)
        problems = []
        ids = self._ids
        derive = self.options.derive_anonymous_id
        is_always, is_missing = derive == "always", derive == "missing"
        places = map(self._finder(ips, forwarded_fors), ips, forwarded_fors)
        # Browsers are few, and visitors come again.
        trimmed = {agent: _agent(agent) for agent in set(user_agents)}
        agents = map(trimmed.__getitem__, user_agents)
        for number, (record, place, agent) in enumerate(zip(records, places, agents, strict=True)):
            if place is not None or agent:
                _complete(record, place, agent)
            is_needed = "user_id" not in record and "anonymous_id" not in record
            if not (is_always or (is_missing and is_needed)):
                continue
            if place is not None:
                record["anonymous_id"] = self._id_of(ids, place.network, agent or _agent_of(record))
                derived[number] = True
            elif is_needed and self._is_told(ips[number], forwarded_fors[number]):
                problems.append(number)
        return derived, problems

    def fingerprint(self) -> str:
        """Return a text that is the same for policies that give the same ids.

        It tells nothing about the salt but whether it is the same.
        """
        options, trusted = self.options, self._trusted
        key = options.anonymous_id_salt
        salt = hmac.digest(key, b"miso-upload: fingerprint of a salt", "sha256").hex()
        own = trusted if isinstance(trusted, int) else ",".join(map(str, trusted))
        prefix = f" /{options.ipv6_prefix}" if options.ipv6_prefix < WHOLE_ADDRESS else ""
        made = f"{options.derive_anonymous_id} {options.anonymous_id_from}"
        return f"{made} {own} {salt if key else '-'}{prefix}"

    def _finder(
        self, ips: Sequence[str | None], forwarded_fors: Sequence[str | None]
    ) -> Callable[[str | None, str | None], _Place | None]:
        """Return what finds the place of an address, and remembers it unless texts are long."""
        texts = filter(None, (*ips, *forwarded_fors))
        is_short = max(map(len, texts), default=0) <= _LONGEST_CACHED
        return self._places if is_short else self._place_of

    def _place_of(self, ip: str | None, forwarded_for: str | None) -> _Place | None:
        address = client_address(ip, forwarded_for, self._trusted)
        if address is None:
            return None
        return _Place(network_address(address, self.options.ipv6_prefix), truncated_ip(address))

    def _id_of(self, ids: Callable[[str, str | None], str], network: str, agent: str) -> str:
        """Return the id of a visitor, with `ids`, which is `_ids`: a look-up for each is slow."""
        if self.options.anonymous_id_from == "ip":
            return ids(network, None)
        if len(agent) <= _LONGEST_CACHED:
            return ids(network, agent)
        return _digest(network, agent, self.options.anonymous_id_salt)

    def _is_told(self, ip: str | None, forwarded_for: str | None) -> bool:
        """Return whether a row says where its visitor is, be it an address or not."""
        return _is_given(ip) or (self.believes_forwarded and _is_given(forwarded_for))


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
    agent = value.strip(_ASCII_SPACE) if type(value) is str else ""
    return "" if agent == "-" else agent


def _is_given(ip: str | None) -> bool:
    return ip is not None and ip.strip() not in {"", "-"}


def _agent_of(record: Record) -> str:
    """Return the browser that a record names itself."""
    context = record.get("context")
    return _agent(context.get("user_agent")) if isinstance(context, dict) else ""


def _complete(record: Record, place: _Place | None, agent: str) -> None:
    """Put into the context of a record what is known of its visitor and is not there."""
    context = record.get("context")
    if context is None:
        context = {}
    if type(context) is dict:
        if agent and "user_agent" not in context:
            context["user_agent"] = agent
        if place is not None and place.truncated and "truncated_ip" not in context:
            context["truncated_ip"] = place.truncated
        if context:
            record["context"] = context
