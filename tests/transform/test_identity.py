import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError
from miso_upload.transform.identity import IdentityOutcome, IdentityPolicy, anonymous_id
from miso_upload.transform.options import IdentityOptions
from miso_upload.values.addresses import canonical_ip
from tests.helpers.generators import spellings

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)
ABROAD = "M\u00fcller-Browser/1.0 (\u6771\u4eac) \U0001f6d2"
SALT = b"correct horse battery staple"

# Computed without this project:
#   printf '%s\n%s' "$ip" "$agent" | sha256sum
#   printf '%s\n%s' "$ip" "$agent" | openssl dgst -sha256 -hmac 'correct horse battery staple'
# and with '%s' alone where the id is made of the address alone. They are published; an id that
# changes here has changed for everybody who ever uploaded.
VECTORS = [
    (
        ("203.0.113.42", CHROME, b""),
        "8e6125946b7e6c806178d6dfbe701f789c0790248c3731bc7bc4fd8d33194fee",
    ),
    (
        ("::ffff:203.0.113.42", CHROME, b""),
        "8e6125946b7e6c806178d6dfbe701f789c0790248c3731bc7bc4fd8d33194fee",
    ),
    (
        ("[2001:0DB8:0:0:0:0:0:0042]:4711", CHROME, b""),
        "9680a386ac25d5dbaaa4b691af4ef198337de003d052ddd295c7a089a666d4bd",
    ),
    (
        ("203.0.113.42", "-", b""),
        "1a5f0e3b2766af4c2699339d64076ad94f09765bf18c1924fb63cf50ae451964",
    ),
    (
        ("203.0.113.42", ABROAD, b""),
        "fe2a55650e38270c5f9742b6c637d0592f70eb3e14784f5757570ab88a298956",
    ),
    (
        ("203.0.113.42", None, b""),
        "17af1cf3d1b5332c53349fc789abdc853bbeea7ed33eff727ff794ab741ccac9",
    ),
    (
        ("2001:db8::42", None, b""),
        "2d5a46998b37e42f787fc25f833a3aa75b3fc7ffca10ae4fbed534df45f1bdb9",
    ),
    (
        ("203.0.113.42", CHROME, SALT),
        "463ad82847ac746459dbdd94d631b5d8f7d0672236386f3a5a8c4dec16ed530d",
    ),
    (
        ("203.0.113.42", "", SALT),
        "25dbe13e2e02a50103ef47811d9407e5a98ee9d97971419d04f5cc888bf16f02",
    ),
    (
        ("203.0.113.42", None, SALT),
        "c32a594b98891af6ab03fa04fb401ff9c0ea2d111142dd65b3cd3ba09a9ba39a",
    ),
]

addresses = st.ip_addresses()


# The recipe


@pytest.mark.parametrize(("visitor", "expected"), VECTORS)
def test_ids_are_as_published(visitor, expected):
    address, user_agent, salt = visitor

    assert anonymous_id(canonical_ip(address), user_agent, salt=salt) == expected


@pytest.mark.parametrize(("visitor", "expected"), VECTORS)
def test_records_get_the_ids_that_are_published(visitor, expected):
    address, user_agent, salt = visitor
    policy = IdentityPolicy(
        IdentityOptions(
            anonymous_id_from="ip" if user_agent is None else "ip+user-agent",
            anonymous_id_salt=salt,
        )
    )
    record = {}

    policy.apply(record, address, user_agent)

    assert record["anonymous_id"] == expected


@given(addresses, st.text(), st.binary())
def test_every_spelling_of_an_address_gives_the_same_id(address, user_agent, salt):
    policy = IdentityPolicy(IdentityOptions(anonymous_id_salt=salt))
    records = [{} for _ in spellings(address)]

    for record, text in zip(records, spellings(address), strict=True):
        policy.apply(record, text, user_agent)

    assert len({record["anonymous_id"] for record in records}) == 1


@pytest.mark.parametrize("user_agent", ["", " ", "-", " - ", "\t\r\n\v\f"])
def test_a_user_agent_that_says_nothing_counts_as_empty(user_agent):
    assert anonymous_id("203.0.113.42", user_agent) == anonymous_id("203.0.113.42", "")


def test_white_space_around_a_user_agent_is_trimmed_and_no_other():
    assert anonymous_id("203.0.113.42", "\r\n a b\t") == anonymous_id("203.0.113.42", "a b")
    assert anonymous_id("203.0.113.42", "\u00a0a") != anonymous_id("203.0.113.42", "a")


def test_a_lone_surrogate_in_a_user_agent_is_told_from_another():
    assert anonymous_id("203.0.113.42", "\ud800") != anonymous_id("203.0.113.42", "\ud801")


@pytest.mark.parametrize("address", ["::ffff:203.0.113.42", "203.0.113.42:80", "203.0.113.0042"])
def test_an_address_that_is_not_canonical_is_refused_without_quoting_it(address):
    with pytest.raises(ValueError, match="canonical") as caught:
        anonymous_id(address, CHROME)

    assert "203" not in str(caught.value)


