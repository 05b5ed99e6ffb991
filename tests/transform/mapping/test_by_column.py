"""The fast path maps rows as the exact path does, and counts the same."""

import copy
import json
import random
from functools import cache

import pytest

from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapped, Mapper, parse_mapping, without_nulls
from miso_upload.transform.mapping.by_column import ShapeMapper
from miso_upload.transform.options import IdentityOptions
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.mapped import outcomes_of

SCHEMA = shipped_schema()
MAPPINGS = [
    "",
    """
    [attributes]
    type.column = "event"
    type.values = { view = "product_detail_page_view", buy = "checkout", find = "search", odd = "" }
    type.otherwise = "skip"
    timestamp = "time"
    user_id = { column = "customer", default = "nobody" }
    miso_id = { first_of = ["sku", "customer"] }
    duration = { column = "cost", decimal = "," }
    question_id = { columns = ["customer", "sku"], join = "-", float_ids = "integer" }
    product_ids = { column = "sku", split = "|" }
    quantities = "amount"
    revenue = { column = "price", scale = 0.01, min = 0 }
    "search.keywords" = "words"
    "context.page.url" = { column = "url", base = ["https://{host}"] }
    "context.locale" = { first_of = ["locale", "lang"] }
    "context.custom_context.shop" = { value = "berlin" }
    anonymous_id = { column = "cookie", cookie = "sid" }
    """,
    """
    ignore = ["host"]
    [attributes]
    timestamp = "time"
    rating = { column = "price", values = { "7" = 4 }, otherwise = "keep" }
    forwarded_for = "lang"
    [routing]
    url = "url"
    method = "event"
    [[skip]]
    name = "dear"
    column = "amount"
    above = 5
    [[skip]]
    name = "assets"
    column = "url"
    path_ends = [".png"]
    [[routes]]
    match = "/products/{product_ids}"
    type = "product_detail_page_view"
    [[routes]]
    match = "/search?q={search.keywords}"
    type = "search"
    set = { "context.page.title" = "Search" }
    [[routes]]
    match = "/r"
    type = "rate"
    set = { rating = 3 }
    [[routes]]
    match = "/you"
    type = "home_page_view"
    set = { user_id = "you" }
    """,
    """
    [attributes]
    context = "object"
    search = "what"
    [routing]
    otherwise = "keep"
    [[routes]]
    match = "/search?q={search.keywords}"
    type = "search"
    [[routes]]
    match = "/products/*"
    type = "like"
    set = { "context.locale" = "fr" }
    """,
    """
    [attributes]
    timestamp = { column = "time", add = "amount", unit = "seconds" }
    user_id = { column = "customer", strip = true, upper = true, hash = "sha256" }
    product_ids = { column = "sku", replace = { text = "[", with = "" }, hash = "sha256" }
    revenue = { calculate = "{price} * {amount} / 100", min = 0, default = 1 }
    quantities = { column = "amount", extract = "^([0-9.]+)$", otherwise = "omit", default = 1 }
    "search.keywords" = { column = "words", extract = "oak (.*)", otherwise = "keep" }
    "context.locale".column = "locale"
    "context.locale".lower = true
    "context.locale".strip = "e"
    "context.locale".values = { d = "de" }
    "context.locale".otherwise = "skip"
    ip = { column = "lang", extract = "([0-9.]+)", otherwise = "omit" }
    """,
    """
    [attributes]
    timestamp = "time"
    product_ids = { column = "lines", split = "|", item = "{product_ids} x {quantities}" }
    "context.page.title" = { column = "words", replace = { pattern = "o(.)", with = '\\1' } }
    """,
]
NAMES = ["none", "rules", "routes", "objects", "steps", "items"]
TEXTS = {
    "event": ["view", "buy", "find", "odd", "other", "GET"],
    "type": ["search", "checkout", "like", "no type"],
    "time": ["2025-03-01T10:00:00Z", "2025-13-01T10:00:00Z", "1740823200", "2025-03-01", "x"],
    "timestamp": ["2025-03-01T10:00:00Z", "2025-02-30T10:00:00Z", " 2025-03-01T10:00:00+01:00 "],
    "customer": ["u1", "u2", "NULL", " null ", "12.0", " u1", "-"],
    "user_id": ["u1", "undefined", "\\N", " ", "u1\t", "12.00"],
    "sku": ["a|b", "a", '["a", "b"]', "[a", "NULL", "a|NULL", '["nan", " b"]', "7.0|a", " a"],
    "product_ids": ["a|b", "a", '["a", "b"]', "(not set)", '["NULL"]', "a |b", "7.0"],
    "amount": ["1", "2.5", "1e3", "-1", "9", "12345678901234567890", "x", "NULL", " nan "],
    "price": ["1999", "7", "-5", "n/a", "?", "NULL"],
    "cost": ["1.200,50 €", "CHF 3", "12", "1,200.50", "1,200.50 USD", "NULL", "(3,5)", " "],
    "lines": ["a x 1 | b x 2", "a x 1", "b x box x 7", "a", "a x two", "NULL", "a x 1 | nan x 2"],
    "words": ["oak table", "oak"],
    "object": ['{"locale": "de"}', '{"ip": "192.0.2.9"}', '{"page": {"url": null}}', "none"],
    "what": ['{"keywords": "ash"}', '{"keywords": null}'],
    "search.keywords": ["oak"],
    "url": [
        "/else",
        "/products/1",
        "/products/undefined",
        "/products/2?x=1",
        "/search?q=oak",
        "/r",
        "/a.png",
        "/you",
    ],
    "host": ["shop.example"],
    "locale": ["de", "en"],
    "context": ['{"locale": "de"}', '{"ip": "192.0.2.9"}'],
    "context.page": ['{"url": "https://a.example/"}', '{"title": null}', "text"],
    "context.page.url": ["https://shop.example/"],
    "context.ip": ["192.0.2.10"],
    "lang": ["en", "198.51.100.7"],
    "cookie": ["sid=abc; x=y", "x=y"],
    "ip": ["192.0.2.7", "2001:db8::1", "192.0.2.7, 192.0.2.8", "-", "no address", "192.0.2.07"],
    "user_agent": ["Mozilla/5.0", " curl ", "-"],
    "forwarded_for": ["198.51.100.1", "-", "198.51.100.1, 198.51.100.2"],
    "rating": ["5"],
    "unknown": ["x"],
    "": ["y"],
}
ODD = [
    None,
    "",
    0,
    7,
    2.5,
    12.0,
    True,
    "NULL",
    ["NULL", "b"],
    ["nan"],
    [" a", 3, 4.0],
    [],
    {},
    ["a", None],
    {"a": None},
    {"ip": "192.0.2.1"},
    [[1]],
]
INSIDE = ["context.page", "context.page.url", "context.ip"]
POLICIES = [
    IdentityPolicy(),
    IdentityPolicy(
        IdentityOptions(derive_anonymous_id="always", anonymous_id_salt=b"salt", ipv6_prefix=64)
    ),
    IdentityPolicy(IdentityOptions(derive_anonymous_id="never", anonymous_id_from="ip")),
    IdentityPolicy(IdentityOptions(anonymous_id_from="ip", trusted_proxies=1)),
]


