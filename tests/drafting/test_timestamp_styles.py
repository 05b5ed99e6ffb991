import pytest

from miso_upload.drafting.timestamp_styles import clock_format, timestamp_style
from tests.helpers.drafting import draft, record, rules, table


@pytest.mark.parametrize(
    "values",
    [
        ["1260759144", "946684800"],
        ["1260759144000"],
        ["1260759144000000"],
        ["1260759144000000000"],
        ["1260759144.25"],
        ["2024-05-01T10:00:00Z"],
        ["20240501", "20240502"],
        ["11/8/2018", "6/13/2018"],
        ["8/11/2018", "13/6/2018"],
    ],
    ids=",".join,
)
def test_the_format_of_timestamps_is_described(values, golden):
    assert timestamp_style(values).description == golden


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("31.12.2020 10:00", "%d.%m.%Y %H:%M"),
        ("12/31/2020 1:05 PM", "%m/%d/%Y %I:%M %p"),
        ("02/Jan/2023:10:00:00 +0000", "%d/%b/%Y:%H:%M:%S %z"),
        ("Jan 5, 2020", "%b %d, %Y"),
        ("Mon, 02 Jan 2023 10:00:00 +0000", "%a, %d %b %Y %H:%M:%S %z"),
        ("20240501103000", "%Y%m%d%H%M%S"),
    ],
)
def test_the_format_of_timestamps_is_detected(value, form):
    assert timestamp_style([value]).format == form


def test_an_ambiguous_order_of_day_and_month_names_the_alternative():
    times = timestamp_style(["1/2/2020", "3/4/2020"])

    assert (times.format, times.other_format) == ("%m/%d/%Y", "%d/%m/%Y")


@pytest.mark.parametrize(
    "values", [["abc"], ["7", "12"], ["596.31"], ["1001"], ["42420"], [""], [], ["CA-2018-152156"]]
)
def test_values_that_are_not_timestamps_are_not_recognised(values):
    assert timestamp_style(values) is None


def test_the_share_without_a_zone_is_reported():
    assert timestamp_style(["2024-05-01 10:00", "2024-05-01T10:00:00Z"]).unzoned == 0.5


def test_times_of_day_are_distinguished_from_timestamps():
    assert clock_format(["08:26", "9:30"]) == "%H:%M"
    assert clock_format(["noon"]) is None


def test_a_number_is_a_timestamp_only_if_the_column_is_named_so():
    assert "timestamp" not in rules(draft(table(product_id=["1260759144"])))
    assert rules(draft(table(ts=["1260759144"])))["timestamp"] == "ts"


def test_a_date_and_a_time_of_day_are_joined():
    rows = table(day=["01.05.2024", "31.05.2024"], clock=["9:30", "18:01"], user_id=["u", "v"])

    assert record(rows)["timestamp"] == "2024-05-01T09:30:00Z"


def test_the_order_time_is_preferred_to_the_shipping_time():
    rows = table(ship_date=["2024-05-02"], order_date=["2024-05-01"])

    assert draft(rows).of("timestamp").rule["column"] == "order_date"
