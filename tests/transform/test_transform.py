import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.delivery.request_bodies import RequestBody
from miso_upload.records import Block, Reason
from miso_upload.sources.formats.jsonl import JsonLines
from miso_upload.transform.block import Transform
from miso_upload.transform.identity import IdentityPolicy
from miso_upload.transform.mapping import Mapper, MappingSpec
from miso_upload.transform.mapping.conditions import Condition
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from miso_upload.values.json import decode, decode_joined, encode
from miso_upload.values.timestamps import TimestampReader
from tests.helpers.generators import damaged_records, records
from tests.helpers.rows import row

SCHEMA = shipped_schema()
VALIDATOR = RecordValidator(SCHEMA)
NEVER = Condition("never", "a column that there is not", empty=False)
"""Skips nothing, but needs every row looked at."""
FORMAT = JsonLines(row_bytes=2**20)


def transform(*skips, **said):
    plan = MappingSpec(skips=skips, **said)
    mapper = Mapper(plan, SCHEMA, TimestampReader(), IdentityPolicy(), None)
    return Transform(FORMAT, mapper, VALIDATOR)


def block(rows, first_line=1):
    texts = [each if isinstance(each, bytes) else encode(each) for each in rows]
    data = b"".join(text + b"\n" for text in texts)
    return Block(1, 0, len(data), first_line, len(texts), data)


def sent(batch):
    return decode_joined(batch.slices)


def test_valid_rows_are_mapped_in_order_with_their_lines():
    rows = [row(number) for number in range(1_000)]

    batch = transform()(block(rows, first_line=7))

    assert sent(batch) == rows
    assert list(batch.lines) == list(range(7, 1_007))
    assert (batch.rows, batch.rejections, sum(batch.counts)) == (1_000, (), 1_000)


def test_an_invalid_row_rejects_only_itself(golden):
    rows = [row(number) for number in range(600)]
    rows[300] = {**rows[300], "timestamp": "2025-13-01"}

    batch = transform()(block(rows))

    assert len(sent(batch)) == 599
    assert 301 not in batch.lines
    (rejection,) = batch.rejections
    assert (rejection.line, rejection.row) == (301, rows[300])
    assert rejection.reasons[0].text == golden


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"product_ids": 7, "revenue": "much"}, True),
        ({"type": "no such type"}, False),
        ({"type": None}, False),
        ({"timestamp": "yesterday"}, False),
        ({"timestamp": None}, False),
        ({"user_id": None}, False),
        ({"user_id": ""}, False),
    ],
)
def test_type_timestamp_and_id_make_a_row_a_record(changed, expected):
    assert transform().is_record({**row(1), **changed}) is expected


def test_a_skipped_row_counts_as_a_record():
    skip = Condition("all", "type", empty=False)

    assert transform(skip).is_record({**row(1), "timestamp": "yesterday"})
    assert not transform(skip).is_record("no object")


def test_a_rejected_row_is_kept_as_it_was_read():
    read = {"type": "like", "ip": "203.0.113.42", "note": None}

    (rejection,) = transform()(block([read])).rejections

    assert rejection.row == read


@given(st.lists(records() | damaged_records(), max_size=30))
def test_a_slice_gives_the_same_batch_as_its_rows_one_by_one(rows):
    trusting = transform()(block(rows))
    looking = transform(NEVER)(block(rows))

    assert list(trusting.lines) == list(looking.lines)
    assert [found.line for found in trusting.rejections] == [
        found.line for found in looking.rejections
    ]
    assert sent(trusting) == sent(looking)


@given(st.lists(st.binary(max_size=60).filter(lambda text: b"\n" not in text), max_size=20))
def test_whatever_the_bytes_every_row_is_accounted_for(texts):
    batch = transform()(block(texts))

    assert batch.rows == len(batch.lines) + len(batch.rejections) + batch.skipped
    assert batch.rows == sum(bool(text.strip(b" \t\r\n")) for text in texts)


@given(st.lists(records(), min_size=1, max_size=20))
def test_the_records_sent_are_those_validated(rows):
    batch = transform()(block(rows))

    body = decode(RequestBody(batch.slices, batch.lines, batch.counts).encoded())
    assert set(body) == {"data"}
    assert VALIDATOR.accepts(body["data"])


def test_no_null_is_ever_sent_under_a_name():
    rows = [row(1, context={"unknown": None, "page": {"url": "u", "more": {"x": None}}})]

    assert sent(transform()(block(rows))) == [
        row(1, context={"page": {"url": "u", "more": {}}}),
    ]


