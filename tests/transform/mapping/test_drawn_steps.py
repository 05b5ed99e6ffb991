"""Both paths map rows alike under any rule with steps, and no rule raises an error."""

import json
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapper, parse_mapping
from miso_upload.transform.options import IdentityOptions
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.mapped import outcomes_of

STEPS = {
    "strip": [True, False, "a", "-|"],
    "replace": [
        {"text": "a", "with": "b"},
        {"pattern": "[ab]+", "with": ""},
        {"pattern": "(a+)+$", "with": r"\1\1"},
        [{"text": "x", "with": " "}, {"text": "b", "with": "7"}],
    ],
    "lower": [True],
    "extract": ["[a-z]+", "([0-9]+)|b", "^(?P<all>.*)$", "(a+)+$"],
    "otherwise": ["skip", "omit", "keep"],
    "default": ["5", "a"],
    "values": [{"a": "1"}, {"b": "", "": "7"}],
    "split": ["|", "-"],
    "hash": ["sha256", "hmac-sha256"],
}
TEXTS = st.sampled_from(["user_id", "context.locale", "ip"])
LISTS = st.just("product_ids")
NUMBERS = st.sampled_from(["revenue", "quantities", "timestamp"])
CELLS = st.one_of(
    st.text("aAbx -|.17", max_size=12),
    st.sampled_from(["2025-03-01", "192.0.2.1", "A x 1 | b x 2", "\ud800", "a" * 300]),
    st.none(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.booleans(),
    st.lists(st.one_of(st.none(), st.text("ab", max_size=2), st.integers(0, 3)), max_size=3),
    st.just({"a": 1}),
)


def rule_text(attribute, steps, source):
    pairs = ", ".join(f"{key} = {toml(value)}" for key, value in steps.items())
    return f'"{attribute}" = {{ {source}{", " if pairs else ""}{pairs} }}'


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def steps_of(*left_out):
    names = [name for name in STEPS if name not in left_out]
    return st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(STEPS[name]) for name in names}
    )


SOURCES = st.sampled_from(['column = "a"', 'first_of = ["a", "b"]', 'columns = ["a", "b"]'])
ITEM = st.just('column = "a", item = "{product_ids} x {quantities}"')
RULES = st.one_of(
    st.builds(rule_text, TEXTS, steps_of("split"), SOURCES),
    st.builds(rule_text, LISTS, steps_of(), SOURCES | ITEM),
    st.builds(rule_text, NUMBERS, steps_of("hash", "default", "values"), SOURCES),
    st.sampled_from(
        [
            'revenue = { calculate = "{a} * {b} - {a} / 7", min = 0 }',
            'revenue = { calculate = "-{a} / ({b} - 1)", default = 3 }',
            'timestamp = { column = "a", add = "b" }',
            'timestamp = { column = "a", add = "b", unit = "days", default = "2025-03-01" }',
        ]
    ),
)


@cache
def mapper_of(rule, *, as_cells):
    spec = parse_mapping("shop.toml", f'[attributes]\ntype.value = "checkout"\n{rule}\n').spec
    policy = IdentityPolicy(IdentityOptions(anonymous_id_salt=b"salt"))
    columns = ("a", "b") if as_cells else None
    return Mapper(spec, shipped_schema(), TimestampReader("UTC"), policy, columns)


@settings(max_examples=200, deadline=None)
@given(RULES, st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS}), max_size=6), st.booleans())
def test_both_paths_map_rows_alike_under_any_steps(rule, rows, as_cells):
    if as_cells:
        rows = [{name: str(cell or "") for name, cell in row.items()} for row in rows]
    mapper = mapper_of(rule, as_cells=as_cells)
    fast, exact = Findings(), Findings()
    lines = range(1, len(rows) + 1)

    many = outcomes_of(mapper.map_rows(rows, lines, fast))
    one = [mapper.map_row(row, line, exact) for row, line in zip(rows, lines, strict=True)]

    assert (many, fast) == (one, exact)