# What a record gets


def test_a_record_without_ids_gets_one_and_its_context():
    record = {"type": "home_page_view"}

    outcome = IdentityPolicy().apply(record, "203.0.113.42", CHROME)

    assert outcome == IdentityOutcome(derived=True)
    assert record == {
        "type": "home_page_view",
        "anonymous_id": VECTORS[0][1],
        "context": {"truncated_ip": "203.0.113.0", "user_agent": CHROME},
    }


@pytest.mark.parametrize("ids", [{"user_id": "u"}, {"anonymous_id": "a"}])
def test_a_record_with_an_id_keeps_it_and_gets_no_other(ids):
    record = dict(ids)

    outcome = IdentityPolicy().apply(record, "203.0.113.42", None)

    assert outcome == IdentityOutcome(derived=False)
    assert record == {**ids, "context": {"truncated_ip": "203.0.113.0"}}


def test_always_replaces_the_id_that_was_given():
    record = {"user_id": "u", "anonymous_id": "a"}

    outcome = IdentityPolicy(IdentityOptions(derive_anonymous_id="always")).apply(
        record, "203.0.113.42", CHROME
    )

    assert outcome == IdentityOutcome(derived=True)
    assert (record["user_id"], record["anonymous_id"]) == ("u", VECTORS[0][1])


def test_always_keeps_the_id_that_was_given_where_there_is_no_address():
    record = {"anonymous_id": "a"}

    outcome = IdentityPolicy(IdentityOptions(derive_anonymous_id="always")).apply(
        record, "unknown", CHROME
    )

    assert outcome == IdentityOutcome(derived=False)
    assert record["anonymous_id"] == "a"


def test_never_fills_the_context_alone():
    record = {}

    outcome = IdentityPolicy(IdentityOptions(derive_anonymous_id="never")).apply(
        record, "203.0.113.42", CHROME
    )

    assert outcome == IdentityOutcome(derived=False)
    assert record == {"context": {"truncated_ip": "203.0.113.0", "user_agent": CHROME}}


def test_ipv6_has_no_truncated_form():
    record = {}

    IdentityPolicy().apply(record, "2001:db8::42", None)

    assert record.keys() == {"anonymous_id"}


def test_what_the_context_says_already_stays():
    context = {"truncated_ip": "198.51.100.0", "user_agent": "mine", "locale": "de"}
    record = {"context": dict(context)}

    IdentityPolicy().apply(record, "203.0.113.42", CHROME)

    assert record["context"] == context


@pytest.mark.parametrize("context", ["text", [], 1, True])
def test_a_context_that_is_not_an_object_is_left_to_the_validator(context):
    record = {"context": context}

    IdentityPolicy().apply(record, "203.0.113.42", CHROME)

    assert record == {"context": context, "anonymous_id": VECTORS[0][1]}


def test_the_user_agent_of_the_context_serves_where_there_is_no_other():
    record = {"context": {"user_agent": CHROME}}

    IdentityPolicy().apply(record, "203.0.113.42", None)

    assert record["anonymous_id"] == VECTORS[0][1]


@pytest.mark.parametrize("user_agent", [None, "", "-", " - "])
def test_a_user_agent_that_says_nothing_is_not_sent(user_agent):
    record = {}

    IdentityPolicy().apply(record, "2001:db8::42", user_agent)

    assert "context" not in record


@pytest.mark.parametrize("ip", [None, "", " ", "-"])
def test_a_row_without_an_address_is_no_problem_of_the_address(ip):
    assert IdentityPolicy().apply({}, ip, CHROME) == IdentityOutcome(derived=False)


@pytest.mark.parametrize("derive", ["missing", "always"])
@pytest.mark.parametrize("ip", ["unknown", "203.0.113", "for=_hidden"])
def test_an_address_that_is_none_is_a_problem_where_it_is_needed(derive, ip, golden):
    outcome = IdentityPolicy(IdentityOptions(derive_anonymous_id=derive)).apply({}, ip, CHROME)

    assert outcome.derived is False
    assert outcome.problem == golden


@pytest.mark.parametrize("derive", ["missing", "always", "never"])
@pytest.mark.parametrize("ids", [{"user_id": "u"}, {"anonymous_id": "a"}])
def test_an_address_that_is_none_is_no_problem_where_there_is_an_id(derive, ids):
    assert (
        IdentityPolicy(IdentityOptions(derive_anonymous_id=derive))
        .apply(ids, "unknown", CHROME)
        .problem
        is None
    )


def test_the_client_of_a_forwarded_list_is_the_visitor():
    record = {}

    IdentityPolicy(IdentityOptions(trusted_proxies=1)).apply(
        record, "203.0.113.42, 10.0.0.1", CHROME
    )

    assert record["anonymous_id"] == VECTORS[0][1]
    assert record["context"]["truncated_ip"] == "203.0.113.0"


