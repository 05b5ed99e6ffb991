# ruff: noqa: E501 -- tables of cases are read by line
"""Rules change the text of values before they are converted, in one order."""

import hashlib
import hmac
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.errors import MappingError
from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapped, Mapper, Skipped, parse_mapping
from miso_upload.transform.mapping.regexes import compile_regex
from miso_upload.transform.options import IdentityOptions
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader

TYPE = '[attributes]\ntype = { value = "checkout" }\n'


def outcome_of(rules, row, name="shop.toml", salt=b"", columns=None):
    """Return the record of a row without its type, the rule that skips it, or the reasons."""
    spec = parse_mapping(str(name), TYPE + rules).spec
    policy = IdentityPolicy(IdentityOptions(anonymous_id_salt=salt))
    mapper = Mapper(spec, shipped_schema(), TimestampReader("UTC"), policy, columns)
    found = mapper.map_row(row, 1, Findings())
    if isinstance(found, Mapped):
        return {key: value for key, value in found.record.items() if key != "type"}
    return found.rule if isinstance(found, Skipped) else [reason.text for reason in found]


@pytest.mark.parametrize(
    ("steps", "value", "expected"),
    [
        ("strip = true", " u1\t", "u1"),
        ('strip = "#*"', "*#u1#", "u1"),
        ("strip = true", "  ", None),
        ('strip = true, default = "nobody"', "  ", "nobody"),
        ("strip = false", " u1", "u1"),
        ("strip = true", 47, "47"),
        ("lower = true", "ÄB", "äb"),
        ("upper = true", "äb", "ÄB"),
        ('replace = { text = ".", with = "" }', "1.2.3", "123"),
        ('replace = { text = "a+", with = "b" }', "aa a+", "aa b"),
        ('replace = { pattern = "[^0-9]+", with = "-" }', "12 / 34", "12-34"),
        (r"""replace = { pattern = '(\w+)@(\w+)', with = '\2:\1' }""", "ann@shop", "shop:ann"),
        ('replace = [{ text = "a", with = "b" }, { text = "b", with = "c" }]', "ab", "cc"),
        ('extract = "id=([0-9]+)"', "x?id=12&id=13", "12"),
        ('extract = "(?P<a>x)-(?P<b>[0-9]+)", group = "b"', "x-7", "7"),
        ('extract = "[0-9]+"', "no. 12", "12"),
        ('extract = "([0-9]+)|x", otherwise = "omit"', "x", None),
        ('extract = "[0-9]+", otherwise = "omit"', "no digit", None),
        ('extract = "[0-9]+", otherwise = "omit", default = "0"', "no digit", "0"),
        ('extract = "[0-9]+", otherwise = "keep"', "no digit", "no digit"),
        ('hash = "sha256"', "ann@shop.example", hashlib.sha256(b"ann@shop.example").hexdigest()),
        ('hash = "hmac-sha256"', "ann", hmac.digest(b"salt", b"ann", "sha256").hex()),
        ('strip = true, lower = true, hash = "sha256"', " Ann ", hashlib.sha256(b"ann").hexdigest()),
        ('strip = true, values = { a = "b" }', " a ", "b"),
        ('upper = true, replace = { text = "a", with = "x" }', "aA", "XA"),
    ],
)  # fmt: skip
def test_a_step_changes_the_text(steps, value, expected):
    found = outcome_of(f'user_id = {{ column = "c", {steps} }}', {"c": value}, salt=b"salt")

    assert found.get("user_id") == expected


@pytest.mark.parametrize("value", [2.5, True, {"a": 1}, ["a", 1.5]])
def test_a_step_rejects_what_is_no_text(value):
    (reason,) = outcome_of('user_id = { column = "c", strip = true }', {"c": value})

    assert "is not text" in reason


def test_a_step_changes_each_text_of_a_list():
    rule = 'product_ids = { column = "items[].id", strip = true, upper = true }'

    found = outcome_of(rule, {"items": [{"id": " a"}, {"id": ""}, {"id": "b "}]})

    assert found == {"product_ids": ["A", "B"]}


