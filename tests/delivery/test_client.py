import gc
import gzip
import http.client
import io
import json
import logging
import socket
import struct
import threading
import time
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest
import requests
import responses

from miso_upload import __version__
from miso_upload.delivery import Client, Target
from miso_upload.delivery import client as client_module
from miso_upload.delivery.client import MAX_RETRY_AFTER, NotSentError, UnknownOutcomeError
from miso_upload.errors import ConfigurationError
from miso_upload.sandbox import Faults, Sandbox
from tests.helpers.certificates import self_signed

KEY = "sentinel key/+&?"
QUOTED_KEY = "sentinel+key%2F%2B%26%3F"
URL = "https://api.test/v1/interactions"
BODY = b'{"data":[{"type":"like","user_id":"u1","timestamp":"2025-03-01T09:30:00Z"}]}'
SUCCESS = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + b'{"message":"success"}'


@pytest.fixture(autouse=True)
def _no_proxies_from_outside(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def client_for(server, *, timeout=5.0, connect_timeout=5.0, key=KEY, **options):
    return Client(
        Target(server, key, **options), connect_timeout=connect_timeout, read_timeout=timeout
    )


@contextmanager
def server(*talks):
    """Serve one connection after the other, each with its own way of talking; yield the URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    over = threading.Event()

    def serve():
        for talk in talks:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                talk(connection, over)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        assert not thread.is_alive()


def request_on(connection):
    """Read one request to its end and return it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head, body


def answering(answer, heard=None):
    def talk(connection, _over):
        said = request_on(connection)
        if heard is not None:
            heard.append(said)
        connection.sendall(answer)

    return talk


def http_answer(body):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def dripping(start, drop):
    """Answer with `start`, and then with a little more every now and then."""

    def talk(connection, over):
        request_on(connection)
        connection.sendall(start)
        while not over.wait(0.05):
            connection.sendall(drop)

    return talk


def reset(connection):
    """Close a connection so that the other side sees it torn down."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# -- the request -----------------------------------------------------------------------------------


def test_a_request_is_what_misos_guide_shows():
    heard = []
    with server(answering(SUCCESS, heard)) as url:
        answer = client_for(url, key="abc").post(BODY)

    head, body = heard[0]
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/interactions?api_key=abc HTTP/1.1"
    assert "Content-Type: application/json" in lines
    assert f"User-Agent: miso-upload/{__version__}" in lines
    assert body == BODY
    assert (answer.status, answer.body) == (200, {"message": "success"})


@pytest.mark.parametrize(
    ("options", "line", "header"),
    [
        ({}, f"?api_key={QUOTED_KEY} ", None),
        ({"dry_run": True}, f"?dry_run=1&api_key={QUOTED_KEY} ", None),
        ({"auth": "header"}, "/v1/interactions ", f"X-API-KEY: {KEY}"),
        ({"auth": "header", "dry_run": True}, "/v1/interactions?dry_run=1 ", f"X-API-KEY: {KEY}"),
    ],
)
def test_the_key_is_sent_only_where_auth_says(options, line, header):
    heard = []
    with server(answering(SUCCESS, heard)) as url:
        client_for(url, **options).post(BODY)

    head = heard[0][0].decode()
    assert line in head.splitlines()[0]
    assert (header is None) == ("X-API-KEY" not in head)
    assert header is None or header in head.splitlines()


def test_a_connection_is_reused():
    connections = []

    def talk(connection, _over):
        connections.append(connection)
        for _ in range(3):
            request_on(connection)
            connection.sendall(SUCCESS)

    with server(talk) as url:
        client = client_for(url)
        statuses = [client.post(BODY).status for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert len(connections) == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced():
    with server(answering(SUCCESS), answering(SUCCESS)) as url:
        client = client_for(url)

        first = client.post(BODY).status
        time.sleep(0.2)  # until the end of the connection has come through
        second = client.post(BODY).status

    assert [first, second] == [200, 200]


def test_threads_do_not_share_a_connection():
    with Sandbox(key=KEY) as sandbox:
        client = client_for(sandbox.url)
        together = threading.Barrier(4)
        statuses = []

        def post():
            together.wait(5)
            statuses.append(client.post(BODY).status)

        threads = [threading.Thread(target=post) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert statuses == [200] * 4


def test_a_large_body_arrives_completely():
    body = b'{"data":[' + b",".join([b'{"type":"like"}'] * 200_000) + b"]}"
    heard = []
    with server(answering(SUCCESS, heard)) as url:
        client_for(url).post(body)

    assert heard[0][1] == body


# -- the answer ------------------------------------------------------------------------------------


@responses.activate
@pytest.mark.parametrize("body", ["", "<html>Welcome</html>", '{"message":', "\x00", "[" * 5000])
def test_a_body_that_is_not_json_is_none(body):
    responses.post(URL, body=body)

    assert client_for("https://api.test").post(BODY).body is None


@responses.activate
def test_a_status_is_not_an_error():
    responses.post(URL, status=422, json={"errors": True, "data": ["data.0 is invalid."]})

    answer = client_for("https://api.test").post(BODY)

    assert (answer.status, answer.body["data"]) == (422, ["data.0 is invalid."])


@responses.activate
@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://user:secret@elsewhere.test:8443/login?token=1", "elsewhere.test:8443"),
        ("/v2/interactions", ""),
        ("http://[", ""),
        ("https://elsewhere.test:port/", ""),
    ],
)
def test_a_redirect_is_not_followed_and_only_its_host_is_reported(location, host):
    responses.post(URL, status=307, headers={"Location": location})

    answer = client_for("https://api.test").post(BODY)

    assert (answer.status, answer.location) == (307, host)
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u00b2", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +9999999999", None),
        ("Mon, 99 Jan 2024 00:00:00 GMT", None),
        ("9" * 5000 + " Jan 2024 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0),
        ("Mon, 01 Jan 9999 00:00:00 GMT", MAX_RETRY_AFTER),
    ],
)
def test_retry_after_is_understood_or_ignored(header, seconds):
    responses.post(URL, status=429, headers={"Retry-After": header})

    assert client_for("https://api.test").post(BODY).retry_after == seconds


@responses.activate
@pytest.mark.parametrize("zone", [UTC, None])
def test_retry_after_may_be_a_date(zone):
    when = datetime.now(UTC) + timedelta(minutes=5)
    header = format_datetime(when.replace(tzinfo=zone), usegmt=zone is UTC)
    responses.post(URL, status=503, headers={"Retry-After": header})

    assert 290 < client_for("https://api.test").post(BODY).retry_after <= 300


@responses.activate
def test_a_retry_after_date_is_relative_to_the_servers_clock():
    headers = {
        "Retry-After": "Mon, 01 Jan 2024 00:00:30 GMT",
        "Date": "Mon, 01 Jan 2024 00:00:00 GMT",
    }
    responses.post(URL, status=503, headers=headers)

    assert client_for("https://api.test").post(BODY).retry_after == 30


# -- nothing was sent ------------------------------------------------------------------------------


def failing(url, error, **options):
    with pytest.raises(error) as caught:
        client_for(url, **options).post(BODY)
    return str(caught.value)


def without_cause(message):
    """Return a message without the operating system's word for it, which differs by chance."""
    return message.partition(" (")[0]


def test_a_refused_connection_means_nothing_was_sent(golden):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    message = failing(f"http://127.0.0.1:{port}", NotSentError)

    assert "--server" in message
    assert message == golden


def test_an_unknown_name_means_nothing_was_sent(monkeypatch, golden):
    def nowhere(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)

    message = failing("https://api.test", NotSentError)

    assert "api.test" in message
    assert message == golden


def test_a_connection_timeout_means_nothing_was_sent(monkeypatch, golden):
    def silence(*_args, **_options):
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib3.util.connection.create_connection", silence)

    assert failing("https://api.test", NotSentError) == golden


def test_a_plain_server_where_tls_is_expected_means_nothing_was_sent(golden):
    def talk(connection, _over):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with server(talk) as url:
        message = failing(url.replace("http", "https"), NotSentError)

    # Between them, OpenSSL says what it thinks of the answer.
    start, end = message.split(url.removeprefix("http://"))
    assert (start, end.rpartition("; ")[2]) == golden


def test_a_tls_handshake_that_stalls_means_nothing_was_sent(golden):
    with server(lambda _connection, over: over.wait(10)) as url:
        message = failing(url.replace("http", "https"), NotSentError, connect_timeout=0.2)

    assert message == golden


def test_missing_certificates_mean_nothing_was_sent(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))

    assert "REQUESTS_CA_BUNDLE" in failing("https://api.test", NotSentError)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:{port}", "http://me:secret@127.0.0.1:{port}"])
