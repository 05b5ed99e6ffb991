import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.access_log_lines import AGENT, ALB, COMBINED, COMMON, ROW, VISIT
from tests.helpers.reading import CUTS, PIECES, read, read_file

OTHER = "2023/10/10 13:55:40 [error] 7#7: *1 open() failed"
IPV6 = COMBINED.replace("192.0.2.1", "2001:db8::1")
JSON_LINE = json.dumps(
    {"remote_addr": "192.0.2.1", "time_iso8601": "2023-10-10T13:55:36-07:00", "status": 200,
     "request": "GET /shoes?id=7 HTTP/1.1", "http_user_agent": AGENT}
)  # fmt: skip
STAMP = "2023-10-10T20:55:36.512345678Z"


def docker(line, number=1):
    return json.dumps({"log": f"{line}\n", "stream": "stdout", "time": STAMP, "attrs": {"n": "1"}})


def journald(line, number=1):
    return json.dumps({"__CURSOR": f"s={number}", "_PID": "7", "MESSAGE": line, "PRIORITY": "6"})


def journald_bytes(line, number=1):
    return json.dumps({"_HOSTNAME": "web1", "MESSAGE": list(line.encode())})


def elements(line, number=1):
    return f'<134>1 {STAMP} web1 nginx 7 - [a@1 k="v]\\"" x="1"][b@2] \ufeff{line}'


WRAPPERS = {
    "docker": docker,
    "journald": journald,
    "journald with bytes": journald_bytes,
    "filebeat": lambda line, _=1: json.dumps({"@timestamp": STAMP, "message": line, "tags": []}),
    "google cloud": lambda line, _=1: json.dumps({"insertId": "a1", "textPayload": f"{line}\n"}),
    "cri": lambda line, _=1: f"{STAMP} stdout F {line}",
    "journalctl": lambda line, _=1: f"Oct 10 20:55:36 web1 nginx[1234]: {line}",
    "journalctl in German": lambda line, _=1: f"Mär 01 20:55:36 web1 nginx[1234]: {line}",
    "journalctl with micros": lambda line, _=1: f"Oct 10 20:55:36.123456 web1 nginx[1]: {line}",
    "journalctl -o short-iso": lambda line, _=1: f"2023-10-10T20:55:36+0000 web1 nginx[1]: {line}",
    "syslog": lambda line, _=1: f"Oct  1 20:55:36 web1 nginx: {line}",
    "syslog with a priority": lambda line, _=1: f"<190>Oct 10 20:55:36 web1 nginx: {line}",
    "syslog with a year": lambda line, _=1: f"Oct 10 2023 20:55:36 web1 nginx: {line}",
    "rsyslog": lambda line, _=1: f"2023-10-10T20:55:36.123456+02:00 web1 nginx: {line}",
    "rfc 5424": lambda line, _=1: f"<190>1 {STAMP} web1 nginx 7 access - {line}",
    "rfc 5424 with elements": elements,
    "compose": lambda line, _=1: f"web-1  | {line}",
    "compose in color": lambda line, _=1: f"\x1b[36mweb-1  | \x1b[0m{line}",
    "compose with times": lambda line, _=1: f"web_1 | {STAMP} {line}",
    "docker logs -t": lambda line, _=1: f"{STAMP} {line}",
    "kubectl --prefix": lambda line, _=1: f"[pod/web-7d/nginx] {line}",
    "kubectl --prefix --timestamps": lambda line, _=1: f"[pod/web-7d/nginx] {STAMP} {line}",
    "grep": lambda line, _=1: f"access.log:{line}",
    "grep in folders": lambda line, _=1: f"/var/log/nginx/access.log.2.gz:{line}",
    "grep -n": lambda line, number=1: f"access.log:{number}:{line}",
    "grep -n in one file": lambda line, number=1: f"{number}:{line}",
    "compose in journald": lambda line, number=1: journald(f"web-1  | {line}", number),
}


@pytest.fixture(params=WRAPPERS)
def wrap(request):
    return WRAPPERS[request.param]


def wrapped(wrap, *lines):
    return "".join(f"{wrap(line, 3 * n)}\n" for n, line in enumerate(lines, 1)).encode()


def test_an_access_log_is_read_in_each_envelope(wrap):
    found = read(wrapped(wrap, COMBINED, OTHER, COMMON, ALB))

    assert [line for line, _ in found.rows] == [1, 3, 4]
    assert found.values[:2] == [VISIT, ROW]
    assert found.reasons == [(2, "the line is not an access log line")]


# `3:2001:db8::1` is an address too.
@pytest.mark.parametrize("name", sorted(WRAPPERS.keys() - {"grep -n in one file"}))
def test_an_access_log_of_ipv6_is_read_in_each_envelope(name):
    found = read(wrapped(WRAPPERS[name], IPV6, IPV6))

    assert found.values == [{**VISIT, "ip": "2001:db8::1"}] * 2


def test_a_json_access_log_is_read_in_each_envelope(wrap):
    found = read(wrapped(wrap, JSON_LINE, JSON_LINE.replace("/shoes", "/caf\\xC3\\xA9")))

    assert [row["url"] for row in found.values] == ["/shoes?id=7", "/café?id=7"]
    assert {row["method"] for row in found.values} == {"GET"}


