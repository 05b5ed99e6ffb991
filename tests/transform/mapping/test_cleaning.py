"""Null words are absent in ids, lists and numbers; texts stay as they are."""

import json

import pytest

from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapped, Mapper, parse_mapping
from miso_upload.transform.record_ids import RecordIds
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.null_words import DEFAULT_NULL_WORDS, NullWords, null_words
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.mapped import outcomes_of
from tests.helpers.rows import row

BASE = {"type": "checkout", "timestamp": "2026-03-01T10:00:00Z"}


def mapped(given, mapping="", *, cells=False, **spec):
    """Return what one row becomes on both paths, and the null words that were counted."""
    file = parse_mapping("mapping.toml", mapping)
    mapper = Mapper(
        file.spec._replace(**spec),
        shipped_schema(),
        TimestampReader(),
        IdentityPolicy(),
        tuple(given) if cells else None,
    )
    one, many = Findings(), Findings()
    exact = mapper.map_row(given, 1, one)
    both = outcomes_of(mapper.map_rows([given, given], [1, 2], many))
    mapper.map_row(given, 2, one)
    assert both == [exact, exact]
    assert many == one
    found = {word: count // 2 for word, count in one.null_words.items()}
    return (exact.record if isinstance(exact, Mapped) else [r.text for r in exact]), found


@pytest.mark.parametrize("word", DEFAULT_NULL_WORDS)
@pytest.mark.parametrize("cells", [True, False], ids=["cells", "json"])
def test_a_null_word_is_absent_in_an_id_and_counted(word, cells):
    record, counted = mapped({**BASE, "user_id": word}, cells=cells)

    assert (record, counted) == (BASE, {word: 1})


@pytest.mark.parametrize("word", ["null", "NONE", "nan", "Undefined", " NULL ", "\tn/a"])
def test_spellings_and_blanks_around_a_null_word_do_not_matter(word):
    record, counted = mapped({**BASE, "anonymous_id": word})

    assert (record, counted) == (BASE, {word.strip(): 1})


@pytest.mark.parametrize("text", ["0", "anonymous", "nullable", "u-NULL", "n.a.", "\u00a0"])
def test_other_texts_stay_ids(text):
    record, counted = mapped({**BASE, "user_id": text})

    assert (record["user_id"], counted) == (text, {})


@pytest.mark.parametrize("name", ["search.keywords", "context.page.title", "context.locale"])
def test_texts_are_left_alone(name):
    title = " NULL 12.0 "

    record, counted = mapped({**BASE, "type": "search", name: title}, cells=True)

    for step in name.split("."):
        record = record[step]
    assert (record, counted) == (title, {})


@pytest.mark.parametrize(
    ("given", "products", "counted"),
    [
        (["a", "NULL", " b "], ["a", "b"], {"NULL": 1}),
        (["undefined", ""], None, {"undefined": 1, "(blank)": 1}),
        ('["nan", "b"]', ["b"], {"nan": 1}),
        ("NULL", None, {"NULL": 1}),
        ([], [], {}),
    ],
)
def test_null_words_are_no_items_of_a_list(given, products, counted):
    mapping = '[attributes]\nproduct_ids = "skus"'

    record, found = mapped({**BASE, "skus": given}, mapping)

    assert (record.get("product_ids"), found) == (products, counted)


def test_a_split_cell_loses_its_null_words():
    record, counted = mapped({**BASE, "product_ids": "a| NULL |b"}, cells=True, list_separator="|")

    assert record == {**BASE, "product_ids": ["a", "b"]}
    assert counted == {"NULL": 1}


def test_a_split_cell_loses_the_quantity_of_a_null_word():
    record, _ = mapped(
        {**BASE, "product_ids": "a| NULL |b", "quantities": "1|9|2"},
        cells=True,
        list_separator="|",
    )

    assert record == {**BASE, "product_ids": ["a", "b"], "quantities": [1, 2]}


@pytest.mark.parametrize("cells", [True, False], ids=["cells", "json"])
def test_a_null_word_is_no_number(cells):
    record, counted = mapped({**BASE, "revenue": "NaN", "duration": " "}, cells=cells)

    assert (record, counted) == (BASE, {"NaN": 1, "(blank)": 1})


def test_a_default_takes_the_place_of_a_null_word():
    mapping = '[attributes]\nuser_id = { column = "who", default = "nobody" }'

    assert mapped({**BASE, "who": "NULL"}, mapping)[0]["user_id"] == "nobody"


def test_the_first_column_without_a_null_word_counts():
    mapping = '[attributes]\nuser_id = { first_of = ["member", "guest"] }'

    record, counted = mapped({**BASE, "member": "NULL", "guest": "g1"}, mapping)
    assert (record["user_id"], counted) == ("g1", {})
    assert mapped({**BASE, "member": "NULL", "guest": ""}, mapping) == (BASE, {"NULL": 1})


@pytest.mark.parametrize(
    "rule",
    ['{ template = "{shop}-{who}" }', '{ columns = ["shop", "who"] }'],
    ids=["template", "join"],
)
def test_an_id_of_several_columns_is_absent_if_one_has_a_null_word(rule):
    record, counted = mapped(
        {**BASE, "shop": "de", "who": "NULL"}, f"[attributes]\nuser_id = {rule}"
    )

    assert (record, counted) == (BASE, {"NULL": 1})


def test_a_value_table_may_give_a_null_word_a_meaning():
    rule = '{ column = "who", values = { "-" = "guest" }, otherwise = "keep" }'

    record, counted = mapped({**BASE, "who": "-"}, f"[attributes]\nuser_id = {rule}")

    assert (record["user_id"], counted) == ("guest", {})


def test_a_null_word_in_a_url_is_no_product():
    mapping = '[[routes]]\nmatch = "/p/{product_ids}"\ntype = "product_detail_page_view"'

    record, counted = mapped({**BASE, "user_id": "u", "url": "/p/undefined"}, mapping)

    assert ("product_ids" in record, counted) == (False, {"undefined": 1})


def test_an_anonymous_id_is_derived_if_the_user_is_a_null_word():
    record, _ = mapped({**BASE, "user_id": "NULL", "ip": "192.0.2.7"})

    assert record.keys() == {*BASE, "anonymous_id", "context"}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ((), "u\\N"),
        (("none, x",), "NULL"),
        (("",), "NULL"),
        (("default", "x"), "none of these"),
    ],
)
def test_the_list_of_words_can_be_changed(given, left):
    words = NullWords(null_words(given))

    assert words.found(left) is None
    assert (words.found("x") == "x") == ("x" in ",".join(given))


