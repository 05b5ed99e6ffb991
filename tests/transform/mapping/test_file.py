# ruff: noqa: E501 -- tables of cases are read by line
import pickle
import re

import pytest

from miso_upload.errors import MappingError
from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapped, Mapper, MappingSpec, Skipped, parse_mapping
from miso_upload.transform.mapping.router import NO_ROUTE_FITS
from miso_upload.transform.mapping.rules import UNNAMED
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader


def outcome(text, row, *, header=None):
    """Return what a row becomes under a mapping file: a record, a rule's name, or reasons."""
    file = parse_mapping("shop.toml", text)
    plan = pickle.loads(pickle.dumps(MappingSpec(file.rules, file.skips, file.routing)))
    mapper = Mapper(plan, shipped_schema(), TimestampReader(), IdentityPolicy(), header)
    found = mapper.map_row(row, 1, Findings())
    if isinstance(found, Mapped):
        return found.record
    if isinstance(found, Skipped):
        return found.rule
    return [reason.text for reason in found]


def attribute(name, rule, row):
    """Return one attribute of what a row becomes, where the row needs nothing else."""
    found = outcome(f'[attributes]\ntype = {{ value = "checkout" }}\n"{name}" = {rule}', row)
    if isinstance(found, list):
        return found
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


@pytest.mark.parametrize(
    ("name", "rule", "row", "expected"),
    [
        ("user_id", '"customer"', {"customer": 7}, "7"),
        ("user_id", '{ column = "a.b" }', {"a": {"b": "x"}}, "x"),
        ("user_id", '{ column = "a.b" }', {"a.b": "literal", "a": {"b": "x"}}, "literal"),
        ("user_id", '{ column = "a.b" }', {"a": '{"b": "inside text"}'}, "inside text"),
        ("user_id", '{ column = "a.b" }', {"a": "no json"}, None),
        ("product_ids", '{ column = "items[].sku" }', {"items": [{"sku": 1}, {}, {"sku": 3}]},
         ["1", "3"]),
        ("product_ids", '{ column = "skus", split = "," }', {"skus": "a, b"}, ["a", "b"]),
        ("product_ids", '{ value = ["a", "b"] }', {}, ["a", "b"]),
        ("user_id", '{ first_of = ["a", "b"] }', {"a": "", "b": "second"}, "second"),
        ("user_id", '{ columns = ["a", "b"], join = "-" }', {"a": 1, "b": "x"}, "1-x"),
        ("user_id", '{ columns = ["a", "b"], join = "-" }', {"a": 1}, None),
        ("context.page.url", '{ template = "https://shop.example{path}?q={q}" }',
         {"path": "/p", "q": 1}, "https://shop.example/p?q=1"),
        ("context.page.url", '{ template = "https://shop.example{path}" }', {}, None),
        ("revenue", '{ column = "cents", scale = 0.01 }', {"cents": "1999"}, 19.99),
        ("revenue", '{ column = "x", default = 0 }', {"x": ""}, 0),
        ("user_id", '{ column = "x", default = "nobody" }', {}, "nobody"),
        ("timestamp", '{ columns = ["d", "t"], format = "%d.%m.%Y %H:%M", timezone = "Europe/Berlin" }',
         {"d": "01.05.2024", "t": "10:00"}, "2024-05-01T08:00:00Z"),
        ("user_id", '{ column = "x", values = { "1" = "one" } }', {"x": 1}, "one"),
        ("user_id", '{ column = "x", values = { "1" = "one" }, otherwise = "keep" }', {"x": 2}, "2"),
        ("user_id", '{ column = "x", values = { "1" = "one" }, otherwise = "omit" }', {"x": 2}, None),
        ("user_id", '{ column = "x", values = { "-" = "" }, otherwise = "keep" }', {"x": "-"}, None),
        ("user_id", '{ column = "x", values = { "-" = "" }, otherwise = "keep" }', {"x": "a"}, "a"),
        ("context.page.url", '{ column = "x", base = "https://shop.example/" }', {"x": "/p"},
         "https://shop.example/p"),
        ("context.page.url", '{ column = "x", base = "https://shop.example" }',
         {"x": "https://other.example/p"}, "https://other.example/p"),
        ("context.page.url", '{ column = "x", base = ["{s}://{h}", "https://{h}"] }',
         {"x": "/p", "h": "shop.example"}, "https://shop.example/p"),
        ("context.page.url", '{ column = "x", base = "https://{h}" }', {"x": "/p"}, "/p"),
        ("context.page.url", '{ column = "x", base = "https://{h}" }', {"h": "shop.example"}, None),
    ],
)  # fmt: skip
def test_a_rule_makes_the_value_of_an_attribute(name, rule, row, expected):
    assert attribute(name, rule, row) == expected