def test_a_value_that_does_not_match_rejects_or_skips_the_row():
    rule = 'user_id = {{ column = "c", extract = "[0-9]+"{} }}'

    (reason,) = outcome_of(rule.format(""), {"c": "no digit"})
    skipped = outcome_of(rule.format(', otherwise = "skip", skipped_as = "odd"'), {"c": "no digit"})

    assert reason.startswith("user_id")
    assert skipped == "odd"


def test_a_pattern_that_is_exponential_elsewhere_is_linear():
    rule = 'user_id = { column = "c", extract = "(a+)+$" }'

    (reason,) = outcome_of(rule, {"c": "a" * 100_000 + "!"})

    assert "extract" in reason


def test_a_lone_surrogate_is_a_reason_to_reject():
    assert isinstance(
        outcome_of('user_id = { column = "c", extract = "x" }', {"c": "x\ud800"}), list
    )


def test_an_address_is_extracted_before_the_identity_is_derived():
    plain = outcome_of('ip = "c"', {"c": "192.0.2.7"})
    extracted = outcome_of('ip = { column = "c", extract = "^([0-9.]+):" }', {"c": "192.0.2.7:80"})

    assert "anonymous_id" in plain
    assert extracted == plain


@pytest.mark.parametrize(
    ("rule", "cell", "expected"),
    [
        ('split = "|", item = "{product_ids} x {quantities}"', "S-30 x 1 | S-3 x 2",
         {"product_ids": ["S-30", "S-3"], "quantities": [1, 2]}),
        ('split = "|", item = "{product_ids} x {quantities}"', "S-7 x 12",
         {"product_ids": ["S-7"], "quantities": [12]}),
        ('split = ";", item = "{quantities} x {product_ids}"', "2 x box x large",
         {"product_ids": ["box x large"], "quantities": [2]}),
        ('split = ";", item = "{product_ids} x {quantities}"', "box x large x 2",
         {"product_ids": ["box x large"], "quantities": [2]}),
        ('split = ";", item = "{product_ids} ({*}) x {quantities}"', "S-1 (Oak (dark)) x 3",
         {"product_ids": ["S-1 (Oak"], "quantities": [3]}),
        ('split = ";", item = "[{product_ids}:{quantities}]"', "[a:1];[b:2.5]",
         {"product_ids": ["a", "b"], "quantities": [1, 2.5]}),
        ('split = ";", item = "{product_ids}*{quantities}", upper = true', "a*1;b*2",
         {"product_ids": ["A", "B"], "quantities": [1, 2]}),
        ('item = "{product_ids}*{quantities}"', ["a*1", "b*2"],
         {"product_ids": ["a", "b"], "quantities": [1, 2]}),
        ('split = ";", item = "SKU {product_ids}"', "SKU a; SKU b", {"product_ids": ["a", "b"]}),
    ],
)  # fmt: skip
def test_an_item_fills_all_attributes_of_its_pattern(rule, cell, expected):
    assert outcome_of(f'product_ids = {{ column = "c", {rule} }}', {"c": cell}) == expected


@pytest.mark.parametrize("cell", ["a", "a x", "x 2", "a x 1 | b", "a x two"])
def test_an_item_that_does_not_fit_rejects_the_row(cell):
    rule = 'product_ids = { column = "c", split = "|", item = "{product_ids} x {quantities}" }'

    assert isinstance(outcome_of(rule, {"c": cell}), list)


@given(st.lists(st.tuples(st.text("ab x_", min_size=1).filter(str.strip), st.integers(0, 99)),
                min_size=1))  # fmt: skip
def test_what_is_joined_by_a_pattern_is_divided_by_it(pairs):
    rule = 'product_ids = { column = "c", split = "|", item = "{product_ids} x {quantities}" }'
    cell = " | ".join(f"{name} x {number}" for name, number in pairs)

    found = outcome_of(rule, {"c": cell})

    assert found == {
        "product_ids": [name.strip() for name, _ in pairs],
        "quantities": [number for _, number in pairs],
    }


