import pickle
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError
from miso_upload.values.addresses import (
    canonical_ip,
    client_address,
    network_address,
    proxies,
    truncated_ip,
)
from tests.helpers.generators import spellings

NOT_ADDRESSES = [
    "", " ", "-", "unknown", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04",
    "1.2.3.4/24", "1.2.3.4:", "1.2.3.4:http", "1.2.3.4:123456", "1.2.3.4%eth0", "16909060",
    "0x01020304", "\u0661.2.3.4", "1.2.3.4\x00", "[::1", "::1]", "[]", ":::", "1::2::3", "::g",
    "::1%", "::1%a%b", "[::1]8080", "12345::", "::ffff:1.2.3.04", "\ud800", "1.2.3.4, 5.6.7.8",
]  # fmt: skip

addresses = st.ip_addresses()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.42", "203.0.113.42"),
        (" 203.0.113.42 \n", "203.0.113.42"),
        ("203.0.113.42:443", "203.0.113.42"),
        ("203.0.113.42:_hidden", "203.0.113.42"),
        ("::ffff:203.0.113.42", "203.0.113.42"),
        ("::ffff:cb00:712a", "203.0.113.42"),
        ("[::FFFF:203.0.113.42]:443", "203.0.113.42"),
        ("0:0:0:0:0:ffff:102:304", "1.2.3.4"),
        ("2001:0DB8:0:0:0:0:0:42", "2001:db8::42"),
        ("[2001:db8::42]", "2001:db8::42"),
        ("[2001:db8::42]:4711", "2001:db8::42"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::", "::"),
    ],
)
def test_an_address_has_one_canonical_form(text, expected):
    assert canonical_ip(text) == expected


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_text_that_is_not_an_address_has_no_canonical_form(text):
    assert canonical_ip(text) is None


@given(addresses.flatmap(lambda address: st.sampled_from(spellings(address))))
def test_the_canonical_form_is_stable(text):
    canonical = canonical_ip(text)

    assert canonical is not None
    assert canonical_ip(canonical) == canonical


@given(st.text() | st.text("0123456789abcdef.:[]%", max_size=20))
def test_any_text_is_an_address_or_none(text):
    canonical = canonical_ip(text)

    assert canonical is None or str(ip_address(canonical)) == canonical


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.42", "203.0.113.0"),
        ("::ffff:203.0.113.42", "203.0.113.0"),
        ("2001:db8::42", None),
        ("www.example.com", None),
    ],
)
def test_only_ipv4_is_truncated(address, expected):
    assert truncated_ip(address) == expected


# Forwarded lists


@pytest.mark.parametrize(
    ("forwarded", "trusted_proxies", "expected"),
    [
        ("203.0.113.42", 0, "203.0.113.42"),
        ("203.0.113.42", 3, "203.0.113.42"),
        ("203.0.113.42, 10.0.0.2, 10.0.0.1", 0, "10.0.0.1"),
        ("203.0.113.42, 10.0.0.2, 10.0.0.1", 1, "10.0.0.2"),
        ("203.0.113.42, 10.0.0.2, 10.0.0.1", 2, "203.0.113.42"),
        ("203.0.113.42, 10.0.0.2, 10.0.0.1", 9, "203.0.113.42"),
        ("198.51.100.7,203.0.113.42,10.0.0.1", 1, "203.0.113.42"),
        ("203.0.113.42, , 10.0.0.1,", 1, "203.0.113.42"),
        ("[2001:db8::42]:4711, 10.0.0.1:80", 1, "2001:db8::42"),
        ("unknown, 10.0.0.1", 1, None),
        ("", 0, None),
        (" , ", 1, None),
        ("for=203.0.113.42;proto=http;by=10.0.0.1", 0, "203.0.113.42"),
        ("by=10.0.0.1; For=203.0.113.42", 0, "203.0.113.42"),
        ('for="[2001:db8::42]:4711", for=10.0.0.1', 1, "2001:db8::42"),
        ('for="203.0.113.42:_x";proto=https, for=10.0.0.1', 1, "203.0.113.42"),
        ("for=unknown", 0, None),
        ("for=_hidden", 0, None),
        ("proto=https", 0, None),
        ("203.0.113.42" + ", 10.0.0.1" * 50, 50, "203.0.113.42"),
    ],
)
def test_the_client_is_the_entry_left_of_the_trusted_proxies(forwarded, trusted_proxies, expected):
    assert client_address(forwarded, None, trusted_proxies) == expected


@given(st.text() | st.text('for="[:1.]";, =', max_size=30), st.integers(0, 5))
def test_any_forwarded_list_has_a_client_or_none(forwarded, trusted_proxies):
    client = client_address(forwarded, None, trusted_proxies)

    assert client is None or canonical_ip(client) == client