def test_a_w3c_log_is_read_in_an_envelope(wrap):
    fields = "#Fields: date time c-ip cs-uri-stem"
    found = read(wrapped(wrap, "#Version: 1.0", fields, "2023-10-10 20:55:36 192.0.2.1 /a"))

    assert found.values == [{"ip": "192.0.2.1", "url": "/a", "timestamp": "2023-10-10T20:55:36Z"}]


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(sorted(WRAPPERS.keys() - {"grep -n in one file"})),
    lines=st.lists(st.sampled_from([COMBINED, COMMON, ALB, OTHER, "x", "GET /", IPV6]), max_size=9),
    bare=st.lists(st.booleans(), min_size=9, max_size=9), pieces=PIECES, cuts=CUTS,
)  # fmt: skip
def test_every_line_is_accounted_for_in_each_envelope(name, lines, bare, pieces, cuts):
    lines = [COMBINED, COMBINED, *lines, COMBINED]
    texts = [WRAPPERS[name](line, 7 * n) for n, line in enumerate(lines, 1)]
    texts[2:-1] = [line if is_bare else text for line, text, is_bare in
                   zip(lines[2:-1], texts[2:-1], bare, strict=False)]  # fmt: skip
    data = "".join(f"{text}\n" for text in texts).encode()
    if 2 * sum(bare[: len(texts) - 3]) >= len(texts):
        return

    found = read(data, pieces, **cuts)

    accounted = [line for line, _ in found.rows] + [line for line, _ in found.reasons]
    assert sorted(accounted) == list(range(1, len(texts) + 1))
    assert found.all == read(data).all


def partial(line, size=40):
    return [line[at : at + size] for at in range(0, len(line), size)]


def cri_parts(line):
    *parts, last = partial(line)
    return [*(f"{STAMP} stdout P {part}" for part in parts), f"{STAMP} stdout F {last}"]


def docker_parts(line):
    *parts, last = partial(line)
    rows = [*parts, f"{last}\n"]
    return [json.dumps({"log": part, "stream": "stdout", "time": STAMP}) for part in rows]


ERRORS = {cri_parts: f"{STAMP} stderr F {OTHER}", docker_parts: json.dumps(
    {"log": f"{OTHER}\n", "stream": "stderr", "time": STAMP})}  # fmt: skip


@pytest.mark.parametrize("parts_of", [cri_parts, docker_parts])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_parts_of_a_long_line_are_joined_however_blocks_are_cut(parts_of, rows):
    first, second = parts_of(COMBINED), parts_of(ALB)
    texts = [*parts_of(COMMON), *first[:2], ERRORS[parts_of], *first[2:], *second]
    data = "".join(f"{text}\n" for text in texts).encode()

    found = read(data, rows=rows)

    start = len(parts_of(COMMON)) + 1
    assert [line for line, _ in found.rows] == [1, start, start + len(first) + 1]
    assert found.values[:2] == [ROW, VISIT]
    assert [line for line, _ in found.reasons] == [start + 2]


def test_a_part_without_an_end_is_rejected_by_itself():
    whole = cri_parts(COMBINED)
    texts = [f"{STAMP} stdout F {COMMON}", *whole[:-1]]

    found = read("".join(f"{text}\n" for text in texts).encode())

    assert [line for line, _ in found.rows] == [1]
    assert [line for line, _ in found.reasons] == list(range(2, len(texts) + 1))


def test_a_growing_log_leaves_the_parts_of_an_unfinished_line(tmp_path):
    path = tmp_path / "web.log"
    done = f"{STAMP} stdout F {COMMON}\n"
    path.write_text(done + "".join(f"{text}\n" for text in cri_parts(COMBINED)[:-1]))
    found = read_file(path, growing=True)

    assert [line for line, _ in found.rows] == [1]
    assert found.blocks[-1].end == len(done)


def test_a_message_with_several_lines_stays_one_row():
    found = read(wrapped(docker, COMMON, "a\nb\nc", COMMON))

    assert [line for line, _ in found.rows] == [1, 3]
    assert found.reasons == [(2, "the line is not an access log line")]


@pytest.mark.parametrize(
    "line",
    [COMBINED, IPV6, f"www.example:443 {COMBINED}", f"a.example {COMMON}", ALB,
     COMMON.replace("192.0.2.1", "2001:12:db8::1")],
)  # fmt: skip
def test_a_plain_log_has_no_envelope(line):
    found = read(f"{line}\n{line}\n".encode())

    assert len(found.values) == 2
    assert read(f"{line}\n".encode() * 2, format="log").values == found.values


def test_a_format_that_is_named_is_read_as_it_stands():
    found = read(wrapped(docker, COMMON), format="jsonl")

    assert found.values[0]["log"] == f"{COMMON}\n"


def test_rows_of_applications_are_read_in_an_envelope():
    found = read(wrapped(docker, '{"type":"like","user_id":"u1"}', "starting"))

    assert found.values == [{"type": "like", "user_id": "u1"}]
    assert [line for line, _ in found.reasons] == [2]


def test_a_long_content_is_rejected_as_too_long():
    found = read(wrapped(docker, COMMON, "x" * 500), row_bytes=600)

    assert len(found.rows) == 1
    assert [line for line, _ in found.reasons] == [2]