def test_no_address_of_a_context_is_ever_sent():
    rows = [row(1, context={"ip": "203.0.113.42"})]

    assert sent(transform()(block(rows))) == [row(1, context={"truncated_ip": "203.0.113.0"})]


def test_repeated_keys_are_sent_as_validated():
    text = encode(row(1))[:-1] + b',"type":"like"}'

    assert sent(transform()(block([text])))[0]["type"] == "like"


def test_text_that_looks_like_null_is_sent_unchanged():
    rows = [row(1, product_ids=['":null'])]

    assert sent(transform()(block(rows))) == rows


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":[{"x":1}',
        b"{},{}",
        b"1,2",
        b"[" * 5_000,
        b'{"type":"like","context":{"x":' + b"[" * 500 + b"]" * 500 + b"}}",
        b'{"type":"like","context":{"x":' + b'{"y":' * 900 + b"1" + b"}" * 901 + b"}",
        b'"\\ud800"',
        b"NaN",
        b'{"type":"like","user_id":123456789012345678901234567890}',
        b"\x00",
        b"\xff\xfe",
    ],
)
def test_a_hostile_row_is_rejected_and_its_neighbours_are_sent(text):
    batch = transform()(block([row(1), text, row(3)]))

    assert list(batch.lines) == [1, 3]
    assert [rejection.line for rejection in batch.rejections] == [2]


def test_a_fault_of_the_source_is_one_rejection():
    fault = Reason("the row", "is too long")

    batch = transform()(Block(1, 0, 999, 5, 1, b"{...", fault))

    assert (batch.rows, batch.checksum, len(batch.rejections)) == (1, b"", 1)
    assert batch.rejections[0].line == 5


def test_a_skipped_row_is_counted_by_the_rule_that_skipped_it():
    batch = transform(Condition("bots", "user_id", like=("bot-*",)))(
        block([row(1), row(2, user_id="bot-9"), row(3)])
    )

    assert (batch.rows, len(batch.lines), batch.skipped) == (3, 2, 1)
    assert batch.findings.skipped == {"bots": 1}


def test_findings_count_the_records():
    rows = [
        {"type": "like", "timestamp": "2024-05-02T00:00:00Z", "ip": "203.0.113.42"},
        {**row(2), "timestamp": "2024-05-01T23:30:00-02:00"},
        {**row(3), "anonymous_id": "a"},
    ]

    found = transform()(block(rows)).findings

    assert found.types == {"like": 1, "product_detail_page_view": 2}
    assert (found.ids["user_id"], found.ids["anonymous_id"]) == (2, 2)
    assert found.ids["anonymous_id derived"] == 1
    assert found.first_timestamp < found.last_timestamp
    assert str(found.last_timestamp) == "2024-05-04 10:00:00+00:00"


def test_an_id_that_was_derived_for_a_rejected_row_is_not_counted():
    found = transform()(block([{"type": "like", "ip": "203.0.113.42"}])).findings

    assert found.ids["anonymous_id derived"] == 0


def test_a_transform_works_the_same_in_another_process():
    original = transform()
    rows = block([row(1), {"type": "nothing"}])

    assert pickle.loads(pickle.dumps(original))(rows) == original(rows)


def visit(second, **changes):
    return {
        "type": "home_page_view",
        "timestamp": f"2024-05-01T10:{second // 60:02}:{second % 60:02}Z",
        "ip": "203.0.113.42",
        "user_agent": "Browser/1.0",
        **changes,
    }


def test_a_visitor_over_the_bot_rate_is_skipped():
    busy = [visit(second) for second in range(4)]
    others = [visit(60), visit(1, ip="203.0.113.43"), visit(2, user_agent="Browser/2.0")]

    batch = transform(bot_rate=3)(block([*busy, *others]))

    assert (batch.rows, batch.skipped, list(batch.lines)) == (7, 4, [5, 6, 7])
    assert list(batch.findings.skipped.values()) == [4]


def test_a_visitor_at_the_bot_rate_is_not_skipped():
    assert transform(bot_rate=4)(block([visit(second) for second in range(4)])).skipped == 0


def test_skipped_rows_make_no_visitor_a_bot():
    pages = Condition("assets", "user_id", like=("asset",))
    rows = [visit(second, user_id="asset") for second in range(9)]

    batch = transform(pages, bot_rate=1)(block([*rows, visit(9)]))

    assert batch.findings.skipped == {"assets": 9}
    assert list(batch.lines) == [10]