@cache
def parsed(mapping):
    return parse_mapping("mapping.toml", mapping)


def shape(dice, mapping):
    """Return columns, in any order, most often without such as would share an object."""
    read = [name for rule in parsed(mapping).rules for name in rule.rule.reads]
    names = [name for name in TEXTS if dice.random() < 0.7 or name in ("type", "timestamp")]
    if dice.random() < 0.9:
        whole = "context." not in mapping and dice.random() < 0.5
        shared = INSIDE if whole else ["context"]
        alone = dice.choice(["context.page", "context.page.url"])
        names = [name for name in names if name not in [*shared, alone, "search.keywords"]]
    dice.shuffle(names)
    return tuple(dict.fromkeys([*names, *read]))


def table(dice, shapes, odd, rarely):
    """Return rows of some shapes, most of whose values are usual ones."""

    def value(name):
        if dice.random() < rarely:
            return dice.choice(odd)
        usual = TEXTS[name]
        text = usual[0] if dice.random() < 0.5 else dice.choice(usual)
        is_object = None in odd and text.startswith("{")
        return json.loads(text) if is_object and dice.random() < 0.5 else text

    return [
        {name: value(name) for name in dice.choice(shapes)} for _ in range(dice.randrange(1, 40))
    ]


def both_paths(mapper, rows):
    """Return the outcomes of rows and what was counted, by the fast path and by the exact one."""
    before = copy.deepcopy(rows)
    busy = mapper.busy_minutes(rows)
    fast, exact = Findings(), Findings()
    lines = range(1, len(rows) + 1)
    many = outcomes_of(mapper.map_rows(rows, lines, fast, busy))
    assert rows == before
    one = [mapper.map_row(row, line, exact, busy) for row, line in zip(rows, lines, strict=True)]
    many = [
        each._replace(record=without_nulls(each.record)) if isinstance(each, Mapped) else each
        for each in many
    ]
    return (many, fast), (one, exact)


