from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload.sources.rotation import first_time, in_rotation_order

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def in_order(times):
    """Return the rotation order of inputs, which must not depend on their original order."""
    orders = [dict(order) for order in list(permutations(times.items()))[:24]]
    (order,) = {tuple(map(str, in_rotation_order(each))) for each in orders}
    return list(order)


def without_times(names):
    return in_rotation_order(dict.fromkeys(names))


@pytest.mark.parametrize(
    "names",
    [
        ["access.log.11.gz", "access.log.2.gz", "access.log.1", "access.log"],
        ["access.log-20260228.gz", "access.log-20260301", "access.log"],
        ["access-2026-02-28.log", "access-2026-03-01.log", "access-2026-03-02.log"],
        ["access.log.2026-02-28.gz", "access.log.2026-03-01.gz", "access.log"],
        ["access.2.log", "access.1.log", "access.log"],
        ["access_20260301T22.log.zst", "access_20260301T23.log", "access_20260302T00.log"],
        ["app-2026-03-01.1.log", "app-2026-03-01.2.log", "app-2026-03-02.1.log"],
        ["s3://logs/a/access.log.2.gz", "s3://logs/a/access.log.1", "s3://logs/a/access.log"],
        ["https://b.example/a.log.2?sig=x.1", "https://b.example/a.log?sig=y.2026-01-01"],
    ],
)
def test_without_timestamps_the_names_determine_the_order(names):
    assert in_order(dict.fromkeys(names)) == names


def test_timestamps_in_the_rows_take_precedence_over_names():
    times = {
        "access.log": NOON + timedelta(hours=2),
        "access.log.1": NOON,
        "access.log.2.gz": NOON + timedelta(hours=1),
    }

    assert in_order(times) == ["access.log.1", "access.log.2.gz", "access.log"]


def test_a_file_without_a_timestamp_keeps_the_position_of_its_name():
    times = {"access.log.3": NOON + timedelta(hours=1), "access.log.2": None, "access.log.1": NOON}

    assert in_order(times) == ["access.log.1", "access.log.2", "access.log.3"]


def test_only_files_of_the_same_log_are_reordered():
    names = ["b.log", "z.csv", "a.log", "b.log.1", "a.log.1", "c.csv"]

    assert without_times(names) == ["b.log.1", "z.csv", "a.log.1", "b.log", "a.log", "c.csv"]


@pytest.mark.parametrize("pattern", ["{}/a.log", "s3://{}/a.log"])
def test_logs_of_the_same_name_in_two_directories_are_separate(pattern):
    names = [pattern.format("b"), pattern.format("a") + ".1"]

    assert without_times(names) == names


@pytest.mark.parametrize("names", [["part-0001", "part-0002"], ["shop1.csv", "shop2.csv"]])
def test_files_that_are_not_rotated_logs_keep_their_order(names):
    for times in ([NOON, None], [NOON + timedelta(hours=1), NOON]):
        assert in_rotation_order(dict(zip(names, times, strict=True))) == names


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ('198.51.100.7 - - [01/Mar/2026:13:00:00 +0100] "GET /?t=2020-01-01T00:00Z"', NOON),
        ('{"timestamp": "2026-03-01T12:00:00Z"}', NOON),
        ('{"timestamp": "2026-03-01T13:00:00.000+01:00"}', NOON),
        ("id;at\n1;2026-03-01 12:00:00\n", NOON),
        ("#Fields: date time\n2026-03-01\t12:00:00\tGET", NOON),
        ('{"ts": 1772366400}', NOON),
        ('{"ts": 1772366400000}', NOON),
        ('{"ts": "1772366400.000"}', NOON),
        ("1772366400,sku-1\n", NOON),
        ('{"phone": "+491772366400", "at": "2026-03-01T12:00Z"}', NOON),
        ("sku-1772366400 2026-13-01T12:00:00Z 1234567", None),
        ("", None),
        ("\n" * 200 + "2026-03-01T12:00:00Z", None),
    ],
)
def test_the_first_timestamp_in_the_first_rows_is_found(text, timestamp):
    assert first_time(text.encode()) == timestamp


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_raise_no_error(data):
    first_time(data)


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1), unique=True))
def test_no_input_is_lost_whatever_its_name(names):
    names = [f"/no/where/{name}" for name in names]

    assert sorted(without_times(names)) == sorted(names)
