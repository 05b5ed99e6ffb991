import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.delivery.parts import ENVELOPE_BYTES, Part
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


def part_of(records, **options):
    batch = batch_of(records, **options)
    return Part(batch.slices, batch.lines, batch.counts)


def with_lengths(part, records):
    """Return a part that knows how long each of its records is."""
    part.lengths = [len(encode(each)) for each in records]
    return part


def part(count, **options):
    return part_of([record(number) for number in range(1, count + 1)], **options)


def content(part):
    """Return each record that a part would send with the line that it claims for it."""
    return list(zip(part.lines, decode(part.body())["data"], strict=True))


def test_the_body_is_an_object_with_the_records_as_data():
    assert part_of([{"a": 1}, {"b": 2}], slice_rows=1).body() == b'{"data":[{"a":1},{"b":2}]}'


def test_a_part_is_cut_between_slices_where_there_are_several():
    first, second = part(10, slice_rows=3).halves()

    assert (len(first), len(second)) == (6, 4)


def test_a_record_that_is_taken_out_takes_its_line_with_it():
    rest = part(6).without({0, 3})

    assert list(rest.lines) == [2, 3, 5, 6]
    assert [each["user_id"] for each in rest.records()] == ["u2", "u3", "u5", "u6"]


def test_records_are_found_by_their_lines():
    some = part_of([{"a": 1}, {"a": 2}, {"a": 3}], lines=[4, 7, 9]).at({7, 9, 100}, ("503",))

    assert content(some) == [(7, {"a": 2}), (9, {"a": 3})]
    assert some.causes == ("503",)
    assert some.doubtful


@pytest.mark.parametrize("what", ["halves", "without", "fitting", "slices"])
def test_doubt_goes_with_the_pieces(what):
    whole = part(8, slice_rows=2 if what == "slices" else 8)
    whole.causes = ("503", "408")

    pieces = {
        "halves": whole.halves,
        "slices": whole.halves,
        "without": lambda: [whole.without({1})],
        "fitting": lambda: list(whole.fitting(100)),
    }[what]()

    assert all(piece.causes == ("503", "408") for piece in pieces)


@given(RECORDS, st.integers(1, 8))
def test_the_size_is_that_of_the_body(records, slice_rows):
    whole = part_of(records, slice_rows=slice_rows)

    assert whole.size == len(whole.body())


@given(RECORDS, st.integers(1, 8), st.integers(1, 400))
def test_fitting_parts_fit_and_lose_nothing(records, slice_rows, most_bytes):
    whole = part_of(records, slice_rows=slice_rows)

    parts = list(whole.fitting(most_bytes))

    assert [pair for each in parts for pair in content(each)] == content(whole)
    assert all(each.size <= most_bytes or len(each) == 1 for each in parts)


@given(RECORDS.filter(lambda records: len(records) > 1), st.integers(1, 8))
def test_halves_are_the_whole(records, slice_rows):
    whole = part_of(records, slice_rows=slice_rows)

    first, second = whole.halves()

    assert content(first) + content(second) == content(whole)
    assert len(first)
    assert len(second)


@given(RECORDS, st.data())
def test_what_is_taken_out_is_gone_and_the_rest_is_sent_as_it_was(records, data):
    whole = part_of(records, slice_rows=data.draw(st.integers(1, 8)))
    places = data.draw(st.sets(st.integers(0, len(records) - 1)))

    rest = whole.without(places)

    kept = [each for place, each in enumerate(records) if place not in places]
    assert rest.records() == kept
    assert rest.body() == b'{"data":[' + b",".join(map(encode, kept)) + b"]}"
    assert rest.size == len(rest.body()) >= ENVELOPE_BYTES


@given(RECORDS, st.integers(1, 8), st.booleans(), st.data())
def test_records_are_cut_out_by_their_indices(records, slice_rows, knows_lengths, data):
    whole = part_of(records, slice_rows=slice_rows)
    if knows_lengths:
        with_lengths(whole, records)
    indices = sorted(data.draw(st.sets(st.integers(0, len(records) - 1))))

    some = whole.at_indices(indices)

    kept = [records[i] for i in indices]
    assert some.records() == kept
    assert list(some.lines) == [i + 1 for i in indices]
    assert some.body() == b'{"data":[' + b",".join(map(encode, kept)) + b"]}"
    assert some.size == len(some.body())


@given(RECORDS, st.integers(1, 8), st.data())
def test_what_was_cut_out_can_be_cut_again(records, slice_rows, data):
    part = with_lengths(part_of(records, slice_rows=slice_rows), records)
    left = list(enumerate(records, start=1))

    while left:
        kept = sorted(data.draw(st.sets(st.integers(0, len(left) - 1), max_size=len(left) - 1)))
        part = part.at_indices(kept)
        left = [left[i] for i in kept]
        assert content(part) == left
        if len(left) > 1:
            first, second = part.halves()
            assert content(first) + content(second) == left
            part, left = second, left[len(first) :]


def test_records_are_cut_out_without_being_decoded(monkeypatch):
    records = [record(number) for number in range(20)]
    whole = with_lengths(part_of(records), records)
    monkeypatch.setattr(Part, "records", None)

    assert content(whole.at_indices([3, 4, 17])) == [(i + 1, records[i]) for i in (3, 4, 17)]
