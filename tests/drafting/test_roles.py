import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.drafting import mapping_text
from miso_upload.records import Findings
from miso_upload.transform.mapping import Mapped, Skipped
from tests.helpers.drafting import draft, mapper, record, rules, table

TIMES = ["2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z", "2024-05-03T10:00:00Z"]
THREE = ["a1", "b2", "a1"]


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("userId", "user_id"), ("CustomerID", "user_id"), ("customer-no", "user_id"),
        ("original_customer_id", "user_id"), ("reviewerID", "user_id"), ("Kunde", "user_id"),
        ("visitorId", "anonymous_id"), ("client_id", "anonymous_id"),
        ("session_id", "anonymous_id"),
        ("product_id", "product_ids"), ("movieId", "product_ids"), ("StockCode", "product_ids"),
        ("parent_asin", "product_ids"), ("SKU", "product_ids"), ("Artikelnummer", "product_ids"),
        ("item_product_id", "product_ids"),
    ],
)  # fmt: skip
def test_ids_are_recognised_by_name(name, attribute):
    assert rules(draft(table(**{name: THREE}, at=TIMES)))[attribute] == name


@pytest.mark.parametrize("name", ["seller_id", "order_id", "tenant_id", "referrer_user_id"])
def test_other_ids_are_not_users(name):
    assert "user_id" not in rules(draft(table(**{name: THREE}, at=TIMES)))


def test_a_user_is_preferred_to_a_session_which_is_left_out():
    found = draft(table(user_id=THREE, user_session=["x", "y", "z"], at=TIMES))

    assert "anonymous_id" not in rules(found)
    assert [(each.path, "session" in each.reason) for each in found.left_out] == [
        ("user_session", True)
    ]


def test_a_session_is_used_if_rows_have_no_user(golden):
    found = draft(table(user_id=["u", "", "v"], user_session=["x", "y", "z"], at=TIMES))

    assert rules(found)["anonymous_id"] == "user_session"
    assert found.of("user_id").unsure[-1] == golden


def test_recurring_random_ids_are_an_unsure_visitor():
    one, two = "31cb1a4bfecf9361e583c5da7ec9ad71", "7141d54f67eefe8231c3eb8026403e43"
    found = draft(table(thing=[one, two, one], at=TIMES))

    assert rules(found)["anonymous_id"] == "thing"
    assert found.of("anonymous_id").unsure


def test_rows_without_an_identity_are_reported():
    assert any("identity" in problem for problem in draft(table(at=TIMES)).missing)


def offers(found):
    return {each.attribute: each.rule["column"] for each in found.offers}


def test_email_addresses_are_no_active_ids():
    found = draft(table(email=["a@b.c", "d@e.f"], at=TIMES[:2]))

    assert found.of("user_id") is None
    assert offers(found) == {"user_id": "email"}
    assert any("identity" in problem for problem in found.missing)
    assert "user_id" not in record(table(email=["a@b.c"], at=TIMES[:1], event=["view"]))


def test_an_account_is_preferred_to_an_email_address():
    found = draft(table(user=["a@b.c", "d@e.f"], member_id=["1", "2"], at=TIMES[:2]))

    assert rules(found)["user_id"] == "member_id"


@pytest.mark.parametrize(
    ("name", "attribute"), [("sku", "product_ids"), ("user_id", "user_id"), ("sid", "anonymous_id")]
)
def test_a_constant_is_no_active_id(name, attribute):
    one = draft(table(**{name: ["a1"] * 10}, at=["2024-05-01T10:00:00Z"] * 10))
    two = draft(table(**{name: ["a1", "b2"] * 5}, at=["2024-05-01T10:00:00Z"] * 10))

    assert offers(one) == {attribute: name}
    assert attribute not in rules(one)
    assert rules(two)[attribute] == name


@pytest.mark.parametrize("word", ["NULL", "\\N", "None", "nan", "undefined", "(not set)", "-"])
def test_a_column_of_mostly_null_words_is_left_out(word, golden):
    found = draft(table(user_id=[word, word, "u"], sku=["a1", word, "b2"], at=TIMES))

    assert "user_id" not in rules(found)
    assert rules(found)["product_ids"] == "sku"
    (left,) = [each for each in found.left_out if each.path == "user_id"]
    assert left.reason == golden


def test_every_column_that_is_left_out_has_a_reason():
    found = draft(table(user_id=THREE, colour=["a", "b", "c"], note=["-"] * 3, at=TIMES))

    assert all(each.reason for each in found.left_out)


