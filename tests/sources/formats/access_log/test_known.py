import pytest

from miso_upload.sources.formats.access_log.known import known_layouts
from miso_upload.sources.formats.access_log.layout import reader_of
from tests.helpers.access_log_lines import AGENT, COMBINED, COMMON, LINES, ROW, S3, VISIT, WHEN
from tests.helpers.reading import read

NAMES = list(LINES)


def read_line(line, **others):
    found = read(f"{line}\n".encode(errors="surrogateescape"), format="log", **others)
    return found.values[0] if found.values else found.reasons[0][1]


@pytest.mark.parametrize("name", NAMES)
def test_a_line_of_a_known_layout_is_read(name):
    line, row = LINES[name]

    assert read_line(line) == row


@pytest.mark.parametrize("name", NAMES)
def test_no_line_matches_two_layouts_except_the_fallbacks(name):
    line, _ = LINES[name]
    *layouts, _, _ = known_layouts()

    fitting = [layout for layout in layouts if reader_of(layout)(line) is not None]

    assert len(fitting) == 1


def test_lines_of_all_layouts_can_follow_each_other():
    data = "\n".join(line for line, _ in LINES.values())

    found = read(data.encode())

    assert found.values == [row for _, row in LINES.values()]
    assert found.rejections == []


@pytest.mark.parametrize(
    ("request_field", "parts"),
    [
        ("GET /a HTTP/2.0", ("GET", "/a", "HTTP/2.0")),
        ("GET /a", ("GET", "/a", None)),
        ("M-SEARCH * HTTP/1.1", ("M-SEARCH", "*", "HTTP/1.1")),
        ("CONNECT www.example:443 HTTP/1.1", ("CONNECT", "www.example:443", "HTTP/1.1")),
        ("GET http://www.example/a HTTP/1.1", ("GET", "http://www.example/a", "HTTP/1.1")),
        ("GET /a b HTTP/1.1", ("GET", "/a b", "HTTP/1.1")),
        ('GET /a"b"c HTTP/1.1', ("GET", '/a"b"c', "HTTP/1.1")),
        (r"GET /a\"b\xC3\xA9\xff HTTP/1.1", ("GET", "/a%22b%C3%A9%FF", "HTTP/1.1")),
        ("GET /caf\u00e9 HTTP/1.1", ("GET", "/caf\u00e9", "HTTP/1.1")),
    ],
)
def test_a_request_is_split_into_its_parts(request_field, parts):
    row = read_line(COMBINED.replace("GET /shoes?id=7 HTTP/1.1", request_field))

    assert (row.get("method"), row.get("url"), row.get("protocol")) == parts
    assert "request" not in row


@pytest.mark.parametrize(
    "junk", [r"\x16\x03\x01 \x02", "", "HELP", "lv|'|'|Win XP|'|'|[endof]", "\x00\x01 ?", "get / x"]
)
def test_an_invalid_request_yields_a_row_without_method_and_url(junk):
    row = read_line(COMBINED.replace("GET /shoes?id=7 HTTP/1.1", junk).replace(" 200 ", " 400 "))

    assert {"method", "url", "protocol"}.isdisjoint(row)
    assert (row["ip"], row["status"], row["timestamp"]) == ("192.0.2.1", "400", ROW["timestamp"])
    assert row.get("request", "") == junk


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a \"b\" c", 'a "b" c'),
        (r"a \x22b\x22", 'a "b"'),
        (r"caf\xC3\xA9 \xc3\xa9", "caf\u00e9 \u00e9"),
        (r"caf\xE9", "caf\u00e9"),
        (r"a\\b", "a\\b"),
        (r"a\x5Cb", "a\\b"),
        (r"a\tb", "a\tb"),
        (r"\u00e9 \ud800", "\u00e9 \\ud800"),
        (r"C:\Windows \xZZ", r"C:\Windows \xZZ"),
        ('odd "quotes"', 'odd "quotes"'),
        ('odd" quotes', 'odd" quotes'),
        ("ends in \\", "ends in \\"),
        ("\U0001f45f caf\u00e9", "\U0001f45f caf\u00e9"),
    ],
)
def test_the_escapes_of_a_user_agent_are_decoded(written, meant):
    assert read_line(COMBINED.replace(AGENT, written)) == {**VISIT, "user_agent": meant}