def test_an_unreachable_proxy_means_nothing_was_sent(monkeypatch, proxy, golden):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(port=port))

    message = failing("https://api.test", NotSentError)

    assert "secret" not in message
    assert message == golden


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_a_refusing_proxy_means_nothing_was_sent(monkeypatch, answer):
    def talk(connection, _over):
        connection.recv(65536)
        connection.sendall(answer)

    with server(talk) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        failing("https://api.test", NotSentError)


def test_a_dripping_proxy_times_out(monkeypatch):
    def talk(connection, over):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\nX-Drip: ")
        while not over.wait(0.05):
            connection.sendall(b"x")

    with server(talk) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        failing("https://api.test", NotSentError, timeout=0.3)


def test_an_invalid_proxy_setting_means_nothing_was_sent(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://:@/")

    failing("https://api.test", NotSentError)


def test_a_connection_lost_during_the_body_is_unknown(golden):
    def talk(connection, _over):
        connection.recv(1000)
        reset(connection)

    with server(talk) as url:
        client = client_for(url)
        with pytest.raises(UnknownOutcomeError) as caught:
            client.post(b"x" * 20_000_000)

    assert without_cause(str(caught.value)) == golden


def test_a_connection_lost_before_the_body_means_nothing_was_sent(
    monkeypatch,
):
    send_headers = http.client.HTTPConnection.endheaders

    def lost(connection, *args, **options):
        send_headers(connection, *args, **options)
        raise ConnectionResetError

    monkeypatch.setattr(http.client.HTTPConnection, "endheaders", lost)
    with server(lambda _connection, over: over.wait(10)) as url:
        failing(url, NotSentError, timeout=0.3)


def test_an_answer_before_the_end_of_the_body_is_read():
    def talk(connection, _over):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(2**20):
            pass

    with server(talk) as url:
        assert client_for(url).post(b"x" * 20_000_000).status == 413


def test_a_server_that_does_not_read_times_out():
    with server(lambda _connection, over: over.wait(10)) as url:
        client = client_for(url, timeout=0.3)
        with pytest.raises(UnknownOutcomeError):
            client.post(b"x" * 50_000_000)


def reading_a_little(connection, over):
    while not over.wait(0.05):
        connection.recv(40_000)


def test_a_server_that_reads_slowly_times_out():
    with server(reading_a_little) as url:
        client = client_for(url, timeout=0.4)
        with pytest.raises(UnknownOutcomeError):
            client.post(b"x" * 50_000_000)  # at that pace, a matter of minutes


def test_a_server_that_reads_slowly_over_tls_times_out(tls, monkeypatch):
    context, certificate = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    def talk(connection, over):
        with context.wrap_socket(connection, server_side=True) as secure:
            reading_a_little(secure, over)

    with server(talk) as url:
        client = client_for(url.replace("http://127.0.0.1", "https://localhost"), timeout=0.4)
        with pytest.raises(UnknownOutcomeError):
            client.post(b"x" * 50_000_000)


def test_sending_and_reading_each_have_the_full_timeout():
    """And not only as long as for a connection: megabytes take their time."""

    def talk(connection, over):
        over.wait(0.6)
        request_on(connection)
        connection.sendall(SUCCESS)

    with server(talk) as url:
        answer = client_for(url, connect_timeout=0.2).post(b"x" * 20_000_000)

    assert answer.status == 200


# -- unknown outcomes ------------------------------------------------------------------------------


def test_an_answer_timeout_is_unknown(golden):
    with server(lambda connection, over: (request_on(connection), over.wait(10))) as url:
        message = failing(url, UnknownOutcomeError, timeout=0.2)

    assert message == golden


@pytest.mark.parametrize("close", [socket.socket.close, reset])
def test_a_connection_lost_after_the_request_is_unknown(close, golden):
    with server(lambda connection, _over: (request_on(connection), close(connection))) as url:
        message = failing(url, UnknownOutcomeError)

    assert without_cause(message) == golden


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"message":"success"}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n" + b'{"message":"success"}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Header: y\r\n" * 500,
        b"HTTP/1.1 200 OK\r\nX-Header: " + b"y" * 200_000,
    ],
)
def test_an_incomplete_answer_is_unknown(answer):
    with server(answering(answer)) as url:
        failing(url, UnknownOutcomeError)


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200", b" "),
        (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
)
def test_a_dripping_answer_times_out(start, drop):
    """Each drop comes well before any silence would be too long."""
    with server(dripping(start, drop)) as url:
        failing(url, UnknownOutcomeError, timeout=0.4)