def mapper_of(mapping, policy, columns=None, separator=None, rate=0):
    spec = parsed(mapping).spec
    spec = spec._replace(bot_rate=rate, list_separator=separator)
    return Mapper(spec, SCHEMA, TimestampReader("UTC"), policy, columns)


def json_case(seed, mapping, policy):
    dice = random.Random(seed)
    rows = table(dice, [shape(dice, mapping) for _ in range(3)], ODD, dice.choice([0, 0.01, 0.1]))
    return mapper_of(mapping, policy, rate=dice.choice([0, 3])), rows


def cell_case(seed, mapping, policy):
    dice = random.Random(seed)
    columns = shape(dice, mapping)
    mapper = mapper_of(mapping, policy, columns, dice.choice([None, "|"]))
    return mapper, table(dice, [columns], [""], dice.choice([0, 0.05, 0.3]))


@pytest.mark.parametrize("page", ["text", {"url": "https://a.example/"}, {"url": None}, 7])
@pytest.mark.parametrize("name", ["context.page", "context.page.url", "context"])
def test_a_route_into_the_value_of_a_column_is_mapped_alike(page, name):
    mapping = """
    [[routes]]
    match = "/p/{product_ids}"
    type = "product_detail_page_view"
    set = { "context.page.title" = "routed" }
    """
    row = {"timestamp": "2025-03-01T10:00:00Z", "user_id": "u", "url": "/p/1", name: page}

    fast, exact = both_paths(mapper_of(mapping, IdentityPolicy()), [row] * 3)

    assert fast == exact


@pytest.mark.parametrize("mapping", MAPPINGS, ids=NAMES)
@pytest.mark.parametrize("case", [json_case, cell_case])
@pytest.mark.parametrize("seed", range(25))
def test_the_fast_path_maps_as_the_exact_path_does(seed, case, mapping):
    for policy in POLICIES:
        fast, exact = both_paths(*case(seed, mapping, policy))

        assert fast == exact


@pytest.mark.parametrize("mapping", MAPPINGS, ids=NAMES)
@pytest.mark.parametrize("case", [json_case, cell_case])
def test_the_fast_path_decides_many_of_those_rows(case, mapping, monkeypatch):
    mapped = []
    original = ShapeMapper.map

    def spying(self, rows, routed, findings):
        found = original(self, rows, routed, findings)
        mapped.append(len(found.records) - len(found.not_mapped))
        return found

    monkeypatch.setattr(ShapeMapper, "map", spying)
    for seed in range(25):
        mapper, rows = case(seed, mapping, IdentityPolicy())
        mapper.map_rows(rows, range(len(rows)), Findings())

    assert sum(mapped) > 10