def test_categories_are_no_events():
    found = draft(table(category=["home", "search", "share"], user_id=THREE, at=TIMES))

    assert found.of("type").rule == {"value": "product_detail_page_view"}


def test_few_known_words_among_types_of_something_are_no_events():
    found = draft(table(type=["movie", "series", "share"], user_id=THREE, at=TIMES))

    assert "value" in found.of("type").rule


def test_floats_are_unsure_ids():
    assert "17850.0" in draft(table(CustomerID=["17850.0", "1.0"])).of("user_id").unsure[0]


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["A1 B2", "C3"], " "), (["a,b", "c"], ","), (["a; b", "c"], ";"), (["a|b", "c"], "|"),
        (["blue shirt", "red"], None), (['["a","b"]', "[]"], None), (["a1", "b2"], None),
    ],
)  # fmt: skip
def test_lists_in_cells_are_split(cells, separator):
    rule = draft(table(skus=cells, at=TIMES[:2])).of("product_ids").rule

    assert rule.get("split") == separator


def test_products_in_a_list_of_objects_have_their_quantities():
    rows = [{"order_id": 7, "items": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 1}]}]

    found = rules(draft(rows))

    assert found["type"] == {"value": "checkout"}
    assert (found["product_ids"], found["quantities"]) == ("items[].sku", "items[].qty")


def test_the_only_item_of_a_list_can_be_the_user_or_the_revenue():
    rows = [{"event": "purchase", "users": [{"id": "u"}], "payment": [{"revenue": 9}], "sku": "a1"}]

    found = rules(draft(rows))

    assert (found["user_id"], found["revenue"]) == ("users[0].id", "payment[0].revenue")
    assert not [each for each in draft(rows).left_out if "[" in each.path]


def test_quantities_with_nulls_are_left_out():
    rows = [{"order_id": 7, "items": [{"sku": "a", "qty": None}, {"sku": "b", "qty": 1}]}]

    assert "quantities" not in rules(draft(rows))


def test_json_in_cells_is_parsed():
    rows = table(payload=['{"href": "https://a.example/x", "user": {"id": 7}}'] * 3, at=TIMES)

    found = rules(draft(rows))

    assert found["context.page.url"] == "payload.href"
    assert found["user_id"] == "payload.user.id"


def test_ip_addresses_are_recognised_by_value_or_by_name_and_value():
    assert rules(draft(table(c=["203.0.113.7", "2001:db8::1"])))["ip"] == "c"
    assert rules(draft(table(client_ip=["203.0.113.7"])))["ip"] == "client_ip"
    assert "ip" not in rules(draft(table(client_ip=["31cb1a4bfecf9361"])))


def test_user_agents_are_recognised_by_value():
    assert rules(draft(table(b=["Mozilla/5.0 (X11)"])))["user_agent"] == "b"


def test_a_page_needs_a_url():
    rows = table(url=["https://a.example", ""], referrer=["https://b.example"] * 2)

    found = rules(draft(rows))

    assert "context.page.url" in found
    assert "context.page.referrer" not in found


def test_paths_are_unsure_and_the_note_names_the_template():
    assert "template" in draft(table(path=["/a", "/b"])).of("context.page.url").unsure[0]


def test_event_names_get_their_types_and_unknown_ones_are_skipped():
    rows = table(
        event=["Product Viewed", "add-to-cart", "scrolled"],
        user_id=THREE,
        product_id=THREE,
        at=TIMES,
    )
    found = draft(rows)

    assert found.of("type").rule == {
        "column": "event",
        "values": {"Product Viewed": "product_detail_page_view", "add-to-cart": "add_to_cart"},
        "otherwise": "skip",
    }
    assert found.unknown_events == [("scrolled", 1)]
    assert record(rows)["type"] == "product_detail_page_view"
    assert isinstance(mapper(found).map_row(rows[2], 1, Findings()), Skipped)


def test_a_view_of_any_page_is_no_active_product_view():
    rows = table(event=["pageview", "purchase", "pageview"], user_id=THREE, at=TIMES)
    found = draft(rows)

    assert found.of("type").rule == {
        "column": "event", "values": {"purchase": "checkout"}, "otherwise": "skip",
    }  # fmt: skip
    assert "routes" in found.of("type").unsure[0]
    assert isinstance(mapper(found).map_row(rows[0], 1, Findings()), Skipped)
    assert '# "pageview" = "product_detail_page_view"' in mapping_text(found, "a", "b")