def test_an_endless_answer_is_cut_off(monkeypatch, golden):
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 2**20)

    def talk(connection, over):
        request_on(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            connection.sendall(b"x" * 65536)

    with server(talk) as url:
        message = failing(url, UnknownOutcomeError)

    assert message == golden


@pytest.mark.parametrize("status", [302, 404, 422, 503])
def test_the_status_counts_if_the_body_is_endless(monkeypatch, status):
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 2**20)

    def talk(connection, over):
        request_on(connection)
        connection.sendall(f"HTTP/1.1 {status} No\r\nRetry-After: 3\r\n\r\n".encode())
        while not over.is_set():
            connection.sendall(b"x" * 65536)

    with server(talk) as url:
        answer = client_for(url).post(BODY)

    assert (answer.status, answer.body, answer.retry_after) == (status, None, 3.0)


@pytest.mark.parametrize("status", [302, 404, 422, 503])
def test_the_status_counts_if_the_body_is_lost(status):
    lost = f"HTTP/1.1 {status} No\r\nContent-Length: 100\r\n\r\n".encode() + b'{"data'

    def talk(connection, _over):
        request_on(connection)
        connection.sendall(lost)
        connection.shutdown(socket.SHUT_WR)

    with server(talk) as url:
        answer = client_for(url).post(BODY)

    assert (answer.status, answer.body) == (status, None)


