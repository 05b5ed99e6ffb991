import pytest

from tests.helpers.access_log_lines import CLOUDFRONT, CLOUDFRONT_ROW, COMBINED, IIS, IIS_ROW, VISIT
from tests.helpers.reading import read

FIELDS = "#Fields: date time c-ip cs-uri-stem\n"
LINE = "2023-10-10 20:55:36 192.0.2.1 /a\n"
ROW = {"ip": "192.0.2.1", "timestamp": "2023-10-10T20:55:36Z", "url": "/a"}


@pytest.mark.parametrize(("text", "row"), [(IIS, IIS_ROW), (CLOUDFRONT, CLOUDFRONT_ROW)])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_log_is_read_with_the_columns_it_names(text, row, mark, newline):
    found = read((mark + text.replace("\n", newline)).encode())

    assert found.values == [row]
    assert found.rejections == []
    assert found.body_line == text.count("#") + 1


def test_a_new_fields_line_applies_to_the_lines_after_it():
    found = read(f"{FIELDS}{LINE}#Fields: c-ip time date\n192.0.2.2 01:02:03 2023-10-11\n".encode())

    assert found.rows == [
        (2, ROW),
        (4, {"ip": "192.0.2.2", "timestamp": "2023-10-11T01:02:03Z"}),
    ]


def test_comments_and_blank_lines_are_neither_rows_nor_rejections():
    found = read(f"{FIELDS}\n#Remark: x\n  \n{LINE}#Date: 2023-10-10 20:55:36\n\n{LINE}".encode())

    assert found.rows == [(5, ROW), (8, ROW)]
    assert found.rejections == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Mozilla/5.0+(X11;+U)", "Mozilla/5.0 (X11; U)"),
        ("Bot/2.1;++http://bot.example", "Bot/2.1; +http://bot.example"),
        ("AppleWebKit/526.9++(KHTML)", "AppleWebKit/526.9+ (KHTML)"),
        ('"with spaces + plus"', "with spaces + plus"),
        ('"say ""hi"""', 'say "hi"'),
        ('"unclosed', '"unclosed'),
        ('a"b', 'a"b'),
    ],
)
def test_spaces_in_a_user_agent_of_iis_are_restored(written, meant):
    data = f"#Fields: c-ip cs(User-Agent) sc-status\n192.0.2.1 {written} 200\n"

    assert read(data.encode()).values == [{"ip": "192.0.2.1", "user_agent": meant, "status": "200"}]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Mozilla/5.0%20(X11)", "Mozilla/5.0 (X11)"),
        ("Mozilla/5.0%2520(X11)", "Mozilla/5.0 (X11)"),
        ("caf%C3%A9", "caf\u00e9"),
        ("caf%25E9", "caf\u00e9"),
        ("50%25", "50%"),
        ("Mozilla/5.0+(X11)", "Mozilla/5.0+(X11)"),
    ],
)
def test_a_user_agent_of_cloudfront_is_decoded_as_many_times_as_it_was_encoded(written, meant):
    data = f"#Fields: c-ip cs(User-Agent) sc-status\n192.0.2.1\t{written}\t200\n"

    assert read(data.encode()).values[0]["user_agent"] == meant


def test_a_line_with_the_wrong_number_of_columns_is_rejected_with_the_number(golden):
    found = read(f"{FIELDS}{LINE}2023-10-10 20:55:36 192.0.2.1\n".encode())

    assert len(found.rows) == 1
    ((line, reason),) = found.reasons
    assert line == 3
    assert reason == golden


@pytest.mark.parametrize("timestamp", ["2023-02-31 20:55:36", "2023-10-10 20:61:36", "x y", "- 1"])
def test_a_line_with_an_invalid_date_is_rejected(timestamp, golden):
    found = read(f"{FIELDS}{LINE}{timestamp} 192.0.2.1 /a\n".encode())

    ((line, reason),) = found.reasons
    assert line == 3
    assert reason == golden


def test_a_line_without_date_and_time_has_no_timestamp():
    assert read(f"{FIELDS}- - 192.0.2.1 /a\n".encode()).values == [{"ip": "192.0.2.1", "url": "/a"}]


def test_lines_of_another_layout_in_between_are_read():
    found = read(f"{FIELDS}{LINE}{COMBINED}\n{LINE}".encode())

    assert found.values == [ROW, VISIT, ROW]


def test_a_line_before_the_fields_line_is_rejected_with_that_reason(golden):
    found = read(f"{LINE}{FIELDS}{LINE}".encode())

    assert found.rows == [(3, ROW)]
    ((line, reason),) = found.reasons
    assert line == 1
    assert reason == golden


def test_a_log_with_only_a_header_has_no_rows_and_starts_after_it():
    """Otherwise, every log with the same header would be recognised as this one."""
    for end in ("", "#Fie", "\n\n"):
        found = read(f"#Version: 1.0\n{FIELDS}{end}".encode())

        assert (found.all, found.blocks) == (([], [], None), [])
        assert found.body_start == len(f"#Version: 1.0\n{FIELDS}{end}")


def test_both_values_of_a_duplicate_column_are_kept():
    found = read(b"#Fields: c-ip x x sc-status\n192.0.2.1 1 2 200\n")

    assert found.values == [{"ip": "192.0.2.1", "x": "1", "x_2": "2", "status": "200"}]
