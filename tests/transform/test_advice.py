import pytest

from miso_upload.records import Findings
from miso_upload.transform.warnings import survey
from tests.helpers.rows import row


def warnings(*records):
    found = Findings()
    survey(records, range(1, len(records) + 1), found)
    return list(found.warnings)


def of_type(name, **attributes):
    record = row(1, type=name, **attributes)
    if name == "search":
        del record["product_ids"]
    return record


def without_products(name, **attributes):
    record = of_type(name, **attributes)
    del record["product_ids"]
    return record


@pytest.mark.parametrize(
    "record",
    [
        of_type("rate", rating=5.5),
        of_type("rate", rating=-1),
        of_type("rate"),
        of_type("search"),
        of_type("checkout", quantities=[0]),
        of_type("add_to_cart", quantities=-1),
        of_type("checkout", quantities=[1, 2]),
        without_products("product_detail_page_view"),
        without_products("add_to_cart"),
        without_products("rate", rating=1),
        without_products("listen"),
        without_products("like"),
        without_products("impression"),
        without_products("click"),
        without_products("refund"),
        of_type("like", timestamp="1999-12-31T23:59:59Z"),
        of_type("like", timestamp="2199-12-31T23:59:59Z"),
        of_type("like", timestamp="1998-12-31T23:59:60Z"),
    ],
)
def test_what_the_schema_allows_but_miso_advises_against_is_warned_about(record, golden):
    assert warnings(record) == golden


@pytest.mark.parametrize(
    "record",
    [
        of_type("rate", rating=0),
        of_type("rate", rating=5),
        of_type("search", search={"keywords": ""}),
        of_type("checkout", quantities=[1]),
        of_type("checkout", quantities=2),
        of_type("checkout"),
        of_type("like", rating=99),
        without_products("checkout", product_group_ids=["g"]),
        without_products("home_page_view"),
        without_products("subscribe"),
        without_products("submit"),
    ],
)
def test_what_is_as_it_should_be_is_not_warned_about(record):
    assert warnings(record) == []


def test_a_warning_is_counted_with_its_first_line_as_the_example(golden):
    found = Findings()

    survey([row(1), of_type("rate", rating=7), of_type("rate", rating=9)], (4, 5, 6), found)

    (tally,) = found.warnings.values()
    assert tally.count == 2
    assert tally.line == 5
    assert tally.example == golden


def test_an_orders_total_on_each_of_its_lines_is_warned_about(golden):
    order = {"type": "checkout", "timestamp": "2024-05-01T10:00:00Z", "user_id": "u1"}
    records = [
        {**order, "product_ids": ["a"], "revenue": 9.5},
        {**order, "product_ids": ["b"], "revenue": 9.5},
        {**order, "product_ids": ["c"], "revenue": 2},
        {**order, "product_ids": ["d"], "revenue": 2, "user_id": "u2"},
        {**order, "product_ids": ["d"], "revenue": 2, "user_id": "u2"},
        {**order, "product_ids": ["e"], "user_id": "u2"},
        {**order, "product_ids": ["f"], "user_id": "u2"},
    ]
    findings = Findings()

    survey(records, range(1, 8), findings)

    assert {text: (each.count, each.line) for text, each in findings.warnings.items()} == golden