def test_interim_answers_are_skipped():
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    interim += b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"

    with server(answering(interim + SUCCESS + interim + SUCCESS)) as url:
        client = client_for(url)

        assert client.post(BODY).body == {"message": "success"}


def test_endless_interim_answers_time_out():
    with server(dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")) as url:
        failing(url, UnknownOutcomeError, timeout=0.4)


def test_a_decompression_bomb_is_cut_off(monkeypatch, golden):
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 2**20)
    compressed = gzip.compress(b" " * 2**26)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(compressed)}\r\n\r\n"

    with server(answering(head.encode() + compressed)) as url:
        message = failing(url, UnknownOutcomeError)

    assert message == golden


def test_tls_lost_after_the_request_is_unknown(tls, monkeypatch):
    """The library calls it an error of TLS, as it calls one before anything was sent."""
    context, certificate = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    def talk(connection, _over):
        with context.wrap_socket(connection, server_side=True) as secure:
            request_on(secure)
            with socket.socket(fileno=secure.detach()) as raw:
                raw.sendall(b"this is no TLS record at all")

    with server(talk) as url:
        address = url.replace("http://127.0.0.1", "https://localhost")
        failing(address, UnknownOutcomeError)


def test_an_answer_over_tls_is_read(tls, monkeypatch):
    context, certificate = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    def talk(connection, _over):
        with context.wrap_socket(connection, server_side=True) as secure:
            for _ in range(2):
                request_on(secure)
                secure.sendall(SUCCESS)

    with server(talk) as url:
        client = client_for(url.replace("http://127.0.0.1", "https://localhost"))

        assert [client.post(b"x" * 300_000).status for _ in range(2)] == [200, 200]


