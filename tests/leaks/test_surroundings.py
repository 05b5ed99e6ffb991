"""Proxies, ~/.netrc, files and the terminal: what the program finds around it, and leaves there."""

from __future__ import annotations

import base64
import os
import pty
import select
import shutil
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.helpers.paths import ROOT
from tests.helpers.rows import row, write_rows
from tests.helpers.servers import Server, success
from tests.helpers.traces import KEY, PROXY_PASSWORD
from tests.leaks.test_leaks import ONCE, assert_nothing_leaked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")

FAR = ("--server", "http://shop.example", "--allow-insecure-http", *ONCE)


@pytest.fixture
def history(stage):
    path = write_rows(stage.work / "history.jsonl", [row(n) for n in range(3)])
    stage.inputs.add(path)
    return path


@pytest.fixture
def proxy():
    with Server().running() as running:
        running.setting = f"http://visitor:{PROXY_PASSWORD}@127.0.0.1:{running.port}"
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of localhost, which vouches for itself."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=place, check=True, capture_output=True,
    )  # fmt: skip
    return place


# -- proxies ---------------------------------------------------------------------------------------


def test_a_proxy_is_given_its_own_password_and_nobody_sees_it(stage, history, proxy):
    traces = stage.run(history, *FAR, HTTP_PROXY=proxy.setting)

    (line, headers) = proxy.requests[0]
    given = base64.b64encode(f"visitor:{PROXY_PASSWORD}".encode()).decode()
    assert line.startswith("POST http://shop.example/v1/interactions?")
    assert headers["Proxy-Authorization"] == f"Basic {given}"
    assert traces.exit_code == 0
    assert_nothing_leaked(traces)


def test_a_tunnel_carries_the_key_where_the_proxy_cannot_read_it(
    stage, history, proxy, certificate
):
    with Server() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        server.wrap(context)

        traces = stage.run(
            history, "--server", server.url, *ONCE, HTTPS_PROXY=proxy.setting,
            REQUESTS_CA_BUNDLE=str(certificate / "cert.pem"),
        )  # fmt: skip

    assert traces.exit_code == 0
    assert [line.rpartition(" ")[0] for line, _ in proxy.requests] == [
        f"CONNECT localhost:{server.port}"
    ]
    assert "api_key=" in server.requests[0][0]
    assert "Proxy-Authorization" not in server.requests[0][1]
    assert_nothing_leaked(traces)


