"""Quantities go with their products, also where a product is absent; both paths agree."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.records import Findings
from miso_upload.transform.mapping import Mapped, parse_mapping
from tests.helpers.mapped import mapper_of, outcomes_of

PATHS = """
[attributes]
type.value = "checkout"
timestamp.value = "2024-05-01T10:00:00Z"
user_id.value = "u1"
product_ids = "items[].sku"
quantities = "items[].n"
"""
CELLS = PATHS.replace('"items[].sku"', '{ column = "skus", split = "|" }').replace(
    '"items[].n"', '{ column = "ns", split = "|" }'
)


def bought(text, row, columns=None):
    """Return the products and quantities of a row, from the exact path."""
    found = mapper_of(parse_mapping("m.toml", text), columns).map_row(row, 1, Findings())
    assert isinstance(found, Mapped), found
    return found.record.get("product_ids"), found.record.get("quantities")


@pytest.mark.parametrize("absent", [{"n": 7}, {"sku": None, "n": 7}, {"sku": " ", "n": 7}])
def test_an_item_without_a_product_takes_its_quantity_with_it(absent):
    row = {"items": [{"sku": "a", "n": 2}, absent, {"sku": "b", "n": 3}]}

    assert bought(PATHS, row) == (["a", "b"], [2, 3])


@pytest.mark.parametrize("skus", ["a||b", "a| |b", '["a", "", "b"]', '["a", null, "b"]'])
@pytest.mark.parametrize("ns", ["2|7|3", "[2, 7, 3]"])
def test_an_empty_part_of_a_cell_takes_its_quantity_with_it(skus, ns):
    assert bought(CELLS, {"skus": skus, "ns": ns}, ("skus", "ns")) == (["a", "b"], [2, 3])


def test_without_any_product_there_are_no_quantities():
    assert bought(PATHS, {"items": [{"n": 1}, {"n": 2}]}) == (None, None)


def test_quantities_that_do_not_fit_stay_as_they_are():
    row = {"skus": "a||b", "ns": "2|3"}

    assert bought(CELLS, row, ("skus", "ns")) == (["a", "b"], [2, 3])


products = st.sampled_from(["a", "b", "", " ", None])
amounts = st.sampled_from(["1", "2", "", None])
pairs = st.lists(st.tuples(products, amounts), max_size=4)


def as_paths(some):
    return {"items": [{"sku": sku, "n": n and int(n)} for sku, n in some]}


def as_cells(some):
    return {
        "skus": "|".join(sku or "" for sku, _ in some),
        "ns": "|".join(n or "" for _, n in some),
    }


def as_lists(some):
    return {
        "skus": json.dumps([sku for sku, _ in some]),
        "ns": json.dumps([n and int(n) for _, n in some]),
    }


@pytest.mark.parametrize(
    ("text", "row_of", "columns"),
    [(PATHS, as_paths, None), (CELLS, as_cells, ("skus", "ns")), (CELLS, as_lists, ("skus", "ns"))],
)
@given(some=st.lists(pairs, min_size=2, max_size=6))
def test_both_paths_agree(text, row_of, columns, some):
    mapper = mapper_of(parse_mapping("m.toml", text), columns)
    rows = [row_of(each) for each in some]

    together = outcomes_of(mapper.map_rows(rows, range(1, len(rows) + 1), Findings()))

    assert together == [mapper.map_row(row, 1, Findings()) for row in rows]


@given(some=pairs.filter(lambda some: any((sku or "").strip() and n for sku, n in some)))
def test_each_product_has_its_own_quantity(some):
    some = [(sku, n or "9") for sku, n in some]
    wanted = [(sku.strip(), int(n)) for sku, n in some if (sku or "").strip()]

    for text, row in ((PATHS, as_paths(some)), (CELLS, as_cells(some))):
        columns = None if text is PATHS else ("skus", "ns")
        skus, ns = bought(text, row, columns)
        assert list(zip(skus, ns if isinstance(ns, list) else [ns], strict=True)) == wanted
