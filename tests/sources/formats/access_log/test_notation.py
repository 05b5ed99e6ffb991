import pytest

from miso_upload.errors import ConfigurationError
from miso_upload.sources.formats.access_log.diagnosis import mismatch
from miso_upload.sources.formats.access_log.layout import pieces_of, reader_of
from miso_upload.sources.formats.access_log.notation import layout_of
from tests.helpers.access_log_lines import AGENT, COMBINED, ROW, VISIT, WHEN
from tests.helpers.reading import read

NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
APACHE = r"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""


def row_of(notation, line):
    return reader_of(layout_of(notation))(line)


@pytest.mark.parametrize(
    "notation",
    [
        NGINX,
        APACHE,
        APACHE.replace("\\", ""),
        APACHE.replace("%b", "%!200,304B"),
        NGINX.replace("$status", "${status}"),
        f"log_format main '{NGINX[:40]}'\n    '{NGINX[40:]}';",
        f"log_format main escape=default '{NGINX}';",
        f'LogFormat "{APACHE}" combined',
        f'CustomLog logs/access.log "{APACHE}"',
    ],
)
def test_both_notations_describe_the_same_line(notation):
    assert row_of(notation, COMBINED) == VISIT


@pytest.mark.parametrize(
    ("notation", "line", "row"),
    [
        ("%a", "192.0.2.1", {"ip": "192.0.2.1"}),
        ("%h %a", "a.example 192.0.2.1", {"remote_host": "a.example", "ip": "192.0.2.1"}),
        ("%a %{c}a", "192.0.2.1 198.51.100.2", {"ip": "192.0.2.1", "peer_addr": "198.51.100.2"}),
        ("%{c}a", "198.51.100.2", {"ip": "198.51.100.2"}),
        ("%v %V %p", "a.example b.example 80",
         {"canonical_server_name": "a.example", "host": "b.example", "port": "80"}),
        ("%v:%p %h", "a.example:80 192.0.2.1",
         {"host": "a.example", "port": "80", "ip": "192.0.2.1"}),
        ("%m %U%q %H", "GET /a?b=1 HTTP/1.1",
         {"method": "GET", "protocol": "HTTP/1.1", "url": "/a?b=1"}),
        ('"%m %U%q %H" %s', '"GET /a HTTP/1.1" 200',
         {"method": "GET", "protocol": "HTTP/1.1", "status": "200", "url": "/a"}),
        ("%r|%m", "GET /a HTTP/1.1|GET",
         {"method": "GET", "url": "/a", "protocol": "HTTP/1.1", "request_method": "GET"}),
        ("%D", "1234", {"request_time": "0.001234"}),
        ("%T", "3", {"request_time": "3"}),
        ("%T %D", "3 3000001", {"request_time": "3.000001", "request_time_s": "3"}),
        ("%{ms}T", "1234", {"request_time": "1.234"}),
        ("%I %O", "10 20", {"bytes_received": "10", "bytes": "20"}),
        ("%b %O", "10 20", {"bytes": "10", "bytes_sent": "20"}),
        ('"%{X-Forwarded-For}i"', '"192.0.2.1, 198.51.100.2"',
         {"forwarded_for": "192.0.2.1, 198.51.100.2"}),
        ("%{X-Forwarded-For}i %u", "192.0.2.1, 198.51.100.2 ann",
         {"forwarded_for": "192.0.2.1, 198.51.100.2", "user": "ann"}),
        ("%{sid}C %{Accept-Language}i %{X-Id}o %{VAR}e %{note}n %Z %{a}Y", "1 en 2 3 4 5 6",
         {"cookie_sid": "1", "Accept-Language": "en", "X-Id": "2", "VAR": "3", "note": "4",
          "%Z": "5", "%{a}Y": "6"}),
        ("%u %t", f"Ann Lee {WHEN}", {"user": "Ann Lee", "timestamp": ROW["timestamp"]}),
        ("%% %s", "% 200", {"status": "200"}),
        ("%s %s", "200 302", {"status": "200", "status_2": "302"}),
        (r"%h\t%s", "192.0.2.1\t200", {"ip": "192.0.2.1", "status": "200"}),
        ('%{Host}i,%s,"%{User-Agent}i"', 'a.example,200,"x, y"',
         {"host": "a.example", "status": "200", "user_agent": "x, y"}),
        ("%h|%{User-Agent}i|%s", "192.0.2.1|a b|200",
         {"ip": "192.0.2.1", "user_agent": "a b", "status": "200"}),
        ("$scheme://$host$request_uri $status", "https://www.example/a?b 200",
         {"scheme": "https", "host": "www.example", "url": "/a?b", "status": "200"}),
        ("$uri$is_args$args", "/a?b=1", {"url": "/a?b=1"}),
        ("$uri $query_string", "/a -", {"url": "/a"}),
        ("$host $server_name", "a.example b.example",
         {"host": "a.example", "server_name": "b.example"}),
        ("$remote_addr:$remote_port", "2001:db8::1:443",
         {"ip": "2001:db8::1", "remote_port": "443"}),
        ('"$http_cookie" $cookie_sid $https $request_time $upstream_addr $status',
         '"a=1; sid=2" 2 on 0.005 192.0.2.1:80, 192.0.2.2:80 : unix:/x 200',
         {"cookie": "a=1; sid=2", "cookie_sid": "2", "scheme": "https", "request_time": "0.005",
          "upstream_addr": "192.0.2.1:80, 192.0.2.2:80 : unix:/x", "status": "200"}),
        ("$http_accept_language $ssl_protocol", "en -", {"http_accept_language": "en"}),
        ("$status$( $bytes_sent$)$*", "200", {"status": "200"}),
        ("$status$( $bytes_sent$)$*", "200 7", {"status": "200", "bytes": "7"}),
        ("%s%( %O%)%*", '200 7 "x y" z',
         {"status": "200", "bytes": "7", "extra1": "x y", "extra2": "z"}),
    ],
)  # fmt: skip
def test_a_directive_yields_its_field(notation, line, row):
    assert row_of(notation, line) == row


