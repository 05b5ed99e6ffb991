import contextlib
import copy
import json
import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from miso_upload.errors import ConfigurationError, MappingError
from miso_upload.records import Findings
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import (
    Mapped,
    Mapper,
    MappingSpec,
    rules_of_options,
    without_nulls,
)
from miso_upload.transform.record_ids import RecordIds
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.generators import records
from tests.helpers.mapped import outcomes_of

VIEW = {
    "type": "product_detail_page_view",
    "timestamp": "2024-05-01T10:00:00Z",
    "user_id": "u",
    "product_ids": ["p"],
}


def mapper(header=None, *, zone=None, identity=None, columns=(), constants=(), **plan):
    rules = rules_of_options(map("=".join, columns), map("=".join, constants))
    return Mapper(
        MappingSpec(rules, **plan),
        shipped_schema(),
        TimestampReader(zone),
        identity or IdentityPolicy(),
        header,
    )


def json_record(row, findings=None, **options):
    """Return what a JSON row becomes: a record, or the texts of the reasons."""
    return outcome(both_ways(mapper(**options), row, findings))


def csv_record(row, findings=None, **options):
    """Return what a CSV row becomes: a record, or the texts of the reasons."""
    return outcome(both_ways(mapper(tuple(row), **options), row, findings))


def both_ways(mapper, row, findings=None):
    """Return what a row becomes, and see that rows mapped together become the same.

    Nulls apart, which are left out later where rows are mapped together.
    """
    before, found, closer = copy.deepcopy(row), findings or Findings(), Findings()
    close = mapper.map_row(row, 1, found)
    assert row == before
    for _ in range(2):
        mapper.map_row(row, 1, closer)
    together = Findings()
    outcomes = outcomes_of(mapper.map_rows([row, row], [1, 1], together))
    assert row == before
    assert [without_nulls_in_it(each) for each in outcomes] == [close, close]
    assert together == closer
    return close


def without_nulls_in_it(outcome):
    if isinstance(outcome, Mapped):
        return outcome._replace(record=without_nulls(outcome.record))
    return outcome


def outcome(mapped):
    if isinstance(mapped, Mapped):
        return mapped.record
    return [reason.text for reason in mapped]


@given(records())
def test_a_valid_record_is_mapped_to_itself(record):
    assume(":null" not in json.dumps(record, separators=(",", ":")))
    assume(mapper().leaves_unchanged([record], RecordIds.of([record])))

    assert json_record(record) == record


def test_nulls_are_left_out_at_any_depth():
    row = {
        **VIEW,
        "miso_id": None,
        "context": {"locale": None, "page": {"url": "u", "title": None}},
    }

    assert json_record(row) == {**VIEW, "context": {"page": {"url": "u"}}}


def test_empty_cells_are_absent():
    assert csv_record({"type": "like", "user_id": "", "product_ids": "p"}) == {
        "type": "like",
        "product_ids": ["p"],
    }


@pytest.mark.parametrize("name", ["user_id", "anonymous_id"])
def test_an_empty_id_in_json_is_absent_too(name):
    assert name not in json_record({**VIEW, name: ""})


def test_dotted_columns_and_nested_objects_are_merged():
    row = {**VIEW, "context.page.url": "u", "context": {"locale": "de"}}

    assert json_record(row)["context"] == {"page": {"url": "u"}, "locale": "de"}


def test_a_dotted_column_that_conflicts_with_text_rejects_the_row(golden):
    assert json_record({**VIEW, "context": "x", "context.page.url": "u"}) == golden


def test_the_cells_of_a_csv_row_are_converted():
    row = {
        "type": "checkout",
        "timestamp": "2024-05-01T10:00:00Z",
        "user_id": "007",
        "product_ids": "a|b",
        "quantities": "1|2",
        "revenue": "19.90",
        "context": '{"locale": "de"}',
        "context.custom_context.shop": "berlin",
    }

    assert csv_record(row, list_separator="|") == {
        "type": "checkout",
        "timestamp": "2024-05-01T10:00:00Z",
        "user_id": "007",
        "product_ids": ["a", "b"],
        "quantities": [1, 2],
        "revenue": 19.9,
        "context": {"locale": "de", "custom_context": {"shop": "berlin"}},
    }