@pytest.mark.parametrize(
    "setting",
    [
        "http://visitor:{password}@127.0.0.1:9",
        "http://visitor:{password}@nowhere.invalid:3128",
        "http://visitor:{password}#@127.0.0.1:3128",
        "http://visitor:{password}@127.0.0.1:port",
        "visitor:{password}",
        "http://visitor:4711#{password}@127.0.0.1:3128",
        "http://visitor:4711/{password}@127.0.0.1:3128",
        "socks5h://visitor:{password}@127.0.0.1:9",
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(setting, stage, history):
    traces = stage.run(history, *FAR, all_proxy=setting.format(password=PROXY_PASSWORD))

    assert traces.exit_code == 3
    assert "shop.example" in traces.stderr
    assert "_PROXY" in traces.stderr
    assert ".py:" not in traces.stderr
    assert "visitor:4711" not in traces.stderr.splitlines()[-1]
    assert_nothing_leaked(traces)


def test_a_proxy_that_wants_another_password_is_told_without_the_one_it_got(stage, history, proxy):
    proxy.answer = lambda handler, body: (407, str(handler.headers).encode(), {})

    traces = stage.run(history, *FAR, HTTP_PROXY=proxy.setting)

    assert (traces.exit_code, "407" in traces.stderr) == (3, True)
    assert_nothing_leaked(traces)


def test_hosts_of_no_proxy_are_reached_without_it(stage, history, proxy):
    traces = stage.run(
        history, *FAR, HTTP_PROXY=proxy.setting, NO_PROXY="shop.example", no_proxy="shop.example"
    )

    assert proxy.requests == []
    assert "shop.example" in traces.stderr
    assert_nothing_leaked(traces)


def test_a_password_in_netrc_and_a_referer_are_not_sent(stage, history, server):
    stage.run(history, "--server", server.url)

    (_, headers) = server.requests[0]
    assert not {"Authorization", "Referer", "Cookie"} & headers.keys()


def modes_of(paths):
    """Return name and mode of each path that is still there."""
    found = []
    for path in paths:
        with suppress(FileNotFoundError):
            found.append((path.name, path.stat().st_mode & 0o777))
    return found


# -- files -----------------------------------------------------------------------------------------


def test_whatever_is_made_is_for_its_owner_only_even_while_it_is_made(stage, server):
    """All of it under a umask that would let everybody read and write."""
    history = write_rows(stage.work / "history.jsonl", [row(1), row(2, timestamp="x")])
    stage.inputs.add(history)
    server.answer = lambda handler, body: None
    seen = []

    def look(process):
        assert server.arrived.wait(30)
        seen.extend(modes_of(stage.made()))
        process.send_signal(signal.SIGKILL)

    stage.run("init", history, "-o", "drawn.toml")
    stage.run(history, "--sandbox", "--report", "report.json")
    stage.run(history, "--server", server.url, "--max-reject-rate", 1, kill=look)
    server.answer = success
    stage.run(history, "--server", server.url, "--max-reject-rate", 1)
    seen += modes_of(stage.made())

    assert {mode for _, mode in seen} == {0o600}, seen
    assert {"report.json", "drawn.toml", "history.jsonl.rejects.jsonl"} < {name for name, _ in seen}
    assert any(name.endswith("-wal") for name, _ in seen)


def test_a_directory_of_ledgers_that_is_made_is_for_its_owner_only(stage, history):
    stage.run(history, *FAR, "--state-dir", "ledgers")

    assert (stage.work / "ledgers").stat().st_mode & 0o777 == 0o700


def test_the_store_of_a_rehearsal_is_gone_afterwards_and_private_meanwhile(stage, history):
    """Looked at while the run waits for its input, so that it is there as long as it takes."""
    seen = []

    def look(process):
        while process.poll() is None and not [*stage.place.glob("tmp/*/*.sqlite")]:
            time.sleep(0.005)
        seen.extend(modes_of([*stage.place.glob("tmp/*"), *stage.place.glob("tmp/*/*")]))
        os.write(feed, history.read_bytes())
        os.close(feed)

    rows, feed = os.pipe()
    with open(rows, "rb") as stdin:  # noqa: PTH123 -- a descriptor
        traces = stage.run("-", "--format", "jsonl", "--sandbox", kill=look, stdin=stdin)

    assert traces.exit_code == 0
    assert "sandbox.sqlite" in dict(seen)
    assert {mode & 0o077 for _, mode in seen} == {0}
    assert list((stage.place / "tmp").iterdir()) == []


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o604, True)])
def test_a_key_file_that_others_can_read_is_warned_of(mode, warned, stage, history, server):
    key_file = stage.write("key", KEY)
    key_file.chmod(mode)

    traces = stage.run(history, "--server", server.url, "--api-key-file", "key", MISO_API_KEY="")

    assert traces.exit_code == 0
    assert any(line.startswith("key: ") for line in traces.stderr.splitlines()) is warned
    assert_nothing_leaked(traces)


# -- the terminal ----------------------------------------------------------------------------------


def test_a_key_that_is_typed_is_not_shown(stage, history, server):
    master, slave = pty.openpty()
    environment = stage._environment({"MISO_API_KEY": "", "PYTHONPATH": str(ROOT)})
    with subprocess.Popen(
        [sys.executable, "-m", "miso_upload", str(history), "--server", server.url],
        stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        cwd=stage.work,
    ) as process:  # fmt: skip
        os.close(slave)
        shown = _read_until(master, b": ")
        os.write(master, f"{KEY}\n".encode())
        shown += _read_until(master, None)
    os.close(master)

    assert process.returncode == 0
    assert len(server.requests) == 1
    assert KEY.encode() not in shown


def _read_until(terminal, wanted):
    """Return what a terminal shows until it ends so, as a prompt does, or its program ends."""
    shown = b""
    while wanted is None or not shown.endswith(wanted):
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, shown
        try:
            more = os.read(terminal, 65_536)
        except OSError:
            more = b""
        if not more:
            break
        shown += more
    return shown