@pytest.mark.parametrize("value", ["123.0", " 123.00 ", "-7.0"])
@pytest.mark.parametrize("cells", [True, False], ids=["cells", "json"])
def test_an_id_with_a_fraction_is_rejected(value, cells):
    reasons, _ = mapped({**BASE, "user_id": value}, cells=cells)

    assert "float_ids" in reasons[0]


@pytest.mark.parametrize("value", ["123.0", " 123.00 ", 123.0])
def test_an_id_with_a_fraction_can_be_read_as_an_integer(value):
    mapping = '[attributes]\nuser_id = { column = "uid", float_ids = "integer" }'
    given = {**BASE, "uid": value, "product_ids": ["45.0"]}

    assert mapped({**BASE, "uid": value}, mapping)[0]["user_id"] == "123"
    assert mapped(given, mapping, float_ids=True)[0]["product_ids"] == ["45"]


@pytest.mark.parametrize("value", ["1.5", "12345678901234567.0", 1.5, 1e300])
def test_other_numbers_with_a_fraction_are_not_rounded(value):
    mapping = '[attributes]\nuser_id = { column = "uid", float_ids = "integer" }'

    found, _ = mapped({**BASE, "uid": value}, mapping)

    assert found["user_id"] == value if value == "1.5" else isinstance(found, list)


def test_a_slice_with_something_to_clean_is_not_passed_through():
    mapper = Mapper(
        parse_mapping("", "").spec, shipped_schema(), TimestampReader(), IdentityPolicy(), None
    )
    odd = [
        {"user_id": "NULL"}, {"user_id": " u"}, {"anonymous_id": "a\t"}, {"product_ids": ["a", ""]},
        {"product_group_ids": ["12.0"]}, {"category": ["-"]}, {"category": ["a "]},
        {"question_id": "undefined"},
    ]  # fmt: skip

    for each in odd:
        rows = [row(1), row(2, **each)]
        assert not mapper.leaves_unchanged(rows, RecordIds.of(rows)), json.dumps(each)
    rows = [row(1), row(2, category=["Living room", "12.0"], product_ids=["v1.05", "a b"])]
    assert mapper.leaves_unchanged(rows, RecordIds.of(rows))
