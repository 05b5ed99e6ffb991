"""Derives `anonymous_id` from the visitor's address and browser, if a row has no id.

Any other system can compute the same ids:

    message = canonical IP address, line feed, trimmed User-Agent, all in UTF-8
    id      = SHA-256 of the message, in lower-case hex digits; or, with a salt,
              HMAC-SHA-256 of the message under the salt

A User-Agent that is missing or `-` counts as empty text, and the line feed stays. If the id is made
of the address alone, the message is the address alone. Trimming removes ASCII white space (space,
tab, line feed, carriage return, vertical tab, form feed) from both ends. With an IPv6 prefix, the
address in the message is the first address of its network, canonical and without the prefix length.
IPv4 addresses stay. With `--id-from-host-names`, a host name in place of the address is used
in lower case.

The address itself is never part of a record or of an error message.
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
    host_name,
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
_MOST_ADDRESSES = 65_536
_MOST_IDS = 16_384


class IdentityOutcome(NamedTuple):
    """The outcome for a record's ids, beyond what the record shows.

    Attributes:
        derived: Whether `anonymous_id` was derived. If not, the row had it or it has none.
        problem: Why a required id could not be derived. It never quotes the address.
    """

    derived: bool
    problem: str | None = None


class _Location(NamedTuple):
    """What is derived from an address.

    Attributes:
        network: The address of its network, for the id.
        truncated: The address without its last part; None if it has no such form.
    """

    network: str
    truncated: str | None


_NOT_AN_ADDRESS = IdentityOutcome(derived=False, problem="is not an IP address")
_IS_A_HOST_NAME = IdentityOutcome(
    derived=False,
    problem="is a host name and not an IP address. Possible fixes: log addresses (Apache: %a, or "
    "HostnameLookups Off); or --id-from-host-names",
)


class IdentityPolicy:
    """Derives `anonymous_id` by the options of the user, and caches the results.

    Args:
        options: When to derive it, and from what.

    Raises:
        ConfigurationError: `trusted_proxies` is negative or not a network.
    """

    def __init__(self, options: IdentityOptions | None = None) -> None:
        self.options = options = options or IdentityOptions()
        self._trusted: Proxies = proxies(options.trusted_proxies)
        self._locations = lru_cache(_MOST_ADDRESSES)(self._location_of)
        self._ids = lru_cache(_MOST_IDS)(partial(_digest, salt=options.anonymous_id_salt))

    def __reduce__(self) -> tuple[Any, ...]:
        # Caches are not pickled.
        return IdentityPolicy, (self.options,)

    @property
    def believes_forwarded(self) -> bool:
        """Whether the user trusts proxies, so that forwarded lists count."""
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
        """Add to `record` what can be derived from its visitor's address and browser.

        This is `anonymous_id` if it is required, and `truncated_ip` and `user_agent` of the context
        if they are missing. The id is made from `user_agent`, or else from the one in the context.
        """
        derived, problems = self.apply_all([record], [ip], [user_agent], [forwarded_for])
        if problems:
            return _IS_A_HOST_NAME if host_name(ip) else _NOT_AN_ADDRESS
        return IdentityOutcome(derived[0])

    def apply_all(
        self,
        records: Sequence[Record],
        ips: Sequence[str | None],
        user_agents: Sequence[str | None],
        forwarded_fors: Sequence[str | None],
    ) -> tuple[list[bool], list[int]]:
        """Do for many records what `apply` does for one.

        Returns:
            For each record whether its id was derived, and the indices of the records whose
            required id could not be derived.
        """
        derived = [False] * len(records)
        problems = []
        ids = self._ids
        derive = self.options.derive_anonymous_id
        is_always, is_missing = derive == "always", derive == "missing"
        locations = map(self._locator(ips, forwarded_fors), ips, forwarded_fors)
        # There are few browsers, and visitors return.
        trimmed = {agent: _agent(agent) for agent in set(user_agents)}
        agents = map(trimmed.__getitem__, user_agents)
        for i, (record, location, agent) in enumerate(zip(records, locations, agents, strict=True)):
            if location is not None or agent:
                _complete(record, location, agent)
            is_required = "user_id" not in record and "anonymous_id" not in record
            if not (is_always or (is_missing and is_required)):
                continue
            if location is not None:
                record["anonymous_id"] = self._id_of(
                    ids, location.network, agent or _agent_of(record)
                )
                derived[i] = True
            elif is_required and self._has_address(ips[i], forwarded_fors[i]):
                problems.append(i)
        return derived, problems

    def fingerprint(self) -> str:
        """Return a text that is equal for policies that derive the same ids.

        It reveals only whether two salts are the same.
        """
        options, trusted = self.options, self._trusted
        key = options.anonymous_id_salt
        salt = hmac.digest(key, b"miso-upload: fingerprint of a salt", "sha256").hex()
        own = trusted if isinstance(trusted, int) else ",".join(map(str, trusted))
        prefix = f" /{options.ipv6_prefix}" if options.ipv6_prefix < WHOLE_ADDRESS else ""
        made = f"{options.derive_anonymous_id} {options.anonymous_id_from}"
        names = " names" if options.id_from_host_names else ""
        return f"{made} {own} {salt if key else '-'}{prefix}{names}"

    def _locator(
        self, ips: Sequence[str | None], forwarded_fors: Sequence[str | None]
    ) -> Callable[[str | None, str | None], _Location | None]:
        """Return the function that locates an address, cached unless texts are long."""
        texts = filter(None, (*ips, *forwarded_fors))
        is_short = max(map(len, texts), default=0) <= _LONGEST_CACHED
        return self._locations if is_short else self._location_of

    def _location_of(self, ip: str | None, forwarded_for: str | None) -> _Location | None:
        address = client_address(ip, forwarded_for, self._trusted)
        if address is None:
            name = host_name(ip) if self.options.id_from_host_names else None
            return _Location(name, None) if name else None
        return _Location(network_address(address, self.options.ipv6_prefix), truncated_ip(address))

    def _id_of(self, ids: Callable[[str, str | None], str], network: str, agent: str) -> str:
        """Return the id of a visitor. `ids` is `self._ids`, because a look-up for each is slow."""
        if self.options.anonymous_id_from == "ip":
            return ids(network, None)
        if len(agent) <= _LONGEST_CACHED:
            return ids(network, agent)
        return _digest(network, agent, self.options.anonymous_id_salt)

    def _has_address(self, ip: str | None, forwarded_for: str | None) -> bool:
        """Return whether a row has a value for the address, valid or not."""
        return _is_given(ip) or (self.believes_forwarded and _is_given(forwarded_for))


def anonymous_id(address: str, user_agent: str | None, *, salt: bytes = b"") -> str:
    """Return the id of a visitor, which is the same for years and on every machine.

    Without a salt, the address can be found by trying all addresses. The message may hold lone
    surrogates, which JSON can write and UTF-8 cannot. Each is encoded as the three bytes that it
    would have.

    Args:
        address: A canonical IP address.
        user_agent: The browser; None for an id made from the address alone.
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
    """Return a trimmed User-Agent, or empty text for none, which logs write as `-`."""
    agent = value.strip(_ASCII_SPACE) if type(value) is str else ""
    return "" if agent == "-" else agent


def _is_given(ip: str | None) -> bool:
    return ip is not None and ip.strip() not in {"", "-"}


def _agent_of(record: Record) -> str:
    """Return the User-Agent in the context of a record."""
    context = record.get("context")
    return _agent(context.get("user_agent")) if isinstance(context, dict) else ""


def _complete(record: Record, location: _Location | None, agent: str) -> None:
    """Add to the context of a record what is known about its visitor and is missing there."""
    context = record.get("context")
    if context is None:
        context = {}
    if type(context) is dict:
        if agent and "user_agent" not in context:
            context["user_agent"] = agent
        if location is not None and location.truncated and "truncated_ip" not in context:
            context["truncated_ip"] = location.truncated
        if context:
            record["context"] = context
