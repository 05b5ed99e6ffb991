import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.delivery.request_bodies import ENVELOPE_BYTES, RequestBody
from miso_upload.values.json import decode, encode
from tests.helpers.doubles import batch_of, record

RECORDS = st.lists(
    st.dictionaries(
        st.text(max_size=5),
        st.text(max_size=30)
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False),
        max_size=3,
    ),
    min_size=1,
    max_size=30,
)


def body_of(records, **options):
    batch = batch_of(records, **options)
    return RequestBody(batch.slices, batch.lines, batch.counts)


def with_lengths(body, records):
    """Give a body the lengths of its records, and return it."""
    body.lengths = [len(encode(each)) for each in records]
    return body


def body(count, **options):
    return body_of([record(number) for number in range(1, count + 1)], **options)


def content(body):
    """Return the line and the record of each record in a body."""
    return list(zip(body.lines, decode(body.encoded())["data"], strict=True))


def test_encoded_wraps_the_records_in_an_object():
    assert body_of([{"a": 1}, {"b": 2}], slice_rows=1).encoded() == b'{"data":[{"a":1},{"b":2}]}'


def test_halves_split_between_slices():
    first, second = body(10, slice_rows=3).halves()

    assert (len(first), len(second)) == (6, 4)


def test_without_removes_records_and_their_lines():
    remaining = body(6).without({0, 3})

    assert list(remaining.lines) == [2, 3, 5, 6]
    assert [each["user_id"] for each in remaining.records()] == ["u2", "u3", "u5", "u6"]


@pytest.mark.parametrize("what", ["halves", "without", "split_to", "slices"])
def test_pieces_keep_the_causes_of_doubt(what):
    whole = body(8, slice_rows=2 if what == "slices" else 8)
    whole.causes = ("503", "408")

    pieces = {
        "halves": whole.halves,
        "slices": whole.halves,
        "without": lambda: [whole.without({1})],
        "split_to": lambda: list(whole.split_to(100)),
    }[what]()

    assert all(piece.causes == ("503", "408") for piece in pieces)


@given(RECORDS, st.integers(1, 8))
def test_size_is_the_length_of_the_encoded_body(records, slice_rows):
    whole = body_of(records, slice_rows=slice_rows)

    assert whole.size == len(whole.encoded())


@given(RECORDS, st.integers(1, 8), st.integers(1, 400))
def test_split_to_keeps_every_record_and_the_limit(records, slice_rows, max_bytes):
    whole = body_of(records, slice_rows=slice_rows)

    bodies = list(whole.split_to(max_bytes))

    assert [pair for each in bodies for pair in content(each)] == content(whole)
    assert all(each.size <= max_bytes or len(each) == 1 for each in bodies)


@given(RECORDS.filter(lambda records: len(records) > 1), st.integers(1, 8))
def test_halves_keep_every_record(records, slice_rows):
    whole = body_of(records, slice_rows=slice_rows)

    first, second = whole.halves()

    assert content(first) + content(second) == content(whole)
    assert len(first)
    assert len(second)


@given(RECORDS, st.data())
def test_without_keeps_the_other_records_unchanged(records, data):
    whole = body_of(records, slice_rows=data.draw(st.integers(1, 8)))
    indices = data.draw(st.sets(st.integers(0, len(records) - 1)))

    remaining = whole.without(indices)

    kept = [each for i, each in enumerate(records) if i not in indices]
    assert remaining.records() == kept
    assert remaining.encoded() == b'{"data":[' + b",".join(map(encode, kept)) + b"]}"
    assert remaining.size == len(remaining.encoded()) >= ENVELOPE_BYTES


@given(RECORDS, st.integers(1, 8), st.booleans(), st.data())
def test_records_are_cut_out_by_their_indices(records, slice_rows, has_lengths, data):
    whole = body_of(records, slice_rows=slice_rows)
    if has_lengths:
        with_lengths(whole, records)
    indices = sorted(data.draw(st.sets(st.integers(0, len(records) - 1))))

    some = whole.at_indices(indices)

    kept = [records[i] for i in indices]
    assert some.records() == kept
    assert list(some.lines) == [i + 1 for i in indices]
    assert some.encoded() == b'{"data":[' + b",".join(map(encode, kept)) + b"]}"
    assert some.size == len(some.encoded())


@given(RECORDS, st.integers(1, 8), st.data())
def test_a_subset_can_be_cut_again(records, slice_rows, data):
    body = with_lengths(body_of(records, slice_rows=slice_rows), records)
    left = list(enumerate(records, start=1))

    while left:
        kept = sorted(data.draw(st.sets(st.integers(0, len(left) - 1), max_size=len(left) - 1)))
        body = body.at_indices(kept)
        left = [left[i] for i in kept]
        assert content(body) == left
        if len(left) > 1:
            first, second = body.halves()
            assert content(first) + content(second) == left
            body, left = second, left[len(first) :]


def test_records_are_cut_out_without_being_decoded(monkeypatch):
    records = [record(number) for number in range(20)]
    whole = with_lengths(body_of(records), records)
    monkeypatch.setattr(RequestBody, "records", None)

    assert content(whole.at_indices([3, 4, 17])) == [(i + 1, records[i]) for i in (3, 4, 17)]