def test_a_cell_that_cannot_be_converted_is_named(golden):
    assert csv_record({"type": "checkout", "revenue": "much"}) == golden


def test_a_mapped_cell_is_named_with_its_column(golden):
    assert (
        csv_record({"type": "checkout", "total": "much"}, columns=(("revenue", "total"),)) == golden
    )


def test_every_problem_of_a_row_is_reported():
    row = {"type": "checkout", "revenue": "x", "quantities": "y", "timestamp": "z"}

    assert len(csv_record(row)) == 3


def test_a_json_value_under_its_own_name_is_not_converted():
    assert json_record({**VIEW, "user_id": 42})["user_id"] == 42


def test_a_json_value_that_the_user_names_is_converted():
    record = json_record(
        {**VIEW, "user_id": 42, "sku": "p1"},
        columns=(("user_id", "user_id"), ("product_ids", "sku")),
    )

    assert (record["user_id"], record["product_ids"]) == ("42", ["p1"])


def test_a_dotted_path_leads_into_nested_objects():
    row = {**VIEW, "item": {"product": {"id": "p9"}}}

    assert json_record(row, columns=(("product_ids", "item.product.id"),))["product_ids"] == ["p9"]


def test_a_column_whose_name_has_a_dot_is_preferred_to_a_path():
    row = {**VIEW, "item.id": "literal"}

    assert json_record(row, columns=(("product_ids", "item.id"),))["product_ids"] == ["literal"]


def test_one_column_can_be_mapped_to_several_attributes():
    record = csv_record({"id": "x"}, columns=(("user_id", "id"), ("product_ids", "id")))

    assert record == {"user_id": "x", "product_ids": ["x"]}


def test_a_constant_wins_over_a_column_of_its_name():
    assert json_record({**VIEW, "type": "view"}, constants=(("type", "like"),))["type"] == "like"


def test_a_constant_is_the_default_of_an_empty_column():
    both = {"columns": (("type", "event"),), "constants": (("type", "like"),)}

    assert [csv_record({"event": cell}, **both)["type"] for cell in ("", "read")] == [
        "like",
        "read",
    ]


def test_a_constant_is_converted():
    record = json_record(VIEW, constants=(("product_ids", "p1"), ("context.locale", "de")))

    assert (record["product_ids"], record["context"]) == (["p1"], {"locale": "de"})


def test_an_attribute_that_the_type_does_not_have_is_left_out_and_counted():
    findings = Findings()

    record = json_record({**VIEW, "revenue": 3}, findings)

    assert record == VIEW
    assert findings.not_of_type == {("revenue", "product_detail_page_view"): 1}


def test_a_column_that_nobody_named_is_left_out_and_counted():
    findings = Findings()

    record = json_record({**VIEW, "brand": "acme"}, findings)

    assert record == VIEW
    assert findings.unmapped == {"brand": 1}


def test_strict_refuses_a_header_with_an_unmapped_column(golden):
    with pytest.raises(MappingError) as caught:
        mapper(("type", "brand"), strict=True)

    assert str(caught.value) == golden


def test_strict_rejects_a_json_row_with_an_unmapped_column(golden):
    assert json_record({**VIEW, "brand": "acme"}, strict=True) == golden


@pytest.mark.parametrize("row", [[], "text", 3, None, True])
def test_a_row_that_is_no_object_is_rejected(row, golden):
    assert json_record(row) == golden


def test_a_timestamp_without_a_zone_is_rejected():
    (reason,) = json_record({**VIEW, "timestamp": "2024-05-01 10:00:00"})

    assert "--timezone" in reason


def test_a_timestamp_without_a_zone_uses_the_configured_one():
    record = json_record({**VIEW, "timestamp": "2024-05-01 10:00:00"}, zone="Europe/Berlin")

    assert record["timestamp"] == "2024-05-01T08:00:00Z"


def test_an_ambiguous_timestamp_is_read_with_a_warning():
    findings = Findings()

    json_record({**VIEW, "timestamp": "2024-10-27 02:30:00"}, findings, zone="Europe/Berlin")

    assert "ambiguous" in next(iter(findings.warnings))