def test_a_certificate_of_another_host_means_nothing_was_sent(tls):
    context, _ = tls

    def talk(connection, _over):
        with context.wrap_socket(connection, server_side=True) as secure:
            request_on(secure)

    with server(talk) as url:
        message = failing(url.replace("http", "https"), NotSentError)

    assert "certificate verify failed" in message


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Return a server's side of TLS, and the file with the certificate to trust."""
    return self_signed(tmp_path_factory.mktemp("tls"))


# -- proxies and environment -----------------------------------------------------------------------


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    heard = []
    with server(answering(SUCCESS, heard)) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        client_for("http://miso.test", allow_insecure_http=True).post(BODY)

    assert heard[0][0].startswith(
        f"POST http://miso.test/v1/interactions?api_key={QUOTED_KEY} HTTP/1.1".encode()
    )


def test_a_tunnel_through_a_proxy_does_not_show_it_the_key(monkeypatch):
    heard = []

    def talk(connection, _over):
        heard.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        heard.append(connection.recv(65536))

    with server(talk) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        failing("https://api.test", NotSentError)

    assert heard[0].startswith(b"CONNECT api.test:443 HTTP/1.")
    assert b"sentinel" not in b"".join(heard)


def test_a_loopback_server_is_reached_without_a_proxy(monkeypatch):
    """It would be shown the key, as http to this machine is not encrypted."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with server(answering(SUCCESS)) as url:
        assert client_for(url).post(BODY).status == 200


def test_passwords_in_netrc_are_not_sent(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password sentinel\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    heard = []
    with server(answering(SUCCESS, heard)) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        client_for("http://miso.test", allow_insecure_http=True).post(BODY)

    assert b"authorization" not in heard[0][0].lower()


# -- the key is a secret ---------------------------------------------------------------------------


@pytest.fixture
def all_logs():
    """Everything that anybody logs, as text."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    names = [root, *map(logging.getLogger, ("urllib3", "requests", "http.client"))]
    before = [(logger, logger.level) for logger in names]
    for logger in names:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield text
    root.removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


FAULTS = ["ok", "422", "429", "503", "502", "401", "drop", "drop-after", "garbage", "errors-true"]


@pytest.mark.parametrize("auth", ["query", "header"])
def test_no_debug_log_has_the_key_or_a_query(all_logs, auth, monkeypatch):
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    printed = io.StringIO()
    with Sandbox(key=KEY, faults=Faults(script=tuple(FAULTS))) as sandbox, redirect_stdout(printed):
        client = client_for(sandbox.url, auth=auth)
        for _ in FAULTS:
            try:
                client.post(BODY)
            except UnknownOutcomeError as error:
                all_logs.write(repr(error))
    with pytest.raises(NotSentError) as caught:
        client.post(BODY)

    logged = all_logs.getvalue() + printed.getvalue() + repr(caught.value)
    assert "POST /v1/interactions HTTP/1.1" in logged
    assert "sentinel" not in logged
    assert "api_key" not in logged