@pytest.fixture
def shop(tmp_path):
    """Return the path of a mapping file beside lookup tables."""
    (tmp_path / "p.csv").write_text("slug,id\noak,P1\nash,P2\ngone,\nash,P2\n", encoding="utf-8")
    (tmp_path / "p.tsv").write_text("\ufeffid\tslug\nP1\toak\n\nP2\tash\n", encoding="utf-8")
    (tmp_path / "semi.csv").write_text('slug;id\n"oak";"P1"\nash;P2\n', encoding="utf-8")
    (tmp_path / "flat.json").write_text('{"oak": "P1", "ash": 2, "gone": null}', encoding="utf-8")
    rows = [{"slug": "oak", "id": "P1"}, {"slug": "ash", "id": 2}]
    (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "twice.csv").write_text("slug,id\noak,P1\noak,P2\n", encoding="utf-8")
    (tmp_path / "twice.json").write_text('{"oak": 1, "oak": 2}', encoding="utf-8")
    (tmp_path / "ragged.csv").write_text("slug,id\noak\n", encoding="utf-8")
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    (tmp_path / "latin.csv").write_bytes("slug,id\nö,1\n".encode("latin-1"))
    (tmp_path / "list.json").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "broken.json").write_text('{"oak": ', encoding="utf-8")
    return tmp_path / "shop.toml"


BY_COLUMNS = 'file = "{}", key = "slug", value = "id"'


@pytest.mark.parametrize(
    ("table", "ash"),
    [
        (BY_COLUMNS.format("p.csv"), "P2"),
        (BY_COLUMNS.format("p.tsv"), "P2"),
        (BY_COLUMNS.format("semi.csv"), "P2"),
        (BY_COLUMNS.format("rows.json"), "2"),
        (BY_COLUMNS.format("rows.jsonl"), "2"),
        ('file = "flat.json"', "2"),
    ],
)
def test_a_table_beside_the_mapping_file_translates_values(shop, table, ash):
    rule = f'product_ids = {{ column = "c", split = ",", lookup = {{ {table} }} }}'

    assert outcome_of(rule, {"c": "oak, ash"}, shop) == {"product_ids": ["P1", ash]}


@pytest.mark.parametrize(
    ("otherwise", "expected"),
    [
        ("omit", {"product_ids": ["P1"], "quantities": [1]}),
        ("keep", {"product_ids": ["P1", "elm"], "quantities": [1, 2]}),
        ("skip", "value not listed in the mapping"),
    ],
)
def test_a_product_that_a_table_lacks_takes_its_quantity_with_it(shop, otherwise, expected):
    rule = (
        f'product_ids = {{ column = "c", split = ",", item = "{{product_ids}}:{{quantities}}", '
        f'lookup = {{ {BY_COLUMNS.format("p.csv")} }}, otherwise = "{otherwise}" }}'
    )

    assert outcome_of(rule, {"c": "oak:1, elm:2, gone:3"}, shop) == expected


def test_a_product_that_a_table_lacks_rejects_the_row_unless_told_otherwise(shop):
    rule = f'product_ids = {{ column = "c", lookup = {{ {BY_COLUMNS.format("p.csv")} }} }}'

    assert isinstance(outcome_of(rule, {"c": "elm"}, shop), list)
    assert outcome_of(rule, {"c": "gone"}, shop) == {}


def test_a_mapping_has_another_fingerprint_if_its_table_changes(shop):
    text = f'{TYPE}user_id = {{ column = "c", lookup = {{ {BY_COLUMNS.format("p.csv")} }} }}'
    before = parse_mapping(str(shop), text).fingerprint
    again = parse_mapping(str(shop), text).fingerprint
    (shop.parent / "p.csv").write_text("slug,id\noak,P1\nash,P3\n", encoding="utf-8")

    assert again == before != parse_mapping(str(shop), text).fingerprint


def test_a_table_of_100_000_rows_translates_values(shop):
    rows = "".join(f"slug-{i},{i}\n" for i in range(100_000))
    (shop.parent / "p.csv").write_text(f"slug,id\n{rows}", encoding="utf-8")
    rule = f'user_id = {{ column = "c", lookup = {{ {BY_COLUMNS.format("p.csv")} }} }}'

    assert outcome_of(rule, {"c": "slug-99999"}, shop) == {"user_id": "99999"}