def test_escapes_in_a_referrer_are_percent_encoded():
    row = read_line(COMBINED.replace("/list", r"/\xC3\xA9\"x\""))

    assert row["referrer"] == "https://www.example/%C3%A9%22x%22"


def test_bytes_that_are_not_utf8_are_kept():
    """They are percent-encoded in a URL, and read as Latin-1 in a header."""
    bad = b"\xe9".decode(errors="surrogateescape")
    line = COMBINED.replace("/shoes", f"/{bad}").replace("/list", f"/{bad}{bad}")

    row = read_line(line.replace("Mozilla", f"caf{bad} \u00e9"))

    assert row["url"] == "/%E9?id=7"
    assert row["referrer"] == "https://www.example/%E9%E9"
    assert row["user_agent"].startswith("caf\u00e9 \u00e9/5.0")


def test_an_undecodable_byte_rejects_its_line(golden):
    found = read(f"{COMBINED}\n{COMBINED}".encode().replace(b"Mozilla", b"\x81", 1),
                 format="log", encoding="cp1252")  # fmt: skip

    assert [line for line, _ in found.rows] == [2]
    ((line, reason),) = found.reasons
    assert line == 1
    assert "--encoding" in reason
    assert reason == golden


def test_a_dash_or_empty_value_is_absent():
    assert set(read_line(f'- - - {WHEN} "-" - - "" "-"')) == {"timestamp"}


def test_missing_fields_of_an_s3_log_are_not_quoted():
    line = S3.replace('"GET /pictures/shoes/7.jpg HTTP/1.1"', "-").replace(f'"{AGENT}"', "-")

    row = read_line(line)

    assert {"method", "url", "request", "user_agent"}.isdisjoint(row)
    assert row["key"] == "shoes/7.jpg"


# -- damaged lines ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(-1, id="user agent"),
        pytest.param(len(COMMON) + len(' "https://www'), id="referrer"),
        pytest.param(len(COMMON) - len(" 2326"), id="status"),
        pytest.param(len(COMMON) - len("HTTP/1.1 200 2326") - 1, id="request"),
        pytest.param(len("192.0.2.1 - - [10/Oct/20"), id="time"),
    ],
)
def test_a_truncated_line_is_rejected_with_its_position(size, golden):
    assert read_line(COMBINED[:size]) == golden


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("hello", id="a word"),
        pytest.param("a b c d e f g", id="seven fields"),
        pytest.param(COMMON.replace("200", "OK"), id="no status"),
        pytest.param(f'{COMBINED} "', id="one quote more"),
    ],
)
def test_a_line_of_another_kind_is_rejected_with_a_reason(line, golden):
    found = read(f"{COMMON}\n{line}\n".encode(), format="log")

    assert len(found.rows) == 1
    ((number, reason, row),) = found.rejections
    assert (number, row) == (2, line)
    assert reason == golden


def test_an_invalid_timestamp_rejects_its_line(golden):
    found = read(f"{COMMON}\n{COMMON.replace('10/Oct', '31/Feb')}\n".encode(), format="log")

    ((line, reason),) = found.reasons
    assert line == 2
    assert reason == golden


def test_a_leap_second_is_valid():
    assert read_line(COMMON.replace("55:36", "59:60"))["timestamp"] == "2023-10-10T13:59:60-07:00"


@pytest.mark.parametrize("name", NAMES)
def test_no_visitor_can_make_a_line_match_another_layout(name):
    """This holds even if the server escapes nothing."""
    line, _ = LINES[name]
    *layouts, _, _ = known_layouts()
    forged = line.replace("/7", f'/7" [x {COMBINED} {S3} {WHEN} "').replace("Firefox", COMMON)

    fitting = [layout for layout in layouts if reader_of(layout)(forged) is not None]

    assert len(fitting) <= 1


@pytest.mark.parametrize(
    ("written", "user"), [('""', None), ("ann", "ann"), (r"o\"brien", 'o"brien')]
)
def test_the_user_field_is_read(written, user):
    row = read_line(COMMON.replace("- -", f"- {written}"))

    assert row.get("user") == user