@pytest.mark.parametrize(
    ("name", "rule", "row"),
    [
        pytest.param("revenue", '{ column = "x", min = 0 }', {"x": "-1"}, id="too little"),
        pytest.param("revenue", '{ column = "x", max = 9 }', {"x": 10}, id="too much"),
        pytest.param("user_id", '{ column = "x", values = { a = "b" } }', {"x": "c"}, id="unnamed"),
        pytest.param("timestamp", '{ column = "x", format = "%d.%m.%Y" }', {"x": "soon"},
                     id="no time"),
    ],
)  # fmt: skip
def test_a_value_that_a_rule_refuses_rejects_the_row(name, rule, row, golden):
    (text,) = attribute(name, rule, row)

    assert str(row["x"]) in text
    assert text == golden


def test_a_format_of_a_rule_uses_the_time_zone_of_the_command_line():
    file = parse_mapping("x", '[attributes]\ntimestamp = { column = "t", format = "%d.%m.%Y" }')
    zone = TimestampReader("Europe/Berlin")
    mapper = Mapper(MappingSpec(file.rules), shipped_schema(), zone, IdentityPolicy(), None)

    mapped = mapper.map_row({"t": "01.07.2025", "type": "like"}, 1, Findings())

    assert mapped.record["timestamp"] == "2025-06-30T22:00:00Z"


def test_a_value_table_can_skip_rows_of_other_values():
    rule = '{ column = "event", values = { view = "read" }, otherwise = "skip" }'

    assert attribute("user_id", rule, {"event": "ping"}) is None
    assert outcome(f"[attributes]\ntype = {rule}", {"event": "ping"}) == UNNAMED


@pytest.mark.parametrize(
    ("condition", "row", "skipped"),
    [
        ('in = ["404", "500"]', {"c": "404"}, True),
        ('in = ["404", "500"]', {"c": 404}, True),
        ('in = ["404"]', {"c": "200"}, False),
        ('not_in = ["200"]', {"c": "404"}, True),
        ('not_in = ["200"]', {}, True),
        ('like = ["/static/*", "*.css"]', {"c": "/a/b.css"}, True),
        ('like = ["/static/*"]', {"c": "/x/static/"}, False),
        ("below = 200", {"c": "199.5"}, True),
        ("above = 299", {"c": 300}, True),
        ("below = 200", {"c": "none"}, False),
        ("below = 400\nabove = 299", {"c": 302}, True),
        ("below = 400\nabove = 299", {"c": 404}, False),
        ("empty = true", {}, True),
        ("empty = true", {"c": ""}, True),
        ("empty = false", {"c": "x"}, True),
    ],
)
def test_a_row_is_skipped_if_all_tests_of_a_condition_hold(condition, row, skipped):
    text = f'[[skip]]\nname = "the rule"\ncolumn = "c"\n{condition}\n'

    assert (outcome(text, row) == "the rule") is skipped