@pytest.mark.parametrize(
    ("ip", "forwarded_for", "trusted", "expected"),
    [
        # No proxy is trusted, so `forwarded_for` is ignored.
        ("10.0.0.1", "203.0.113.42", 0, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.42", 1, "203.0.113.42"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.42", 1, "203.0.113.42"),
        ("10.0.0.1", "203.0.113.42, 10.0.0.2", 2, "203.0.113.42"),
        ("203.0.113.42", None, 1, "203.0.113.42"),
        ("203.0.113.42", "-", 1, "203.0.113.42"),
        ("203.0.113.42", " ", 1, "203.0.113.42"),
        (None, "203.0.113.42", 0, None),
        (None, "203.0.113.42, 10.0.0.1", 1, "203.0.113.42"),
        (None, None, 1, None),
        ("-", None, 0, None),
        ("10.0.0.1", "unknown", 1, None),
        ("10.0.0.1", "203.0.113.42", "10.0.0.0/8", "203.0.113.42"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.42, 10.9.9.9", "10.0.0.0/8", "203.0.113.42"),
        # A client that bypassed the proxies cannot forge its address.
        ("198.51.100.7", "203.0.113.42", "10.0.0.0/8", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.0/8", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.42, unknown", "10.0.0.0/8", None),
        ("10.0.0.1", "203.0.113.42, 192.0.2.9", "10.0.0.0/8,192.0.2.9", "203.0.113.42"),
        ("[2001:db8::1]:443", "2001:db9::42", "10.0.0.0/8, 2001:db8::/32", "2001:db9::42"),
        ("::ffff:10.0.0.1", "203.0.113.42", "10.0.0.0/8", "203.0.113.42"),
    ],
)
def test_the_client_is_found_from_the_connecting_address(ip, forwarded_for, trusted, expected):
    assert client_address(ip, forwarded_for, proxies(trusted)) == expected


OWN = ip_network("10.0.0.0/8")
outside = st.ip_addresses(v=4).filter(lambda address: address not in OWN)
inside = st.ip_addresses(v=4, network=OWN)


@given(st.lists(outside | inside), outside, st.lists(inside, min_size=1, max_size=5))
def test_a_client_cannot_forge_its_address(forged, client, hops):
    chain = [*forged, client, *hops]
    forwarded_for = ", ".join(map(str, chain[:-1]))

    found = client_address(str(chain[-1]), forwarded_for, proxies("10.0.0.0/8"))

    assert found == str(client)
    assert found == client_address(str(chain[-1]), forwarded_for, len(hops))


@given(
    st.none() | st.text() | st.text('for="[:1.]";, =', max_size=30),
    st.none() | st.text() | st.text("10.,: ", max_size=40),
    st.sampled_from([0, 2, "1.0.0.0/8", "::/0,0.0.0.0/0"]),
)
def test_any_text_from_a_proxy_has_a_client_or_none(ip, forwarded_for, trusted):
    client = client_address(ip, forwarded_for, proxies(trusted))

    assert client is None or canonical_ip(client) == client


# Values of --trusted-proxies


@pytest.mark.parametrize("option", [0, 3, "3", " 3 "])
def test_trusted_proxies_can_be_a_number(option):
    assert proxies(option) == int(option)


def test_networks_are_equal_in_any_order_and_can_be_pickled():
    networks = proxies("2001:db8::/32, 10.0.0.0/8,192.0.2.9")

    assert networks == proxies("192.0.2.9/32,10.0.0.0/8,2001:db8::/32,10.0.0.0/8")
    assert pickle.loads(pickle.dumps(networks)) == networks


@pytest.mark.parametrize(
    "option", [-1, "-1", "", ",", "lb", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,x", "1.5"]
)
def test_trusted_proxies_must_be_a_number_or_networks(option):
    with pytest.raises(ConfigurationError, match="--trusted-proxies"):
        proxies(option)


# IPv6 networks


@pytest.mark.parametrize(
    ("address", "prefix", "expected"),
    [
        ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::"),
        ("2001:db8:1:2:3:4:5:6", 56, "2001:db8:1::"),
        ("2001:db8:1:2:3:4:5:6", 1, "::"),
        ("2001:db8::42", 128, "2001:db8::42"),
        ("203.0.113.42", 64, "203.0.113.42"),
    ],
)
def test_an_ipv6_address_is_truncated_to_its_network(address, prefix, expected):
    assert network_address(address, prefix) == expected


@given(addresses, st.integers(1, 128))
def test_the_network_of_a_network_is_the_same(address, prefix):
    network = network_address(canonical_ip(str(address)), prefix)

    assert network_address(network, prefix) == network == canonical_ip(network)