def test_rows_with_only_views_of_pages_have_no_active_type():
    found = draft(table(event=["pageview"] * 3, sku=THREE, user_id=THREE, at=TIMES))

    assert found.of("type") is None
    assert [each.rule["values"] for each in found.offers] == [
        {"pageview": "product_detail_page_view"}
    ]
    assert any("routes" in problem for problem in found.missing)
    assert rules(found)["product_ids"] == "sku"


def test_rows_without_an_event_are_skipped():
    rows = table(event=["view", ""], user_id=["u", "v"])

    assert draft(rows).skips[0][0] == {"name": "no event", "column": "event", "empty": True}


def test_unknown_event_names_are_reported():
    found = draft(table(event_type=["scrolled", "zoomed"], user_id=["u", "v"]))

    assert found.of("type").rule == {"value": "product_detail_page_view"}
    assert "scrolled" in found.of("type").unsure[1]


@pytest.mark.parametrize(
    ("columns", "type_name"),
    [
        ({"rating": ["1", "5"]}, "rate"),
        ({"InvoiceNo": ["7", "8"]}, "checkout"),
        ({"quantity": ["1", "2"]}, "checkout"),
        ({"search_term": ["hat", "coat"]}, "search"),
        ({"track_id": ["t1", "t2"]}, "listen"),
        ({"url": ["https://a.example"] * 2}, "product_detail_page_view"),
    ],
)
def test_the_type_of_rows_without_events_is_guessed(columns, type_name):
    found = draft(table(**columns)).of("type")

    assert (found.rule, bool(found.unsure)) == ({"value": type_name}, True)


def test_negative_quantities_are_skipped_as_returns():
    rows = table(InvoiceNo=["1", "2"], sku=["a1", "b2"], Quantity=["3", "-3"], user_id=["u", "v"],
                 at=TIMES[:2])  # fmt: skip

    assert isinstance(mapper(draft(rows)).map_row(rows[1], 1, Findings()), Skipped)
    assert record(rows)["quantities"] == 3


@pytest.mark.parametrize(("most", "scale"), [("5", None), ("10", 0.5), ("100", 0.05)])
def test_ratings_are_scaled_to_five(most, scale):
    assert draft(table(rating=["1", most])).of("rating").rule.get("scale") == scale


def test_a_unit_price_is_not_the_revenue_if_there_are_quantities():
    rows = {"order_id": ["1", "2"], "price": ["9.99", "5"]}

    assert draft(table(**rows)).of("revenue").unsure
    assert draft(table(**rows, quantity=["1", "2"])).of("revenue") is None


def test_several_currencies_make_the_revenue_unsure():
    found = draft(table(order_id=["1", "2"], total=["1", "2"], currency=["EUR", "USD"]))

    assert "EUR, USD" in found.of("revenue").unsure[0]
    assert "currency" in [each.path for each in found.left_out]


def test_personal_values_are_not_shown():
    rows = table(order_id=["1"], first_name=["Ada"], mail=["a@b.c"], note=["from 203.0.113.7"])

    shown = [each.example for each in draft(rows).left_out]

    assert not [text for text in shown if "Ada" in text or "@" in text or "203" in text]


NAMED = (
    "user_id sku items type event timestamp date time ip url price rating quantity search context "
    "category value order_id currency a.b x[] q"
)
CELLS_LIKE = (
    "", "1260759144", "2024-05-01", "1/2/2024", "10:00", "view", "a b", "a,b", "-3", "1e400",
    "203.0.113.7", "https://a.example/x", '{"id": 1}', '[{"sku": null}, 3]', "[[1]]", "5.0",
)  # fmt: skip
NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(NAMED.split())
CELLS = st.text(max_size=12) | st.sampled_from(CELLS_LIKE)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.lists(NAMES, min_size=1, max_size=6, unique=True))
def test_any_table_yields_a_valid_mapping_file(data, names):
    cells = st.tuples(*[CELLS] * len(names))
    rows = [dict(zip(names, row, strict=True)) for row in data.draw(st.lists(cells, max_size=5))]

    compiled = mapper(draft(rows), columns=tuple(names))

    for row in rows:
        assert isinstance(compiled.map_row(row, 1, Findings()), Mapped | Skipped | tuple)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dictionaries(NAMES, JSON, max_size=5) | JSON, max_size=5))
def test_any_json_rows_yield_a_valid_mapping_file(rows):
    compiled = mapper(draft(rows))

    for row in rows:
        assert isinstance(compiled.map_row(row, 1, Findings()), Mapped | Skipped | tuple)