def causes(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("where", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
def test_an_error_has_no_cause_or_context(where):
    """A reporter of crashes would print that one too, and the library's names the address."""
    with pytest.raises(NotSentError) as caught:
        client_for(where).post(BODY)

    assert list(causes(caught.value)) == [caught.value]


@pytest.mark.parametrize("said", [KEY, KEY.upper(), QUOTED_KEY, QUOTED_KEY.lower(), quote(KEY)])
def test_the_key_is_redacted_everywhere_in_an_answer(said):
    body = {"message": f"no {said}!", said: [{"x": [said]}], "errors": True}
    with server(answering(http_answer(json.dumps(body).encode()))) as url:
        answer = client_for(url, key=KEY).post(BODY)

    assert answer.body == {
        "message": "no (the key)!", "(the key)": [{"x": ["(the key)"]}], "errors": True
    }  # fmt: skip


def test_a_short_key_is_not_redacted():
    with server(answering(SUCCESS)) as url:
        assert client_for(url, key="success").post(BODY).body == {"message": "success"}


def test_an_answer_nested_too_deeply_is_none():
    body = b'{"message":' + b"[" * 1010 + b"]" * 1010 + b"}"
    with server(answering(http_answer(body))) as url:
        assert client_for(url, key=KEY).post(BODY).body is None


def test_the_key_is_in_no_repr():
    target = Target("https://api.test", KEY)
    client = Client(target, connect_timeout=1, read_timeout=1)
    client._session()

    assert "sentinel" not in repr(target) + repr(client) + repr(vars(client._session()))


def test_the_http_library_never_sees_the_key(monkeypatch):
    """Whatever it logs or raises, now or in a later version."""
    seen = []
    send = requests.adapters.HTTPAdapter.send

    def watching(self, request, **options):
        seen.append(repr((request.url, dict(request.headers), request.body)))
        return send(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", watching)
    with server(answering(SUCCESS), answering(SUCCESS)) as url:
        for auth in ("query", "header"):
            client_for(url, auth=auth).post(BODY)

    assert len(seen) == 2
    assert "sentinel" not in "".join(seen)


# -- allowed servers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "api.askmiso.com",
        "ftp://api.askmiso.com",
        "https://",
        "https:///v1",
        pytest.param("https://[::1", id="an address that is not closed"),
        "https://api.test:port",
        "https://api.test:99999",
        "",
    ],
)
def test_a_server_needs_a_scheme_and_a_host(where, golden):
    with pytest.raises(ConfigurationError) as caught:
        Target(where, KEY)
    assert str(caught.value) == golden


@pytest.mark.parametrize(
    "where",
    [
        "https://api.test/v1/interactions?api_key=sentinel",
        "https://me:sentinel@api.test",
        "https://sentinel@api.test",
        "https://api.test/#sentinel",
    ],
)
def test_a_secret_in_the_url_is_refused_and_not_repeated(where):
    with pytest.raises(ConfigurationError) as caught:
        Target(where, KEY)

    assert "api.test" in str(caught.value)
    assert "sentinel" not in str(caught.value)


@pytest.mark.parametrize("where", ["http://api.askmiso.com", "http://10.0.0.1:8080"])
def test_the_key_does_not_go_unencrypted_to_another_machine(where, golden):
    with pytest.raises(ConfigurationError) as caught:
        Target(where, KEY)
    assert str(caught.value) == golden


@pytest.mark.parametrize(
    "where", ["http://localhost:1", "http://127.0.0.1:1", "http://127.8.9.1", "http://[::1]:1"]
)
def test_http_to_this_machine_is_allowed(where):
    assert Target(where, KEY).loopback


def test_http_elsewhere_needs_an_option():
    assert Target("http://10.0.0.1", KEY, allow_insecure_http=True).host == "10.0.0.1"


def test_nothing_is_left_open(recwarn):
    with server(answering(SUCCESS)) as url:
        client_for(url).post(BODY)
    gc.collect()

    assert [warning for warning in recwarn if warning.category is ResourceWarning] == []