@pytest.mark.parametrize(
    ("calculation", "row", "expected"),
    [
        ("{price} * {quantity}", {"price": "19.99", "quantity": "3"}, 59.97),
        ("{price} * {quantity}", {"price": 0.1, "quantity": 3}, 0.3),
        ("{price} * {quantity}", {"price": "2.50", "quantity": 2}, 5),
        ("{a} - {b} - 1", {"a": 5, "b": 2}, 2),
        ("{a} - ({b} - 1)", {"a": 5, "b": 2}, 4),
        ("-{a} + 2 * {b} / 4", {"a": 5, "b": 2}, -4),
        ("{a} / 3", {"a": 1}, 1 / 3),
        ("{order.unit price}*{order.n}", {"order": {"unit price": "1.1", "n": 3}}, 3.3),
        ("{a} * 0", {"a": "1e300"}, 0),
        ("{a} * {b}", {"a": "", "b": 2}, None),
        ("{a} * {b}", {"b": 2}, None),
    ],
)
def test_columns_are_calculated_with_in_decimals(calculation, row, expected):
    found = outcome_of(f'revenue = {{ calculate = "{calculation}" }}', row)

    assert found.get("revenue") == expected


@pytest.mark.parametrize(
    "row",
    [
        {"a": "x", "b": 1}, {"a": 1, "b": 0}, {"a": 0, "b": 0}, {"a": [1], "b": 1},
        {"a": "1e300", "b": "1e-300"}, {"a": "9" * 19, "b": 1}, {"a": True, "b": 1},
        {"a": "1e17", "b": "0.01"}, {"a": "1e-99999999999999999999", "b": 1},
    ],
)  # fmt: skip
def test_a_calculation_without_a_result_rejects_the_row(row):
    assert isinstance(outcome_of('revenue = { calculate = "{a} / {b}" }', row), list)


@given(st.decimals(0, 10**6, places=2), st.integers(0, 1000))
def test_a_product_is_the_nearest_number_to_the_exact_one(price, quantity):
    found = outcome_of('revenue = { calculate = "{a} * {b}" }', {"a": str(price), "b": quantity})

    assert found["revenue"] == float(price * quantity)


@pytest.mark.parametrize(
    ("rule", "row", "expected"),
    [
        ('column = "day", add = "ms"', {"day": "2025-03-01", "ms": "36000001"}, "2025-03-01T10:00:00.001Z"),
        ('column = "day", add = "ms", unit = "seconds"', {"day": "2025-03-01", "ms": 1.5}, "2025-03-01T00:00:01.500Z"),
        ('column = "day", add = "ms", unit = "hours"', {"day": "2025-03-01T12:00:00+02:00", "ms": -1}, "2025-03-01T09:00:00Z"),
        ('column = "day", add = "ms", format = "%d.%m.%Y", timezone = "Europe/Berlin"', {"day": "01.03.2025", "ms": "0"}, "2025-02-28T23:00:00Z"),
        ('column = "day", add = "ms"', {"day": "2025-03-01"}, None),
    ],
)  # fmt: skip
def test_a_time_span_is_added_to_a_timestamp(rule, row, expected):
    assert outcome_of(f"timestamp = {{ {rule} }}", row).get("timestamp") == expected


@pytest.mark.parametrize("span", ["x", "1e18", "-1e18", [1]])
def test_a_time_span_that_cannot_be_added_rejects_the_row(span):
    rule = 'timestamp = { column = "day", add = "ms" }'

    assert isinstance(outcome_of(rule, {"day": "2025-03-01", "ms": span}), list)


