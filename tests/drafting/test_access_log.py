"""Drafts for access logs have a preset, and routes that the paths suggest."""

import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.drafting import infer, mapping_text
from miso_upload.drafting.routes import routes_advice, suggested_routes
from miso_upload.records import Findings
from miso_upload.records.unmatched_paths import UnmatchedPaths
from miso_upload.transform.mapping import parse_mapping
from miso_upload.transform.mapping.router import NO_ROUTES
from miso_upload.transform.mapping.routes import compile_route, split_url
from miso_upload.transform.schema.schema import shipped_schema
from tests.helpers.paths import ROOT


def site(*urls):
    pages = UnmatchedPaths()
    for url in urls:
        path, query = split_url(url)
        pages.count(path, [pair.partition("=")[0] for pair in query.split("&") if pair])
    return pages


def routes(*urls):
    return {
        route.match: (route.type, route.visits) for route in suggested_routes(site(*urls)).routes
    }


def log(*urls, **columns):
    return [
        {
            "ip": "192.0.2.1",
            "timestamp": "2024-05-01T08:00:00Z",
            "method": "GET",
            "url": url,
            "status": "200",
            "user_agent": "Browser/1.0",
            **columns,
        }
        for url in urls
    ]


def written(rows):
    return mapping_text(infer(rows, shipped_schema()), "access.log", "mapping.toml")


@pytest.mark.parametrize(
    ("urls", "match", "type_name"),
    [
        (["/", "/index.html"], "/", "home_page_view"),
        (["/products/a", "/products/b"], "/products/{product_ids}", "product_detail_page_view"),
        (["/p/1.html", "/p/2.html"], "/p/{product_ids}.html", "product_detail_page_view"),
        (["/category/shoes"], "/category/{category}", "category_page_view"),
        (["/blog/a", "/blog/b"], "/blog/{product_ids}", "read"),
        (["/watch/a"], "/watch/{product_ids}", "watch"),
        (["/search?q=oak"], "/search?q={search.keywords}", "search"),
        (["/?s=oak"], "/?s={search.keywords}", "search"),
        ([f"/de/products/{each}" for each in "abc"], "/de/products/{product_ids}",
         "product_detail_page_view"),
        ([f"/things/{each}" for each in "abcdefgh"], "/things/{product_ids}",
         "product_detail_page_view"),
    ],
)  # fmt: skip
def test_paths_suggest_a_route(urls, match, type_name):
    assert routes(*urls)[match][0] == type_name


def test_a_route_shows_the_most_visited_page():
    found = suggested_routes(site("/p/1", "/p/2", "/p/2", "/search?q=a", "/", "/192.0.2.7/p/3"))

    examples = {route.match: route.example for route in found.routes}
    assert examples["/p/{product_ids}"] == "/p/2"
    assert examples["/search?q={search.keywords}"] == ""
    assert examples["/"] == ""
    assert "192.0.2.7" not in str(found)


@pytest.mark.parametrize(
    ("urls", "unsure"),
    [
        (["/", "/?flav=rss20"], True),
        (["/blog/a", "/blog/feed"], True),
        (["/", "/", "/"], False),
        (["/", *["/"] * 9, "/?format=x"], False),
    ],
)
def test_a_route_whose_pages_are_often_feeds_is_unsure(urls, unsure, golden):
    (route,) = suggested_routes(site(*urls)).routes

    assert bool(route.unsure) == unsure
    assert route.unsure == golden


def test_a_route_counts_the_visits_it_matches():
    found = suggested_routes(site("/p/1", "/p/2", "/p/2", "/about"))

    assert [route.visits for route in found.routes] == [3]
    assert found.others == [("/about", 1)]


def test_a_route_with_an_unknown_section_is_unsure(golden):
    (route,) = suggested_routes(site(*(f"/things/{each}" for each in "abcdefgh"))).routes

    assert route.unsure == golden


def test_a_route_with_an_ambiguous_parameter_is_unsure():
    unsure = {
        route.match: bool(route.unsure)
        for route in suggested_routes(site("/t.php?s=1", "/search?s=oak", "/x?q=oak")).routes
    }

    assert unsure == {
        "/t.php?s={search.keywords}": True,
        "/search?s={search.keywords}": False,
        "/x?q={search.keywords}": False,
    }


def test_the_more_specific_route_comes_first():
    assert list(routes("/", "/", "/?q=oak")) == ["/?q={search.keywords}", "/"]


def test_a_special_character_in_a_step_is_encoded():
    urls = [f"/%7Bx%7D%3F*/products/{number}" for number in range(3)]

    (found,) = routes(*urls)

    assert found == "/%7Bx%7D%3F%2A/products/{product_ids}"
    assert compile_route(found).fit(*split_url(urls[0])) == {"product_ids": "0"}