def test_ip_and_user_agent_make_an_id_and_are_not_sent():
    row = {"type": "like", "ip": "203.0.113.42", "user_agent": "Browser/1"}

    record = json_record(row)

    assert len(record["anonymous_id"]) == 64
    assert record["context"] == {"truncated_ip": "203.0.113.0", "user_agent": "Browser/1"}
    assert "203.0.113.42" not in repr(record)


def test_an_address_in_the_context_feeds_the_identity_and_is_removed():
    record = json_record({"type": "like", "context": {"ip": "203.0.113.42", "locale": "de"}})

    assert record["context"] == {"locale": "de", "truncated_ip": "203.0.113.0"}
    assert "anonymous_id" in record


def test_a_column_can_be_mapped_into_the_attribute_of_its_name():
    assert csv_record({"search": "red"}, columns=(("search.keywords", "search"),)) == {
        "search": {"keywords": "red"}
    }


def test_the_columns_of_the_identity_can_be_named():
    record = csv_record({"client": "203.0.113.42"}, columns=(("ip", "client"),))

    assert record["context"]["truncated_ip"] == "203.0.113.0"


def test_an_invalid_address_is_rejected_and_not_shown(golden):
    reasons = json_record({"type": "like", "ip": "203.0.113.999"})

    assert "203.0.113.999" not in reasons[0]
    assert reasons == golden


def test_a_forwarded_list_without_trusted_proxies_causes_a_warning():
    findings = Findings()

    json_record({"type": "like", "ip": "203.0.113.1, 198.51.100.7"}, findings)

    assert "--trusted-proxies" in next(iter(findings.warnings))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"columns": (("product_id", "sku"),)}, id="no attribute"),
        pytest.param({"constants": (("revenue", "much"),)}, id="no number"),
        pytest.param({"constants": (("timestamp", "yesterday"),)}, id="no time"),
        pytest.param({"columns": (("product_ids", "skuu"),)}, id="no column"),
    ],
)
def test_an_invalid_mapping_is_an_error_before_anything_is_read(options, golden):
    with pytest.raises(MappingError) as caught:
        mapper(("sku",), **options)

    assert str(caught.value) == golden


@pytest.mark.parametrize("text", ["product_ids", "=sku", "product_ids=", ""])
def test_an_invalid_assignment_is_an_error(text, golden):
    with pytest.raises(ConfigurationError) as caught:
        rules_of_options([text], ())

    assert str(caught.value) == golden


def test_an_attribute_that_is_assigned_twice_is_an_error(golden):
    with pytest.raises(ConfigurationError) as caught:
        rules_of_options(["user_id=a", "user_id=b"], ())

    assert str(caught.value) == golden


json_rows = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "context", "ip", "x", "page", "url"]), inner)
    ),
    max_leaves=12,
)


@given(json_rows)
def test_no_row_makes_it_raise(row):
    assert isinstance(both_ways(mapper(), row), tuple)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "type", "ip", "user_agent", "context", "context.page.url"]),
        json_rows | st.sampled_from(["", "-", "192.0.2.7", "192.0.2.7, 192.0.2.8", "search", "7"]),
    ),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["type", "user_id", "rating", "product_ids", "timestamp", "context.page.url",
                 "context.locale", "ip", "user_agent", "search", "search.keywords"]
            ),
            st.sampled_from(["a", "b", "context.x", "context"]),
        ),
        unique_by=lambda pair: pair[0],
    ),
)  # fmt: skip
def test_both_paths_map_any_row_alike(row, columns):
    both_ways(mapper(columns=columns), row)
    if all(isinstance(cell, str) for cell in row.values()):
        with contextlib.suppress(MappingError):
            both_ways(mapper(tuple(row), columns=columns), row)


def test_a_mapper_can_be_pickled():
    original = mapper(("sku",))

    other = pickle.loads(pickle.dumps(original))

    assert other.map_row({"sku": "x"}, 1, Findings()) == original.map_row(
        {"sku": "x"}, 1, Findings()
    )
