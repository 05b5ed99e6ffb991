"""Addresses of visitors, and lists of addresses."""

from __future__ import annotations

from ipaddress import ip_address

from fuzz.properties import must, only_our_errors
from miso_upload.values.addresses import (
    canonical_ip,
    client_address,
    network_address,
    proxies,
    truncated_ip,
)
from miso_upload.values.display import printable, quoted
from miso_upload.values.redaction import has_address

SPECIMENS = (
    b"192.0.2.1",
    b"192.0.2.1:443\n198.51.100.7, 203.0.113.9\n1",
    b"[2001:db8::1]:4711, ::ffff:192.0.2.1\n\n10.0.0.0/8,2001:db8::/32",
    b'for="[2001:db8::1%eth0]:4711";proto=http, for=192.0.2.1\n-\n2',
    b"::1\nunknown, _hidden\n0",
    b"2001:0DB8:0:0:0:0:0:1\n ,, ,\n99999999999999999999",
    b"192.0.2.01\n1.2.3\n-1",
    b"::ffff:0:0\n::\n192.0.2.1/33",
)
TOKENS = (
    b"192.0.2.1", b"2001:db8::", b"::ffff:", b"[", b"]:", b"%eth0", b", ", b'for="', b";by=", b"/8",
    b"/128", b"unknown", b":_x", b"0x7f", b"\xd9\xa3",
)  # fmt: skip


def one_input(data: bytes) -> None:
    """Read three lines as an address, a forwarded list and the trusted proxies."""
    ip, _, rest = data.decode(errors="replace").partition("\n")
    forwarded, _, trusted = rest.partition("\n")
    with only_our_errors():
        for known in (0, 1, proxies(trusted) if trusted else 0):
            found = client_address(ip, forwarded, known)
            if found is not None:
                _check(found)
    canonical = canonical_ip(ip)
    if canonical is not None:
        _check(canonical)


def _check(address: str) -> None:
    must(canonical_ip(address) == address, "the canonical spelling is one")
    must(ip_address(address), "it is an address")
    for prefix in (1, 64, 128):
        network = network_address(address, prefix)
        must(network_address(network, prefix) == network, "a network is in itself")
    short = truncated_ip(address)
    must(short is None or short.endswith(".0"), "a part of it is left out")
    for text in (address, f"x {address}:80", f"[{address}]"):
        must(has_address(text), "an address is seen")
        must(address not in printable(text) and address not in quoted(text), "and not shown")