def test_suggestions_contain_no_email_address():
    findings = Findings()
    findings.skipped[NO_ROUTES] = 2
    findings.unmatched_paths.count("/who/203.0.113.9/products/1", ())
    findings.unmatched_paths.count("/who/203.0.113.9", ())

    advice = "\n".join(routes_advice(findings))

    assert "/who/*/products/{product_ids}" in advice
    assert "203.0" not in advice


steps = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    ["products", "*", "{", "q"]
)


@given(
    st.lists(st.lists(steps, max_size=4), max_size=30), st.lists(st.text(max_size=8), max_size=4)
)
def test_suggestions_for_any_paths_are_valid_toml(paths, parameters):
    findings = Findings()
    findings.skipped[NO_ROUTES] = len(paths)
    for path in paths:
        findings.unmatched_paths.count("/" + "/".join(path), [*parameters, "q"])

    advice = "\n".join(routes_advice(findings))

    advice.encode()
    found = suggested_routes(findings.unmatched_paths).routes
    for route in found:
        assert compile_route(route.match)
    if found:
        toml = [line for line in advice.split("\n") if re.match(r"\[\[routes\]\]|\w+ = ", line)]
        assert len(parse_mapping("pasted", "\n".join(toml)).routing.routes) == len(found)


def test_few_visits_without_a_route_are_not_reported():
    findings = Findings()
    findings.types["search"] = 95
    findings.unmatched_paths.count("/about", (), 5)

    assert routes_advice(findings) == []


def test_many_visits_without_a_route_are_reported_with_their_pages(golden):
    findings = Findings()
    findings.types["search"] = 5
    findings.unmatched_paths.count("/about", (), 95)

    advice = "\n".join(routes_advice(findings))

    assert "/about" in advice
    assert advice == golden


# Drafts


def test_a_draft_for_a_log_names_the_preset_and_routes():
    text = written(log("/", "/p/1", "/p/2", "/app.js", "/about"))

    document = tomllib.loads(text)
    assert document["options"] == {"preset": "web-log"}
    assert document["routes"] == [
        {"match": "/p/{product_ids}", "type": "product_detail_page_view"},
        {"match": "/", "type": "home_page_view"},
    ]
    assert "UNSURE" in text
    assert "/about" in text
    assert "app.js" not in text


def test_a_draft_offers_identities_as_comments():
    text = written(log("/p/1", user="jane", cookie="sid=s-1"))

    assert '# user_id = "user"' in text
    assert '# anonymous_id = { column = "cookie", cookie = "sid" }' in text
    assert "jane" not in text
    assert "s-1" not in text


def test_a_log_with_hosts_needs_no_base_url():
    assert "base" not in written(log("/p/1", host="shop.example"))
    assert 'base = "https://shop.example"' in written(log("/p/1"))


def test_a_log_without_visits_has_a_draft():
    assert tomllib.loads(written(log("/app.js")))["options"]["preset"] == "web-log"


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"url": st.text(max_size=20), "status": st.just("200"), "ip": st.text(max_size=3)},
            optional={"method": st.just("GET"), "user_agent": st.text(), "x": st.integers()},
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_log_rows_have_a_draft(rows):
    text = written([{**row, "method": "GET", "timestamp": "x"} for row in rows])

    assert parse_mapping("mapping.toml", text).options["preset"] == "web-log"


def test_the_sample_log_has_routes_for_most_of_its_visits():
    specimen = ROOT / "tests" / "presets" / "specimens" / "web-log.jsonl"
    from miso_upload.values.json import decode

    rows = [decode(line) for line in specimen.read_bytes().splitlines()]

    draft = infer(rows, shipped_schema())

    assert [route.type for route in draft.routes] == [
        "search",
        "product_detail_page_view",
        "home_page_view",
        "category_page_view",
    ]
    assert draft.other_pages == [("/about", 1)]


def test_json_access_logs_are_drafted_with_their_columns():
    rows = [{"remote_addr": "192.0.2.1", "time": "2024-05-01T08:00:00",
             "request": "GET /p/1 HTTP/1.1",
             "method": "GET", "url": "/x?sku=1", "status": "200"}]  # fmt: skip
    text = written(rows)

    document = tomllib.loads(text)
    assert document["columns"] == {"ip": "remote_addr", "timestamp": "time"}
    assert document["routes"][0]["match"] == "/x?sku={product_ids}"
    assert "# timezone = " in text
    assert tomllib.loads(mapping_text(infer(rows, shipped_schema()).in_zone("UTC"), "a", "b"))


def test_posts_that_fill_a_cart_are_drafted_as_comments():
    rows = log("/p/1") + log("/cart/add?product_id=7", method="POST", status="302")

    text = written(rows)

    assert '# match = "/cart/add?product_id={product_ids}"' in text
    assert '"302"' in text
