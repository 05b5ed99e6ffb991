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
    ("record", "line"),
    [
        (
            {"type": "like", "product_ids": "P1"},
            (
                "data.0.product_ids (P1) is invalid. The attribute was expected to be of type"
                " ''array', 'null'' but type 'string' was given."
            ),
        ),
        (
            {"type": "like", "timestamp": "yesterday (noon)"},
            (
                "data.0.timestamp (yesterday (noon)) is invalid."
                " The attribute should match the 'date-time' format."
            ),
        ),
        (
            {"type": "like", "miso_id": "7"},
            "data.0.miso_id (7) is invalid. The attribute should match the 'uuid' format.",
        ),
        (
            {"type": "like", "context": {"truncated_ip": "::1"}},
            (
                "data.0.context.truncated_ip (::1) is invalid."
                " The attribute should match the 'ipv4' format."
            ),
        ),
        (
            {"type": "like", "product_ids": ["P1", 2]},
            (
                "data.0.product_ids.1 (2) is invalid. The attribute was expected to be of type"
                " ''string', 'null'' but type 'number' was given."
            ),
        ),
        (
            {"type": "like", "user_id": ["u1"]},
            (
                "data.0.user_id is invalid. The attribute was expected to be of type"
                " ''string', 'null'' but type 'array' was given."
            ),
        ),
        (
            {"type": "rate", "rating": True},
            (
                "data.0.rating (true) is invalid. The attribute was expected to be of type"
                " ''number', 'null'' but type 'boolean' was given."
            ),
        ),
        (
            {"type": "like", "rating": "5"},
            "data.0.rating (5) is invalid. It is not an attribute of like.",
        ),
        ({"user_id": "u1"}, "data.0 is invalid. It has no type."),
        ({"type": "custom"}, "data.0 is invalid. It has no custom_action_name."),
        ("like", "data.0 (like) is invalid. It is not an object."),
        ([], "data.0 is invalid. It is not an object."),
    ],
)
def test_a_line_names_the_record_the_attribute_the_value_and_the_reason(critic, record, line):
    assert critic.lines([record]) == [line]


def test_a_long_value_is_shown_in_part(critic):
    (line,) = critic.lines([{"type": "like", "user_id": "u" * 600}])

    assert line.startswith(f"data.0.user_id ({'u' * 200}…) is invalid. It is longer than 512")


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