def test_a_hostile_pattern_takes_bounded_time():
    text = '[[skip]]\nname = "x"\ncolumn = "c"\nlike = ["' + "*a" * 30 + '"]\n'

    assert outcome(text, {"c": "a" * 20_000 + "b"}) != "x"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[attributes]\nuser_id = "a"\nrevenue = { column = "x", scal = 3 }',
                     id="a key of a rule"),
        pytest.param('[attribute]\nuser_id = "a"', id="a table"),
        pytest.param('[attributes]\nuser_id = { column = "a", value = "b" }', id="two sources"),
        pytest.param("[attributes]\nuser_id = {}", id="no source"),
        pytest.param('[[skip]]\nname = "a"\ncolumn = "b"\nin = ["x"]\n\n'
                     '[[skip]]\ncolumn = "b"\nin = ["x"]', id="a skip without a name"),
        pytest.param("[attributes]\nuser_id = 5", id="a number"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_reported_with_its_line(text, golden):
    with pytest.raises(MappingError) as caught:
        parse_mapping("shop.toml", text)

    assert re.match(r"shop\.toml:\d", str(caught.value))
    assert str(caught.value) == golden


def test_an_unknown_time_zone_is_reported_with_its_line_and_the_nearest():
    """The system says which time zones there are, and so which ones are near."""
    with pytest.raises(MappingError) as caught:
        parse_mapping(
            "shop.toml", '[attributes]\ntimestamp = { column = "a", timezone = "Europe/Berln" }'
        )

    assert str(caught.value).startswith("shop.toml:2: ")
    assert "Europe/Berlin" in str(caught.value)


def test_a_file_that_is_not_toml_is_reported_by_name():
    with pytest.raises(MappingError) as caught:
        parse_mapping("shop.toml", "a = [")

    assert str(caught.value).startswith("shop.toml: ")
    assert "TOML" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[attributes]\nproduct_id = "sku"', id="an attribute"),
        pytest.param('[attributes]\nuser_id = "custmer"', id="a column"),
        pytest.param('[attributes]\nrevenue = { value = "much" }', id="a value"),
        pytest.param(
            '[attributes]\ntype = { value = "a", values = { b = "like" }, otherwise = "skip" }',
            id="a value that is not named",
        ),
    ],
)
def test_an_unknown_name_or_wrong_value_is_reported_with_its_line(text, golden):
    with pytest.raises(MappingError) as caught:
        outcome(text, {}, header=("customer",))

    assert str(caught.value).startswith("shop.toml:2: ")
    assert str(caught.value) == golden


def test_files_that_map_alike_have_the_same_fingerprint():
    one = parse_mapping("one.toml", '[attributes]\nuser_id = "a"')
    other = parse_mapping(
        "other.toml", '# hello\n[options]\nquiet = true\n[attributes]\nuser_id="a"'
    )

    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != parse_mapping("x", '[attributes]\nuser_id = "b"').fingerprint


ROUTES = """
[attributes]
user_id = "user"
timestamp = { value = "2024-05-01T10:00:00Z" }
[routing]
url = "path"
method = "method"
[[routes]]
match = "/products/{product_ids}"
type = "product_detail_page_view"
method = ["get"]
[[routes]]
match = "/search?q={search.keywords}&lang=de"
type = "search"
set = { "context.locale" = "de" }
[[routes]]
match = "/shop/*/list/**"
type = "home_page_view"
"""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/products/A%201", {"type": "product_detail_page_view", "product_ids": ["A 1"]}),
        ("/products/A/", {"type": "product_detail_page_view", "product_ids": ["A"]}),
        (
            "https://x.example/products/A?utm=1#top",
            {"type": "product_detail_page_view", "product_ids": ["A"]},
        ),
        (
            "/search?page=2&q=red+shoes&lang=de",
            {"type": "search", "search": {"keywords": "red shoes"}, "context": {"locale": "de"}},
        ),
        ("/search?q=red&lang=fr", NO_ROUTE_FITS),
        ("/search", NO_ROUTE_FITS),
        ("/shop/any/list/a/b/c", {"type": "home_page_view"}),
        ("/shop/any/more/list/", NO_ROUTE_FITS),
        ("/products/A/reviews", NO_ROUTE_FITS),
        ("/products/", NO_ROUTE_FITS),
        ("", NO_ROUTE_FITS),
        ("http://[broken", NO_ROUTE_FITS),
        ("/products/" + "x" * 9_000, NO_ROUTE_FITS),
    ],
)
def test_a_route_maps_its_urls(url, expected):
    found = outcome(ROUTES, {"path": url, "method": "GET", "user": "u"})

    if isinstance(expected, dict):
        expected = {"user_id": "u", "timestamp": "2024-05-01T10:00:00Z", **expected}
    assert found == expected


def test_a_route_matches_only_its_methods():
    row = {"path": "/products/A", "method": "POST", "user": "u"}

    assert outcome(ROUTES, row) == NO_ROUTE_FITS


def test_rows_without_a_route_can_be_kept():
    text = ROUTES.replace('method = "method"', 'method = "method"\notherwise = "keep"')

    assert outcome(text, {"path": "/else", "type": "like"})["type"] == "like"


@pytest.mark.parametrize(
    "match", ["products", "/a/{b", "/{user_id}{product_ids}", "/**/a/**", "/{nothing}"]
)
def test_an_invalid_route_is_reported_with_its_line(match, golden):
    with pytest.raises(MappingError) as caught:
        outcome(f'[[routes]]\nmatch = "{match}"\ntype = "like"', {})

    assert str(caught.value).startswith("shop.toml:2: ")
    assert str(caught.value) == golden