@given(
    addresses.filter(lambda address: address.version == 6 or not str(address).endswith(".0")),
    st.sampled_from([None, "", CHROME, ABROAD]),
    st.sampled_from(["missing", "always", "never"]),
    st.sampled_from([{}, {"user_id": "u"}, {"anonymous_id": "a"}]),
)
def test_the_address_itself_is_never_in_a_record(address, user_agent, derive, ids):
    for text in spellings(address):
        record = dict(ids)

        IdentityPolicy(IdentityOptions(derive_anonymous_id=derive)).apply(record, text, user_agent)

        values = [value for key, value in record.items() if key != "context"]
        values += record.get("context", {}).values()
        assert str(address) not in values
        assert text.strip() not in json.dumps(record)


# The policy


def test_a_negative_number_of_proxies_is_refused():
    with pytest.raises(ConfigurationError, match="--trusted-proxies"):
        IdentityPolicy(IdentityOptions(trusted_proxies=-1))


@pytest.mark.parametrize("prefix", [0, -1, 129])
def test_a_prefix_that_ipv6_does_not_have_is_refused(prefix):
    with pytest.raises(ConfigurationError, match="--ipv6-prefix"):
        IdentityPolicy(IdentityOptions(ipv6_prefix=prefix))


def test_the_salt_is_neither_shown_nor_in_the_fingerprint():
    policy = IdentityPolicy(IdentityOptions(anonymous_id_salt=SALT))

    assert SALT.decode() not in repr(policy)
    assert SALT.decode() not in policy.fingerprint()
    assert SALT.hex() not in policy.fingerprint()


def test_the_id_of_an_ipv6_address_can_be_that_of_its_network():
    # printf '%s\n%s' 2001:db8:1:2:: Browser/1.0 | sha256sum
    policy = IdentityPolicy(IdentityOptions(ipv6_prefix=64))
    records = [{}, {}, {}]

    for record, host in zip(records, ("3:4:5:6", "a:b:c:d", ":"), strict=True):
        policy.apply(record, f"2001:db8:1:2:{host}", "Browser/1.0")

    assert {record["anonymous_id"] for record in records} == {
        "078f7638b36a70d93962aba6a60fb9d2bc8fa16cf3d62cb8e1f5a4fd601be153"
    }


def test_a_prefix_of_ipv6_leaves_ipv4_alone():
    record = {}

    IdentityPolicy(IdentityOptions(ipv6_prefix=64)).apply(record, "203.0.113.42", CHROME)

    assert record["anonymous_id"] == VECTORS[0][1]


def test_the_client_behind_a_proxy_is_the_visitor():
    record = {}

    IdentityPolicy(IdentityOptions(trusted_proxies="10.0.0.0/8")).apply(
        record, "10.0.0.1", CHROME, "203.0.113.42, 10.0.0.2"
    )

    assert record["anonymous_id"] == VECTORS[0][1]


def test_a_client_that_its_proxy_hides_is_a_problem_where_an_id_is_needed(golden):
    policy = IdentityPolicy(IdentityOptions(trusted_proxies=1))

    outcome = policy.apply({}, None, CHROME, "unknown, 10.0.0.1")

    assert outcome.derived is False
    assert outcome.problem == golden


def test_policies_that_differ_have_different_fingerprints():
    policies = [
        IdentityPolicy(IdentityOptions(trusted_proxies="10.0.0.0/8")),
        IdentityPolicy(IdentityOptions(trusted_proxies="10.0.0.0/9")),
        IdentityPolicy(IdentityOptions(ipv6_prefix=64)),
        IdentityPolicy(IdentityOptions(ipv6_prefix=56)),
        IdentityPolicy(),
        IdentityPolicy(IdentityOptions(derive_anonymous_id="always")),
        IdentityPolicy(IdentityOptions(anonymous_id_from="ip")),
        IdentityPolicy(IdentityOptions(trusted_proxies=1)),
        IdentityPolicy(IdentityOptions(anonymous_id_salt=SALT)),
        IdentityPolicy(IdentityOptions(anonymous_id_salt=SALT + b"!")),
    ]

    assert len({policy.fingerprint() for policy in policies}) == len(policies)


def test_a_fingerprint_is_the_same_for_years():
    """The ledger of a run that was stopped knows it."""
    assert IdentityPolicy().fingerprint() == "missing ip+user-agent 0 -"
    assert IdentityPolicy(IdentityOptions(anonymous_id_salt=SALT)).fingerprint() == (
        "missing ip+user-agent 0 0ff8a64157839f24df97eb03f3f795a224101c3fa8d36d18c2be50c593ab6639"
    )
    assert IdentityPolicy(
        IdentityOptions(trusted_proxies="192.0.2.1, 10.0.0.0/8", ipv6_prefix=64)
    ).fingerprint() == ("missing ip+user-agent 10.0.0.0/8,192.0.2.1/32 - /64")


def test_a_policy_crosses_a_process_boundary():
    policy = IdentityPolicy(
        IdentityOptions(anonymous_id_salt=SALT, trusted_proxies="10.0.0.0/8", ipv6_prefix=64)
    )

    assert pickle.loads(pickle.dumps(policy)).options == policy.options
