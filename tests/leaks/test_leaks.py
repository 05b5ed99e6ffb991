"""Whatever happens: the key is nowhere, and addresses are in the rejects file alone.

Each test runs the real program with all the logging that there is, and searches what it left.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from urllib.parse import quote

import pytest

from miso_upload.delivery.client import _REDACTED_KEY as THE_KEY
from miso_upload.values.redaction import HIDDEN as AN_ADDRESS
from tests.helpers.rows import counts_in, row
from tests.helpers.servers import SUCCESS, Server
from tests.helpers.traces import ADDRESSES, KEY, PROXY_PASSWORD, SECRETS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")

V4, V6, OTHER = ADDRESSES
REJECTS = (".rejects.jsonl",)
ONCE = ("--max-attempts", 1)


def bad_rows():
    """Rows with addresses wherever somebody may have put one, most of which are rejected."""
    page = {"page": {"url": f"https://{V4}/p?from={V6}&to={OTHER}"}}
    yield row(1, client_ip=V4, context={V6: 1, "x": {OTHER: V4}, **page})
    yield row(2, timestamp=f"{V4}, {OTHER}", ip=V4)
    yield row(3, **{"x-forwarded-for": f"{V4}, {V6}", "type": f"GET /?ip={V4} HTTP/1.1"})
    yield row(4, product_ids=json.dumps({"ip": V4, "also": [V6]}))
    yield row(5, product_ids={V4: V6})
    yield row(6, context={"custom_context": {V4: {V6: {OTHER: 1}}}})
    yield row(7, context={"truncated_ip": V6, "ip": V4, "page": {"url": 1, V4: 2}})
    yield row(8, context={"truncated_ip": V4 + "7"}, rating=f"user_{V4}")
    yield row(9, user_id={"address": V4}, anonymous_id=[V6])
    yield row(10, type=[V4], **{V4: V4, f"client.{V6}": 1, f"ip-{OTHER.replace('.', '-')}": 1})
    yield f'{V4} - - [01/May/2024:10:00:00 +0000] "GET /?q={V6} HTTP/1.1" 200 1 "-" "Browser"'
    yield json.dumps(row(11))[:-9] + V4
    yield json.dumps([V4, {"ip": V6}])
    yield f'"{V4}"'
    yield row(12, user_id=None, ip=f"{V4}, not-an-address", user_agent=f"Browser {V6}")
    yield row(13, user_id="", ip=V6 + "%eth0", timestamp="never")


def history(stage, rows=None, name="history.jsonl"):
    rows = (
        [*bad_rows(), *(row(number, ip=V4) for number in range(100, 140))] if rows is None else rows
    )
    lines = (each if isinstance(each, str) else json.dumps(each) for each in rows)
    return stage.write(name, "".join(f"{line}\n" for line in lines))


def echo(status, **headers):
    """Return what answers with all that it was sent: the key in every form, and the records."""

    def answer(handler, body):
        if status == 422 and "data.0" in "".join(handler.server.__dict__.get("said", ())):
            return 200, SUCCESS, {}
        handler.server.said = ["data.0"]
        first = json.dumps(json.loads(body)["data"][0])
        heard = f"{handler.path} {handler.headers} {KEY} {KEY.lower()}"
        lines = [
            f"data.0.{V4}.{V6} ({first} {heard}) is invalid. {heard} {V4} {V6}",
            f"data.1 is invalid. {first} from {OTHER} with {heard}",
            {"loc": [KEY, V4], "msg": heard},
        ]
        said = {"message": f"{heard} from {V4}", "errors": True, KEY: KEY, "data": lines}
        said = said if status == 422 else {**said, "detail": said, "data": {"errors": lines}}
        return status, json.dumps(said).encode(), headers

    return answer


def assert_nothing_leaked(traces, *, addresses_in=REJECTS):
    __tracebackhide__ = True
    assert traces.of(SECRETS) == []
    assert traces.of(ADDRESSES, but=addresses_in) == []
    assert "Traceback" not in traces.stderr


def assert_it_was_talkative(traces):
    """The search finds nothing because nothing is there, and not because nobody said a word."""
    assert b"urllib3.connectionpool" in traces.places["log/debug.log"]
    assert b"POST /v1/interactions" in traces.places["stderr"]
    assert b"miso_upload" in traces.places["cmdline of a process"]


# -- what a server can do --------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["query", "header"])
def test_a_success_leaves_neither_key_nor_address_behind(auth, stage, server):
    traces = stage.run(
        history(stage), "--server", server.url, "--report", "report.json", "--auth", auth,
        "--max-reject-rate", 1,
    )  # fmt: skip

    assert traces.exit_code == 1
    assert counts_in(traces.stdout)[1] in (40, 41)
    assert "work/report.json" in traces.places
    assert V4 in traces.places["work/history.jsonl.rejects.jsonl"].decode()
    assert_nothing_leaked(traces)
    assert_it_was_talkative(traces)


@pytest.mark.parametrize(
    ("status", "auth"),
    [(200, "query"), (401, "header"), (413, "query"), (422, "query"), (500, "header")],
)
def test_an_answer_that_says_back_key_and_records_is_shown_without(status, auth, stage, server):
    server.answer = echo(status)

    traces = stage.run(
        history(stage, [row(n, ip=V4) for n in range(9)]), "--server", server.url, "--json",
        "--report", "report.json", "--auth", auth, *ONCE,
    )  # fmt: skip

    assert traces.exit_code in (1, 3, 4)
    assert THE_KEY in traces.stderr + traces.stdout
    assert_nothing_leaked(traces, addresses_in=())


def test_what_miso_refused_is_printed_again_without_the_key(stage, server):
    server.answer = echo(422)
    path = history(stage, [row(n, ip=V4) for n in range(9)])
    stage.run(path, "--server", server.url)

    again = stage.run("rejects", path)

    assert THE_KEY in again.stdout
    assert again.of(SECRETS) == []
    assert again.of(ADDRESSES, but=("stdout",)) == []


def test_a_redirect_to_another_host_is_not_followed_and_told_without_the_key(stage, server):
    with Server().running() as other:
        to = f"http://{KEY}@{KEY}.example:{other.port}/?api_key={KEY}"
        server.answer = lambda handler, body: (307, b"", {"Location": to})

        traces = stage.run(history(stage, [row(1)]), "--server", server.url, *ONCE)

    assert traces.exit_code == 3
    assert other.requests == []
    assert_nothing_leaked(traces)


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("http://127.0.0.1:9", 3),
        ("https://nowhere.invalid", 3),
        ("https://127.0.0.1:{port}", 3),
        ("http://203.0.113.1", 2),
        (f"https://visitor:{quote(KEY, safe='')}@127.0.0.1:{{port}}", 2),
        (f"https://127.0.0.1:{{port}}/?api_key={KEY}", 2),
        (f"{KEY}", 2),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_without_the_key(to, code, stage, server, golden):
    path = history(stage, [row(1, ip=V4)])

    traces = stage.run(path, "--json", *ONCE, MISO_UPLOAD_SERVER=to.format(port=server.port))

    assert traces.exit_code == code
    assert json.loads(traces.stderr.splitlines()[-1])["text"] == golden
    assert_nothing_leaked(traces)


def test_a_lost_answer_is_told_without_the_key(stage, server):
    server.answer = lambda handler, body: None

    traces = stage.run(
        history(stage), "--server", server.url, "--read-timeout", 0.3, *ONCE,
        "--on-unknown", "hold", "--max-reject-rate", 1,
    )  # fmt: skip

    assert counts_in(traces.stdout)[5] > 0
    assert_nothing_leaked(traces)


# -- how a run can end -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGABRT, signal.SIGKILL])
def test_a_signal_in_the_middle_leaves_neither_key_nor_address_behind(number, stage, server):
    server.answer = lambda handler, body: None

    def kill(process):
        assert server.arrived.wait(30)
        process.send_signal(number)

    traces = stage.run(
        history(stage), "--server", server.url, "--max-reject-rate", 1, "--read-timeout", 1, *ONCE,
        kill=kill,
    )  # fmt: skip

    assert traces.exit_code in (143, -number)
    assert number != signal.SIGABRT or "Fatal Python error: Aborted" in traces.stderr
    assert any(place.endswith("-wal") for place in traces.places) or number == signal.SIGTERM
    assert_nothing_leaked(traces)


@pytest.mark.parametrize("where", ["delivering", "settling", "transforming", "reading"])
def test_a_defect_is_told_by_its_place_and_without_what_was_at_hand(where, stage, server):
    held = " ".join((*SECRETS, *ADDRESSES))

    traces = stage.run(
        history(stage), "--server", server.url, "--max-reject-rate", 1,
        LEAKS_DEFECT=where, LEAKS_HELD=held,
    )  # fmt: skip

    assert traces.exit_code == 3
    assert re.search(r"\w+\.py:\d+", traces.stderr)
    assert_nothing_leaked(traces)


def test_a_key_given_as_the_name_of_a_file_is_not_repeated(stage):
    traces = stage.run(history(stage), MISO_UPLOAD_API_KEY_FILE=KEY)

    assert traces.exit_code == 2
    assert "--api-key-file" in traces.stderr
    assert_nothing_leaked(traces)


# -- what users run --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("--dry-run", "--report", "report.json"),
        ("--dry-run", "--json", "--strict"),
        ("--dry-run", "--map", "product_ids=client_ip", "--map", "rating=x-forwarded-for"),
        ("--sandbox", "--max-reject-rate", 1, "--rejects", "mine.rejects.jsonl"),
        ("--sandbox", "--max-reject-rate", 0.01, "--chunk-size", 5),
    ],
)
def test_a_rehearsal_shows_no_address(args, stage):
    traces = stage.run(history(stage), *args)

    assert traces.exit_code in (1, 2)
    assert_nothing_leaked(traces)


def test_junk_is_stopped_without_showing_an_address(stage, server):
    junk = [f'{V4} - - [01/May/2024:10:00:00 +0000] "GET /{V6} HTTP/1.1" 200 1'] * 20

    traces = stage.run(history(stage, junk, "access.log"), "--server", server.url,
                       "--format", "jsonl")  # fmt: skip

    assert traces.exit_code == 2
    assert "access.log" in traces.stderr
    assert_nothing_leaked(traces)


@pytest.mark.parametrize("args", [("--strict",), ("--map", "user_id=203.0.113.7"), ("--json",)])
def test_a_first_row_that_is_no_header_shows_no_address(args, stage):
    table = "".join(f"{V4},{V6},{OTHER},2024-05-01T10:00:0{n}Z,/p/{n}\n" for n in range(9))

    traces = stage.run(stage.write("access.csv", table), "--dry-run", *args)

    assert AN_ADDRESS in traces.stderr + traces.stdout
    assert_nothing_leaked(traces)


@pytest.mark.parametrize("command", ["preview", "init"])
def test_rows_are_shown_with_their_addresses_hidden(command, stage):
    more = {"init": ("-o", "drawn.toml"), "preview": ("--rows", 50)}[command]

    traces = stage.run(command, history(stage), *more, COLUMNS="160")

    assert traces.exit_code == 0
    assert AN_ADDRESS in traces.stdout
    assert_nothing_leaked(traces)


def test_commands_that_look_back_show_no_address_but_in_rows_that_were_asked_for(stage, server):
    path = history(stage)
    stage.run(path, "--server", server.url, "--max-reject-rate", 1, "--quiet")

    status = stage.run("status", "--json")
    rejects = stage.run("rejects", path)

    assert_nothing_leaked(status)
    assert V4 in rejects.stdout
    assert_nothing_leaked(rejects, addresses_in=("stdout", *REJECTS))


def test_rejects_without_rows_hold_no_address_and_can_be_printed_with_rows_later(stage, server):
    path = history(stage)
    traces = stage.run(
        path, "--server", server.url, "--max-reject-rate", 1, "--rejects-without-rows"
    )
    again = stage.run("rejects", path)

    written = traces.places["work/history.jsonl.rejects.jsonl"].decode().splitlines()
    lines, printed = map(json.loads, written), map(json.loads, again.stdout.splitlines())
    assert [dict(line, row=None) for line in lines] == [dict(line, row=None) for line in printed]
    assert all(list(json.loads(line)) == ["source", "line", "by", "reasons"] for line in written)
    assert_nothing_leaked(traces, addresses_in=())


def test_what_the_program_starts_is_not_given_the_key(stage, server):
    stage.write("mine.py", "import os, subprocess, sys\n"
                "subprocess.run(['sleep', '0.3'])\n"
                "def transform(row):\n"
                "    raise ValueError(f'{row} {os.environ.get(\"MISO_API_KEY\")}')\n")  # fmt: skip

    traces = stage.run(
        history(stage), "--server", server.url, "--transform", "mine.py",
        MISO_ANONYMOUS_ID_SALT="sentinel-salt",
    )  # fmt: skip

    given = {place: held for place, held in traces.places.items() if place.startswith("environ")}
    assert any(b"HOME=" in held for held in given.values())
    assert not any(b"MISO_API_KEY" in held or b"salt" in held for held in given.values())
    assert_nothing_leaked(traces)


def test_a_sandbox_says_no_key_but_its_usual_one(stage):
    def stop(process):
        lines = iter(process.stdout.readline, b"")
        assert any(b"http://127.0.0.1:" in line for line in lines)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)

    traces = stage.run("sandbox", "--port", 0, MISO_SANDBOX_KEY=KEY, kill=stop)

    assert_nothing_leaked(traces)


# -- web server logs and worker processes ----------------------------------------------------------


def access_log(stage, count=60):
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
    lines = [
        f"{V4 if number % 2 else V6} - - [01/May/2024:10:00:{number % 60:02} +0000] "
        f'"GET /{OTHER}/p/{number}?from={V6}&ip={V4} HTTP/1.1" 200 9 "https://{V4}/" "{agent}"'
        for number in range(count)
    ]
    broken = [f"{V4} broken {V6}", f'{V4} - - [never] "GET /{OTHER} HTTP/1.1" 200 9 "-" "-"']
    return stage.write("access.log", "\n".join([*lines, *broken]) + "\n")


@pytest.mark.parametrize(
    "args",
    [
        ("--dry-run", "--json", "--report", "report.json"),
        ("--dry-run", "--preset", "web-log"),
        ("--sandbox", "--set", "type=home_page_view", "--workers", 2, "--chunk-size", 20),
    ],
)
def test_a_web_server_log_is_read_without_showing_an_address(args, stage):
    traces = stage.run(access_log(stage), *args)

    assert counts_in(traces.stdout) or "totals" in traces.stdout or traces.exit_code == 2
    assert_nothing_leaked(traces)


@pytest.mark.parametrize("command", ["preview", "init"])
def test_a_web_server_log_is_shown_with_its_addresses_hidden(command, stage):
    assert_nothing_leaked(stage.run(command, access_log(stage)))


def test_worker_processes_are_given_neither_key_nor_salt(stage, server):
    traces = stage.run(
        history(stage, [row(n, ip=V4) for n in range(3_000)]), "--server", server.url,
        "--workers", 2, "--chunk-size", 100, MISO_ANONYMOUS_ID_SALT="sentinel-salt",
    )  # fmt: skip

    given = {place: held for place, held in traces.places.items() if place.startswith("environ")}
    assert given
    assert not any(b"MISO_API_KEY" in held or b"sentinel" in held for held in given.values())
    assert_nothing_leaked(traces)


@pytest.mark.parametrize("command", ["upload", "status", "init"])
def test_a_signed_address_of_an_input_is_shown_without_its_signature(command, stage, server):
    place = f"127.0.0.1:{server.port}/h.jsonl"
    address = f"http://visitor:{PROXY_PASSWORD}@{place}?X-Amz-Signature={KEY}"

    traces = stage.run(command, address)

    del traces.places["cmdline of a process"]  # where the user has put it
    assert traces.exit_code in (2, 3)
    assert f"http://{place}" in traces.stderr
    assert_nothing_leaked(traces)