@pytest.mark.parametrize(
    ("notation", "line", "timestamp"),
    [
        ("%t", WHEN, "2023-10-10T13:55:36-07:00"),
        ("$time_iso8601", "2023-10-10T13:55:36-07:00", "2023-10-10T13:55:36-07:00"),
        ("$msec", "1696971336.123", "2023-10-10T20:55:36.123000+00:00"),
        ("$msec [$time_local]", f"1696971336.123 {WHEN}", "2023-10-10T13:55:36-07:00"),
        ("%{sec}t", "1696971336", "2023-10-10T20:55:36+00:00"),
        ("%{begin:msec}t", "1696971336123", "2023-10-10T20:55:36.123000+00:00"),
        ("%{end:usec}t", "1696971336123456", "2023-10-10T20:55:36.123456+00:00"),
        ("%{%s}t", "1696971336", "2023-10-10T20:55:36+00:00"),
        ("%{%Y-%m-%d %H:%M:%S}t", "2023-10-10 13:55:36", "2023-10-10T13:55:36"),
        ("%{%F %T %z}t", "2023-10-10 13:55:36 -0700", "2023-10-10T13:55:36-07:00"),
        (
            "[%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t]",
            "[10/Oct/2023:13:55:36.123 -0700]",
            "2023-10-10T13:55:36.123000-07:00",
        ),
    ],
)
def test_a_timestamp_is_read_in_the_described_format(notation, line, timestamp):
    row = row_of(f"{notation} %s" if "%" in notation else f"{notation} $status", f"{line} 200")

    assert row.pop("timestamp") == timestamp
    assert row["status"] == "200"


