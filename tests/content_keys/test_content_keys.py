import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.transform.content_keys.canonical import canonical, canonical_value, instant_of
from miso_upload.transform.content_keys.canonical_lines import canonical_lines, canonical_values
from miso_upload.transform.content_keys.canonical_times import times_of
from miso_upload.transform.content_keys.keys import ContentKeys
from miso_upload.transform.content_keys.regular_values import SHIPPED
from miso_upload.transform.schema.schema import shipped_schema
from miso_upload.transform.validation import RecordValidator
from miso_upload.values.hashing import hashes
from miso_upload.values.json import decode, encode
from miso_upload.values.regular_times import timestamps_of
from tests.helpers.generators import damaged_records, json_values, records
from tests.helpers.rows import row

SECRET = bytes(range(32))
VALIDATOR = RecordValidator(shipped_schema())
ANY = ContentKeys(SECRET)
VALID = ContentKeys(SECRET, shipped_schema=True)

KNOWN = SHIPPED.texts.union(
    *(shape.texts for shape in SHIPPED.inner.values()),
    *(shape.texts for outer in SHIPPED.inner.values() for shape in outer.inner.values()),
)

_UTC = st.datetimes().map(lambda each: each.isoformat(timespec="milliseconds") + "Z")
_OFFSETS = st.sampled_from(["+00:00", "-00:00", "+01:00", "-09:30", "+23:59", "-24:00", "+05:75"])


def _at_offset(utc, size, offset):
    return utc[:size] + offset


_TIMES = st.one_of(
    _UTC,
    _UTC.map(lambda text: text[:19] + "Z"),
    _UTC.map(lambda text: text[:19] + ".000Z"),
    st.builds(_at_offset, _UTC, st.sampled_from([19, 23]), _OFFSETS),
    st.text("0123456789-T:.Z+W ", min_size=19, max_size=25),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z\Z"),
    st.text(max_size=5),
)
_NAMES = st.sampled_from(["timestamp", "miso_id", "context", "page", 'x "timestamp']) | st.text(
    max_size=4
)
_UUIDS = st.uuids().map(str)
_VALUES = st.one_of(
    json_values, _TIMES, _UUIDS, _UUIDS.map(str.upper), st.integers(-10, 10).map(float)
)
_ANY_RECORDS = st.dictionaries(
    _NAMES, st.one_of(_VALUES, st.dictionaries(_NAMES, _VALUES, max_size=3)), max_size=5
)


def forms_of(keys, some):
    """Return the canonical forms by way of the encoder; None where it is not trusted."""
    encoded = keys.encode(some)
    if encoded is None:
        return None
    return list(canonical_lines(some, encoded, times_of(timestamps_of(some))))


def is_valid(record):
    return not VALIDATOR.invalid_indices([record])


# -- the fast way is the exact way -----------------------------------------------------------------


@given(st.lists(_ANY_RECORDS, min_size=1, max_size=5))
def test_any_records_have_the_same_form_by_both_ways(some):
    assert forms_of(ANY, some) in (None, list(map(canonical, some)))
    assert list(ANY.of(some).keys) == list(hashes(map(canonical, some), ANY._seed))


@given(st.lists(records() | damaged_records().filter(is_valid), min_size=1, max_size=5))
def test_valid_records_have_the_same_form_by_both_ways(some):
    exact = list(map(canonical, some))

    assert forms_of(VALID, some) == exact
    assert VALID.of(some) == ANY.of(some)


@given(st.lists(_VALUES, min_size=1, max_size=5))
def test_any_values_have_the_same_form_by_both_ways(values):
    assert list(canonical_values(values)) == list(map(canonical_value, values))


@st.composite
def _alike(draw):
    size, zone = draw(st.sampled_from([19, 23])), draw(_OFFSETS | st.just("Z"))
    return [text[:size] + zone for text in draw(st.lists(_UTC, min_size=1, max_size=4))]


@given(st.lists(_TIMES, min_size=1, max_size=4) | _alike())
def test_timestamps_say_the_same_by_both_ways(texts):
    instants = list(map(instant_of, texts))

    times = times_of(timestamps_of([{"timestamp": text} for text in texts]))

    assert times.days == [None if each is None else each.day for each in instants]
    assert times.changed == {
        i: instant.text
        for i, (instant, text) in enumerate(zip(instants, texts, strict=True))
        if instant is not None and instant.text != text
    }


@given(st.lists(records(), min_size=1, max_size=5))
def test_what_is_sent_says_what_the_records_say(some):
    encoded = VALID.encode(some)

    assert decode(b"[" + encoded.joined() + b"]") == decode(encode(some))
    assert list(map(decode, encoded.lines)) == decode(encode(some))


@given(st.lists(damaged_records().filter(is_valid), min_size=1, max_size=3))
def test_every_null_and_every_unknown_name_is_seen(some):
    nulls, names = [], set()

    def look(value):
        if value is None:
            nulls.append(value)
        if isinstance(value, dict):
            names.update(value)
            value = list(value.values())
        for each in value if isinstance(value, list) else ():
            look(each)

    look(some)
    encoded = VALID.encode(some)

    assert encoded.has_null == bool(nulls)
    assert names - KNOWN <= encoded.names <= names


