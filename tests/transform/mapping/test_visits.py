"""What a preset says of the rows of a log, and what a mapping file over it changes."""

import pytest

from miso_upload.errors import ConfigurationError
from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy, anonymous_id
from miso_upload.transform.mapping import (
    Mapped,
    Mapper,
    MappingSpec,
    Skipped,
    overlaid,
    parse_mapping,
    read_preset,
    rules_of_options,
    without_skips,
)
from miso_upload.transform.mapping.router import NO_ROUTES
from miso_upload.transform.options import IdentityOptions
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.rows import row

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ROUTES = '[[routes]]\nmatch = "/p/{product_ids}"\ntype = "product_detail_page_view"\n'


def line(**changes):
    """Return a visit as a log has it; without what is None."""
    visit = {
        "ip": "203.0.113.42",
        "timestamp": "2024-05-01T08:00:00+00:00",
        "method": "GET",
        "url": "/p/7",
        "protocol": "HTTP/1.1",
        "status": "200",
        "bytes": "512",
        "user_agent": BROWSER,
        **changes,
    }
    return {name: value for name, value in visit.items() if value is not None}


def outcome(row, text=ROUTES, *, findings=None, identity=None, options=(), keep=()):
    """Return the record that a row becomes, the rule that skips it, or the reasons."""
    file = without_skips(overlaid(parse_mapping("my.toml", text), read_preset("web-log")), keep)
    spec = file.spec._replace(rules=(*file.rules, *rules_of_options(options, ())))
    identity = identity or IdentityPolicy()
    mapper = Mapper(spec, shipped_schema(), TimestampReader(), identity, None)
    found = mapper.map_row(row, 1, Findings() if findings is None else findings)
    if isinstance(found, Mapped):
        return found.record
    return found.rule if isinstance(found, Skipped) else [reason.text for reason in found]


def test_a_visit_becomes_a_record():
    found = outcome(line(referrer="https://search.example/", host="shop.example", scheme="http"))

    assert found == {
        "type": "product_detail_page_view",
        "timestamp": "2024-05-01T08:00:00+00:00",
        "product_ids": ["7"],
        "anonymous_id": anonymous_id("203.0.113.42", BROWSER),
        "context": {
            "page": {"url": "http://shop.example/p/7", "referrer": "https://search.example/"},
            "user_agent": BROWSER,
            "truncated_ip": "203.0.113.0",
        },
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "POST"},
        {"method": "HEAD"},
        {"method": None, "url": None},
        {"status": "404"},
        {"status": 500},
        {"status": "301"},
        {"url": "/app.js?v=1"},
        {"url": "/IMG/A.JPG"},
        {"url": "/robots.txt"},
        {"url": "/favicon.ico"},
        {"user_agent": "Googlebot/2.1"},
        {"user_agent": "curl/8.5.0"},
        {"url": "/cart"},
        {"url": None},
    ],
    ids=str,
)
def test_requests_that_are_no_visits_are_skipped_by_name(changes, golden):
    assert outcome(line(**changes)) == golden


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "304"},
        {"status": 206},
        {"user_agent": None},
        {"user_agent": "-"},
        {"url": "/p/app.js.html"},
        {"url": "https://shop.example:443/p/7"},
    ],
)
def test_visits_are_not_skipped(changes):
    assert outcome(line(**changes))["type"] == "product_detail_page_view"


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "/p/7"),
        ({"host": "shop.example"}, "https://shop.example/p/7"),
        ({"host": "shop.example", "scheme": "http"}, "http://shop.example/p/7"),
        ({"host": "other.example", "url": "https://shop.example/p/7"}, "https://shop.example/p/7"),
    ],
)
def test_a_page_has_a_whole_url_where_the_log_knows_the_host(changes, url):
    assert outcome(line(**changes))["context"]["page"]["url"] == url


def test_without_routes_every_visit_is_skipped_and_its_page_remembered():
    findings = Findings()

    for url in ("/p/7?q=a&x=1", "/p/7;s=1", "/app.js"):
        outcome(line(url=url), "", findings=findings)

    (page,) = findings.unmatched_paths.patterns()
    assert (page.path, page.visits, dict(page.parameters)) == ("/p/7", 2, {"q": 1, "x": 1})


def test_without_routes_the_skip_is_named_after_that():
    assert outcome(line(), "") == NO_ROUTES


def test_no_route_is_needed_if_a_rule_names_the_type():
    text = '[attributes]\ntype = { value = "home_page_view" }\n'

    assert outcome(line(), text)["type"] == "home_page_view"


def test_the_other_columns_of_a_log_are_not_reported_as_unmapped():
    findings = Findings()

    outcome(line(user="jane", request_time="0.1", host="h", scheme="https"), findings=findings)

    assert findings.unmapped == {"user": 1}


def test_an_ignored_column_is_not_mapped_automatically():
    text = 'ignore = ["duration"]\n' + ROUTES

    assert outcome(line(duration=1))["duration"] == 1
    assert "duration" not in outcome(line(duration=1), text)


def test_an_empty_referrer_is_left_out():
    assert outcome(line(referrer="-"))["context"]["page"] == {"url": "/p/7"}


def test_a_skip_can_be_switched_off():
    assert outcome(line(user_agent="curl/8.5.0"), keep=("bots",))["type"]


def test_an_unknown_skip_cannot_be_switched_off():
    with pytest.raises(ConfigurationError) as caught:
        outcome(line(), keep=("bot",))

    assert "--keep" in str(caught.value)
    assert "bots" in str(caught.value)


