import json

import pytest

from miso_upload.sandbox.refusals import Critic
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator

from .talk import BAD, GOOD


@pytest.fixture(scope="module")
def critic():
    schema = shipped_schema()
    return Critic(schema, RecordValidator(schema, needs_timestamp=False, needs_id=False))


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
def test_a_line_names_the_record_the_attribute_the_value_and_the_reason(critic, record, golden):
    assert critic.lines([record]) == golden


def test_a_long_value_is_shown_in_part(critic):
    (line,) = critic.lines([{"type": "like", "user_id": "u" * 600}])

    assert line.startswith(f"data.0.user_id ({'u' * 200}…) is invalid.")
    assert "512" in line


def test_each_reason_has_its_line(critic):
    lines = critic.lines([{"type": "like", "timestamp": "now", "product_ids": 1}])

    assert [line.split(" ")[0] for line in lines] == ["data.0.timestamp", "data.0.product_ids"]


@pytest.mark.parametrize("index", [0, 255, 256, 999])
def test_a_bad_record_is_found_wherever_it_stands(critic, index):
    records = [GOOD] * 1000
    records[index] = BAD

    (line,) = critic.lines(records)

    assert line.startswith(f"data.{index}.product_ids ")


def test_good_records_have_no_lines(critic):
    assert critic.lines([GOOD] * 1000) == []
    assert critic.lines([]) == []