@pytest.mark.parametrize("type_name", list(shipped_schema().types))
def test_the_names_that_are_not_looked_at_hold_only_texts(type_name):
    good = {
        "type": type_name, "timestamp": "2025-03-01T00:00:00Z", "user_id": "u1",
        **({"custom_action_name": "a"} if type_name == "custom" else {}),
    }  # fmt: skip
    paths = [(name,) for name in SHIPPED.texts - {"type"}]
    for outer, shape in SHIPPED.inner.items():
        paths += [(outer, name) for name in shape.texts]
        for inner, deeper in shape.inner.items():
            paths += [(outer, inner, name) for name in deeper.texts]
    objects = [("search",), ("context",), ("context", "page"), ("context", "campaign")]

    for path in paths:
        for value in (None, True, 1, 1.5, {}, [1], [None], [1.0], [{}], ["a", 1]):
            assert not is_valid(_with(good, path, value)), (path, value)
    for path in objects:
        for value in (None, True, 1, "a", [], [{}]):
            assert not is_valid(_with(good, path, value)), (path, value)


def _with(record, path, value):
    name, *rest = path
    inner = {"url": "u"} if name == "page" else {}
    return {**record, name: _with(record.get(name, inner), rest, value) if rest else value}


# -- what a key is made of -------------------------------------------------------------------------


def key(record, **options):
    return ContentKeys(**{"secret": SECRET, **options}).of([record]).keys[0]


def test_another_secret_gives_other_keys():
    assert key(row(1)) != key(row(1), secret=b"x" * 32)


def test_another_series_gives_other_keys_and_leaves_the_record_alone():
    record = row(1)

    assert key(record) != key(record, series="web2") != key(record, series="web3")
    assert record == row(1)


def test_the_day_is_that_of_the_instant_in_utc():
    times = ["1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2025-03-01T00:30:00+01:00"]

    keyed = ANY.of([{"timestamp": each} for each in times])

    assert list(keyed.days) == [0, -1, 20_147]


@pytest.mark.parametrize("record", [{}, {"timestamp": "2016-12-31T23:59:60Z"}, {"timestamp": 5}])
def test_a_record_without_an_instant_gets_one_of_1024_days_from_its_key(record):
    keyed = ANY.of([{**record, "user_id": str(each)} for each in range(500)])

    assert list(keyed.days) == [-1 - (each >> 54) for each in keyed.keys]
    assert -1024 <= min(keyed.days) <= max(keyed.days) <= -1


def test_no_records_have_no_keys():
    assert ANY.of([]) == ContentKeys(SECRET, shipped_schema=True).of([])
    assert len(ANY.of([]).keys) == 0


def test_integers_of_any_size_are_told_from_their_neighbours():
    big = 10**300

    assert key({"revenue": big}) != key({"revenue": big + 1})
    assert key({"revenue": 1e300}) == key({"revenue": int(1e300)})


def test_a_record_that_is_nested_deeply_has_a_key():
    value = 1.0
    for _ in range(200):
        value = [value]

    assert key({"context": {"a": value}}) == key(decode(encode({"context": {"a": value}})))


# -- natural keys ----------------------------------------------------------------------------------

NATURAL = ContentKeys(SECRET, natural=("order.id", "line"))


def natural(record, row):
    keyed = NATURAL.of([record], [row])
    return keyed.keys[0], keyed.contents[0], keyed.days[0]


def test_a_natural_key_is_type_and_columns_whatever_else_the_record_says():
    order = {"order": {"id": "A"}, "line": 1}
    first = natural({"type": "checkout", "revenue": 5}, order)
    second = natural({"type": "checkout", "revenue": 6}, {**order, "line": 1.0})
    other = natural({"type": "add_to_cart", "revenue": 5}, order)

    assert first[0] == second[0] != other[0]
    assert first[1] != second[1]
    assert first[2] == -1 - (first[0] >> 54)


@pytest.mark.parametrize("line", [{}, {"line": None}, {"line": ""}, {"line": "  "}])
def test_a_row_without_a_value_in_a_column_of_the_key_is_known_by_its_content(line):
    record = {"type": "checkout", "timestamp": "2025-03-01T00:00:00Z"}

    found, content, day = natural(record, {"order": {"id": "A"}, **line})

    assert found == content == key(record)
    assert day == 20_148


def test_rows_with_and_without_a_natural_key_keep_their_order():
    some = [{"type": "search", "user_id": str(each)} for each in range(6)]
    rows = [{"order.id": str(i), "line": i} if i % 2 else {} for i in range(6)]

    keyed = NATURAL.of(some, rows)

    assert [a == b for a, b in zip(keyed.keys, keyed.contents, strict=True)] == [True, False] * 3


# -- the value -------------------------------------------------------------------------------------


def test_the_secret_is_in_no_repr():
    assert "secret" not in repr(ContentKeys(b"secret" * 6, "web"))


def test_a_copy_from_another_process_makes_the_same_keys():
    keys = ContentKeys(SECRET, "web", ("id",), shipped_schema=True)
    keys.of([row(1)], [{"id": 1}])

    copy = pickle.loads(pickle.dumps(keys))

    assert copy == keys
    assert copy.of([row(1)], [{"id": 1}]) == keys.of([row(1)], [{"id": 1}])
