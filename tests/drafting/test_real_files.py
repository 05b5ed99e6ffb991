"""Mappings are drafted for real files, and applied to their rows."""

import functools
import re

import pytest

from miso_upload import Settings, check
from miso_upload.drafting import mapping_text
from tests.helpers.drafting import draft_of_file, mapper, rules

SNOWPLOW = "_com_snowplowanalytics_snowplow_ecommerce_"
REES46 = {
    "user_id": "user_id",
    "product_ids": "product_id",
    "timestamp": "event_time",
    "revenue": "price",
    "type": {
        "column": "event_type",
        "values": {
            "view": "product_detail_page_view",
            "cart": "add_to_cart",
            "purchase": "checkout",
        },
    },
}
MOVIELENS = {
    "user_id": "userId",
    "product_ids": "movieId",
    "rating": "rating",
    "timestamp": "timestamp",
    "type": {"value": "rate"},
}
SUPERSTORE = {
    "user_id": "Customer ID",
    "product_ids": "Product ID",
    "quantities": "Quantity",
    "revenue": "Sales",
    "timestamp": {"column": "Order Date", "format": "%m/%d/%Y"},
    "type": {"value": "checkout"},
}
ONLINE_RETAIL = {
    "user_id": {"column": "CustomerID", "float_ids": "integer"},
    "product_ids": "StockCode",
    "quantities": "Quantity",
    "timestamp": "InvoiceDate",
    "type": {"value": "checkout"},
}
KIBANA = {
    "user_id": "customer_id",
    "product_ids": "products[].product_id",
    "quantities": "products[].quantity",
    "revenue": "taxful_total_price",
    "timestamp": "order_date",
    "type": {"column": "type", "values": {"order": "checkout"}},
}
GOOGLE_TYPES = {
    "home-page-view": "home_page_view",
    "search": "search",
    "detail-page-view": "product_detail_page_view",
}
GOOGLE = {
    "anonymous_id": "visitorId",
    "product_ids": "productDetails.product.id",
    "search.keywords": "searchQuery",
    "timestamp": "eventTime",
    "type": {"column": "eventType", "values": GOOGLE_TYPES},
}
TINYBIRD = {
    "anonymous_id": "session_id",
    "user_agent": "payload.userAgent",
    "context.page.url": "payload.href",
    "context.page.referrer": "payload.referrer",
    "context.locale": "payload.locale",
    "timestamp": "timestamp",
}
SNOWPLOW_FOUND = {
    "user_id": f"contexts{SNOWPLOW}user_1_0_0[0].id",
    "revenue": f"contexts{SNOWPLOW}transaction_1_0_0[0].revenue",
    "anonymous_id": "domain_userid",
    "product_ids": f"contexts{SNOWPLOW}product_1_0_0[].id",
    "user_agent": "useragent",
    "context.page.url": "page_url",
    "context.page.referrer": "page_referrer",
    "timestamp": "derived_tstamp",
    "type": {
        "column": f"unstruct_event{SNOWPLOW}snowplow_ecommerce_action_1_0_0.type",
        "values": {
            "product_view": "product_detail_page_view",
            "list_view": "category_page_view",
            "add_to_cart": "add_to_cart",
            "remove_from_cart": "remove_from_cart",
            "transaction": "checkout",
            "promo_view": "promo_page_view",
            "refund": "refund",
        },
        "otherwise": "skip",
    },
}
# The rules; the attributes marked unsure; rows = valid + rejected + skipped.
FILES = {
    "ecommerce/rees46_2019-Oct.csv": (REES46, "revenue", "17,435 = 17,434 + 1 + 0"),
    "media/ml-latest-small_ratings.csv": (MOVIELENS, "type", "100,004 = 100,004 + 0 + 0"),
    "ecommerce/superstore_bom_usdates.csv": (
        SUPERSTORE, "timestamp type", "9,994 = 9,994 + 0 + 0"),
    "ecommerce/online_retail_2010-12-01.csv": (
        ONLINE_RETAIL, "timestamp type user_id", "3,108 = 1,942 + 1,139 + 27"),
    "ecommerce/elastic_kibana_ecommerce_orders.json.gz": (
        KIBANA, "product_ids revenue", "4,675 = 4,675 + 0 + 0"),
    "ecommerce/google_retail_user_events.json": (GOOGLE, "", "4 = 4 + 0 + 0"),
    "ecommerce/google_retail_user_events_some_invalid.json": (
        {**GOOGLE, "type": {**GOOGLE["type"], "otherwise": "skip"}}, "", "4 = 3 + 0 + 1"),
    "analytics/tinybird_analytics_events.ndjson": (
        TINYBIRD, "anonymous_id timestamp", "5,001 = 0 + 5,001 + 0"),
    "analytics/snowplow_ecommerce_events_apache2.csv": (
        SNOWPLOW_FOUND, "anonymous_id revenue timestamp user_id",
        "832 = 348 + 0 + 484"),
}  # fmt: skip
LOCAL_TIMES = {
    "analytics/snowplow_ecommerce_events_apache2.csv",
    "analytics/tinybird_analytics_events.ndjson",
    "ecommerce/online_retail_2010-12-01.csv",
    "ecommerce/superstore_bom_usdates.csv",
}


@functools.cache
def draft_of(path):
    return draft_of_file(path)


@pytest.mark.parametrize("name", FILES)
def test_the_draft_of_a_real_file(name, shared_data):
    found = draft_of(shared_data / name)

    expected, unsure, _ = FILES[name]
    assert rules(found) == expected
    marked = {each.attribute for each in found.guesses if each.unsure or each.needs_zone}
    assert marked == set(unsure.split())
    assert found.needs_zone == (name in LOCAL_TIMES)


@pytest.mark.parametrize("name", FILES)
def test_the_records_of_a_real_file(name, shared_data, tmp_path):
    path = shared_data / name
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(mapping_text(draft_of(path).in_zone("UTC"), name, "m"), "utf-8")

    totals = check(Settings.of(inputs=(str(path),), mapping=str(mapping))).totals

    counts = (totals.rows, totals.pending, totals.rejected, totals.skipped)
    assert counts == tuple(int(count.replace(",", "")) for count in
                           re.findall(r"[\d,]+", FILES[name][2]))  # fmt: skip


def test_any_real_file_yields_a_valid_mapping_file(shared_data):
    for folder in ("ecommerce", "media", "analytics"):
        for path in sorted((shared_data / folder).iterdir()):
            if path.name.removesuffix(".gz").endswith((".csv", ".json", ".ndjson")):
                mapper(draft_of(path))