INVALID = {
    "pattern": 'user_id = { column = "c", extract = "(a" }',
    "group": 'user_id = { column = "c", extract = "(?P<id>a)", group = "it" }',
    "group alone": 'user_id = { column = "c", group = "it" }',
    "reference": r"""user_id = { column = "c", replace = { pattern = "(a)", with = '\2' } }""",
    "replace": 'user_id = { column = "c", replace = { txt = "a", with = "b" } }',
    "replace both": 'user_id = { column = "c", replace = { text = "a", pattern = "b", with = "b" } }',
    "both cases": 'user_id = { column = "c", lower = true, upper = true }',
    "near": 'user_id = { column = "c", extrct = "a" }',
    "hash": 'user_id = { column = "c", hash = "md5" }',
    "hash of a number": 'revenue = { column = "c", hash = "sha256" }',
    "salt": 'user_id = { column = "c", hash = "hmac-sha256" }',
    "step of a constant": 'user_id = { value = "c", strip = true }',
    "step of a result": 'revenue = { calculate = "{c}", strip = true }',
    "item": 'product_ids = { column = "c", item = "{quantities}" }',
    "item twice": 'product_ids = { column = "c", item = "{product_ids}-{product_ids}" }',
    "item without text": 'product_ids = { column = "c", item = "{product_ids}{quantities}" }',
    "item of no list": 'user_id = { column = "c", item = "{user_id}" }',
    "item with a rule": 'product_ids = { column = "c", item = "{product_ids}:{quantities}" }\nquantities = "n"',
    "item of nothing": 'product_ids = { column = "c", item = "{product_ids}:{quantitiez}" }',
    "calculation": 'revenue = { calculate = "{a} ** {b}" }',
    "calculation with a rest": 'revenue = { calculate = "{a} {b}" }',
    "calculation open": 'revenue = { calculate = "({a}" }',
    "calculation of nothing": 'revenue = { calculate = "1 + 1" }',
    "calculation too deep": f'revenue = {{ calculate = "{"(" * 60}{{a}}{")" * 60}" }}',
    "calculation too long": f'revenue = {{ calculate = "{{a}}{" + 1" * 400}" }}',
    "sign": 'revenue = { calculate = "{a} & {b}" }',
    "unit": 'timestamp = { column = "c", unit = "hours" }',
    "unknown unit": 'timestamp = { column = "c", add = "d", unit = "weeks" }',
    "add without a column": 'timestamp = { first_of = ["a"], add = "d" }',
    "add to a number": 'revenue = { column = "c", add = "d" }',
    "lookup and values": 'user_id = { column = "c", values = { a = "b" }, lookup = { file = "p.csv" } }',
    "no table": f'user_id = {{ column = "c", lookup = {{ {BY_COLUMNS.format("none.csv")} }} }}',
    "no columns": 'user_id = { column = "c", lookup = { file = "p.csv" } }',
    "no columns of rows": 'user_id = { column = "c", lookup = { file = "rows.json" } }',
    "near column": 'user_id = { column = "c", lookup = { file = "p.csv", key = "slg", value = "id" } }',
    "near name": 'user_id = { column = "c", lookup = { file = "rows.json", key = "slg", value = "id" } }',
    **{
        name: f'user_id = {{ column = "c", lookup = {{ {BY_COLUMNS.format(name)} }} }}'
        for name in ("twice.csv", "ragged.csv", "empty.csv", "latin.csv", "list.json", "broken.json")
    },
    "twice.json": 'user_id = { column = "c", lookup = { file = "twice.json" } }',
}  # fmt: skip


@pytest.mark.parametrize("rule", INVALID.values(), ids=INVALID)
def test_a_rule_that_cannot_be_used_is_reported_with_its_line(rule, shop, golden, monkeypatch):
    monkeypatch.chdir(shop.parent)
    with pytest.raises(MappingError) as caught:
        outcome_of(rule, {"c": "oak"})

    assert "shop.toml:3" in str(caught.value) or "shop.toml:4" in str(caught.value)
    assert str(caught.value) == golden


def test_a_step_of_a_column_that_the_header_lacks_is_reported(golden):
    with pytest.raises(MappingError) as caught:
        outcome_of('revenue = { calculate = "{prise} * 2" }', {}, columns=("price",))

    assert str(caught.value) == golden


def test_columns_of_calculations_are_renamed():
    rules = (
        'revenue = { calculate = "{price} * 2" }\n'
        'timestamp = { column = "day", add = "ms" }\n[columns]\nprice = "prix"\nms = "temps"'
    )

    found = outcome_of(rules, {"prix": 3, "day": "2025-03-01", "temps": 0})

    assert found == {"revenue": 6, "timestamp": "2025-03-01T00:00:00Z"}


def test_a_pattern_without_its_package_names_the_extra(monkeypatch, golden):
    monkeypatch.setitem(sys.modules, "re2", None)
    compile_regex.cache_clear()

    with pytest.raises(MappingError) as caught:
        outcome_of('user_id = { column = "c", extract = "a" }', {"c": "a"})

    assert str(caught.value) == golden
