import json

import pytest

from miso_upload.sandbox.refusals import RefusalReporter
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from tests.helpers.requests_to_sandbox import BAD, GOOD


@pytest.fixture(scope="module")
def reporter():
    schema = shipped_schema()
    return RefusalReporter(schema, RecordValidator(schema, needs_timestamp=False, needs_id=False))


@pytest.mark.parametrize(
    "record",
    [
        {"type": "like", "product_ids": "P1"},
        {"type": "like", "timestamp": "yesterday (noon)"},
        {"type": "like", "miso_id": "7"},
        {"type": "like", "context": {"truncated_ip": "fe80:0:0:0:0:0:0:1"}},
        {"type": "like", "product_ids": ["P1", 2]},
        {"type": "like", "user_id": ["u1"]},
        {"type": "rate", "rating": True},
        {"type": "like", "rating": "5"},
        {"user_id": "u1"},
        {"type": "custom"},
        "like",
        [],
    ],
    ids=json.dumps,
)
def test_a_line_names_the_record_the_attribute_the_value_and_the_reason(reporter, record, golden):
    assert reporter.lines([record]) == golden


def test_a_long_value_is_shown_in_part(reporter):
    (line,) = reporter.lines([{"type": "like", "user_id": "u" * 600}])

    assert line.startswith(f"data.0.user_id ({'u' * 200}…) is invalid.")
    assert "512" in line


def test_each_reason_has_its_line(reporter):
    lines = reporter.lines([{"type": "like", "timestamp": "now", "product_ids": 1}])

    assert [line.split(" ")[0] for line in lines] == ["data.0.timestamp", "data.0.product_ids"]


@pytest.mark.parametrize("index", [0, 255, 256, 999])
def test_a_bad_record_is_found_wherever_it_stands(reporter, index):
    records = [GOOD] * 1000
    records[index] = BAD

    (line,) = reporter.lines(records)

    assert line.startswith(f"data.{index}.product_ids ")


def test_good_records_have_no_lines(reporter):
    assert reporter.lines([GOOD] * 1000) == []
    assert reporter.lines([]) == []