def test_a_skip_replaces_one_of_the_same_name():
    text = ROUTES + '[[skip]]\nname = "not GET"\ncolumn = "method"\nnot_in = ["GET", "HEAD"]\n'

    assert outcome(line(method="HEAD"), text)["type"]
    assert outcome(line(method="POST", status="500"), text) == "not GET"


# Whose visit it is


def test_the_login_of_a_visitor_is_the_user_id_if_configured():
    assert "user_id" not in outcome(line(user="jane"))
    assert outcome(line(user="jane"), options=["user_id=user"])["user_id"] == "jane"


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("sid=s-1", "s-1"),
        ("a=1; sid=s-1; b=2", "s-1"),
        ('a=1;sid="s-1"', "s-1"),
        ("sid = s-1; sid=s-2", "s-1"),
        ("sid=a=b", "a=b"),
        ("xsid=1", None),
        ("sid=", None),
        ("sid", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_cookie_is_extracted_from_a_header(cookie, expected):
    text = ROUTES + '[attributes]\nanonymous_id = { column = "cookie", cookie = "sid" }\n'

    found = outcome(line(cookie=cookie), text)["anonymous_id"]

    assert found == (expected or anonymous_id("203.0.113.42", BROWSER))


def visitor(identity, **changes):
    return outcome(line(**changes), identity=identity)["anonymous_id"]


def test_a_forwarded_address_counts_only_from_a_trusted_proxy():
    chain = {"ip": "10.0.0.1", "forwarded_for": "203.0.113.42, 10.0.0.2"}

    assert visitor(IdentityPolicy(), **chain) == anonymous_id("10.0.0.1", BROWSER)
    for trusted in (2, "10.0.0.0/8"):
        found = visitor(IdentityPolicy(IdentityOptions(trusted_proxies=trusted)), **chain)
        assert found == anonymous_id("203.0.113.42", BROWSER)


def test_an_ignored_forwarded_address_causes_a_warning():
    findings = Findings()

    outcome(line(forwarded_for="198.51.100.7"), findings=findings)

    (warning,) = findings.warnings
    assert "--trusted-proxies" in warning
    assert "198.51" not in warning


def test_addresses_of_proxies_are_in_no_record():
    identity = IdentityPolicy(IdentityOptions(trusted_proxies=1))

    found = outcome(line(ip="10.0.0.1", forwarded_for="198.51.100.7"), identity=identity)

    assert "198.51.100.7" not in str(found)
    assert found["context"]["truncated_ip"] == "198.51.100.0"


# Other names for the columns


def test_a_preset_reads_columns_under_the_names_that_the_rows_have():
    text = ROUTES + (
        '[columns]\nip = "client"\nmethod = "request.verb"\nurl = "request.uri"\n'
        'status = "code"\nuser_agent = "headers.User-Agent[0]"\nhost = "request.host"\n'
        'timestamp = "ts"\n'
    )
    visit = {
        "client": "203.0.113.42",
        "request": {"verb": "GET", "uri": "/p/7", "host": "shop.example"},
        "code": 200,
        "headers": {"User-Agent": [BROWSER]},
        "ts": 1714550400.25,
    }

    found = outcome(visit, text)

    assert found["anonymous_id"] == anonymous_id("203.0.113.42", BROWSER)
    assert found["context"]["page"]["url"] == "https://shop.example/p/7"
    assert found["timestamp"].startswith("2024-05-01T08:00:00.25")
    assert outcome({**visit, "code": 404}, text) == outcome(line(status="404"))
    assert outcome({**visit, "headers": {"User-Agent": ["curl/8"]}}, text) == "bots"


def test_renamed_columns_apply_to_their_own_file_too():
    file = parse_mapping(
        "my.toml",
        'ignore = ["b"]\n[columns]\na = "x.y"\nb = "z"\nurl = "u"\n'
        '[attributes]\nuser_id = "a"\nproduct_ids = { template = "{a}-{a.q}-{c}" }\n'
        "[routing]\n[[skip]]\nname = 's'\ncolumn = 'a'\nempty = true\n",
    )

    assert [named.rule.reads for named in file.rules] == [("x.y",), ("x.y", "x.y.q", "c")]
    assert [skip.column for skip in file.skips] == ["x.y"]
    assert (file.routing.url, file.ignored) == ("u", ("z",))


def test_a_fingerprint_stays_when_mapping_files_get_new_keys():
    """The ledger of an upload that was stopped remembers this."""
    text = '[attributes]\nuser_id = "customer"\n[[skip]]\nname = "x"\ncolumn = "y"\nempty = true\n'

    assert parse_mapping("my.toml", text).fingerprint == "9a49056bd6cd"


def test_skipped_rows_do_not_count_for_the_bot_rate():
    plan = MappingSpec(bot_rate=1, skips=read_preset("web-log").skips)
    mapper = Mapper(plan, shipped_schema(), TimestampReader(), IdentityPolicy(), None)

    assert mapper.busy_minutes([line(), line(url="/a.css"), line(method="POST")]) == frozenset()
    assert len(mapper.busy_minutes([line(), line(), line(user_agent="other")])) == 1


@pytest.mark.parametrize(
    "junk", [{}, {"timestamp": None}, {"timestamp": {"a": []}}, [], "x", {"ip": ["x"]}, row(1)]
)
def test_the_bot_rate_accepts_any_row(junk):
    mapper = Mapper(
        MappingSpec(bot_rate=1), shipped_schema(), TimestampReader(), IdentityPolicy(), None
    )

    assert mapper.busy_minutes([junk, junk]) == frozenset()