@pytest.mark.parametrize(
    "notation",
    [
        "hello",
        "",
        "%h%u",
        "$remote_addr$request_time",
        "%s %(%h",
        "%s %)",
        "%{%G}t",
        '{"ip":"$remote_addr"}',
    ],
)
def test_an_unusable_log_format_is_refused_with_a_reason(notation, golden):
    with pytest.raises(ConfigurationError) as caught:
        read(b"1\n", log_format=notation)

    assert str(caught.value) == golden


def test_a_line_that_does_not_match_the_log_format_is_rejected_with_the_position(golden):
    found = read(
        b'192.0.2.1 - [10/Oct/2023:13:55:36 -0700] 200 "x"\n'
        b'192.0.2.1 - [10/Oct/2023:13:55:36 -0700] OK "x"\n'
        b'192.0.2.1 - [10/Oct/2023:13:55:36 -0700] 200 "x\n'
        b"hello\n",
        log_format='%h %u %t %>s "%{User-Agent}i"',
    )

    assert len(found.rows) == 1
    assert [line for line, _ in found.reasons] == [2, 3, 4]
    assert [reason for _, reason in found.reasons] == golden


@pytest.mark.parametrize("log_format", ['%h %l %u %t "%r" %>s %b', '%h %l %u %t "%r" %>s'])
def test_a_log_format_that_ends_before_the_line_is_reported(log_format, golden):
    line = b'192.0.2.1 - - [10/Oct/2023:13:55:36 -0700] "GET / HTTP/1.1" 200 5'

    short = line if log_format.endswith("%b") else line[:-2]
    found = read(short + b"\n" + line + b' "-" "B/1"\n', log_format=log_format)

    ((number, reason),) = found.reasons
    assert number == 2
    assert reason == golden


def test_field_names_in_messages_contain_no_terminal_escapes():
    layout = layout_of('%h %l %u %u "%{\udcdc%s}u"')

    reason = mismatch([pieces_of(layout)], 'a b c d "e')

    assert r"%{\udcdc%s}u" in reason.text
    assert reason.text.isprintable()


def test_a_log_format_implies_the_log_format_for_any_input():
    assert read(b"192.0.2.1,200\n", log_format="%h,%s").values == [
        {"ip": "192.0.2.1", "status": "200"}
    ]


def test_a_log_format_is_refused_with_another_format(golden):
    with pytest.raises(ConfigurationError) as caught:
        read(b"{}\n", format="jsonl", log_format="%h")

    assert str(caught.value) == golden


def test_an_input_without_a_matching_line_is_refused_with_the_position(golden):
    line = f'192.0.2.1 - {WHEN} OK "x"\n'.encode()

    with pytest.raises(ConfigurationError) as caught:
        read(b"# x\n\nhello\n" + line, log_format='%h %u %t %>s "%{User-Agent}i"')

    assert str(caught.value) == golden


@pytest.mark.parametrize("separator", [" ", "|", ",", "\t", " - "])
def test_values_do_not_extend_over_a_separator(separator):
    notation = separator.join(["%h", "%>s", "%{Host}i", "%{X-Id}i", "%m", "%O"])
    line = separator.join(["192.0.2.1", "200", "a.example", "id", "GET", "7"])

    assert row_of(notation, line) == {
        "ip": "192.0.2.1", "status": "200", "host": "a.example", "X-Id": "id", "method": "GET",
        "bytes": "7",
    }  # fmt: skip


def test_an_escaped_quote_does_not_close_a_field():
    row = row_of('"%m %{User-Agent}i;%s" %O', r'"GET a\"b c;200" 7')

    assert row == {"method": "GET", "user_agent": 'a"b c', "status": "200", "bytes": "7"}


def test_the_user_agent_of_a_log_format_is_read_as_in_known_logs():
    line = COMBINED.replace(AGENT, r"caf\xC3\xA9")

    assert row_of(NGINX, line)["user_agent"] == "caf\u00e9"
