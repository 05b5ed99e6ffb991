import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

from miso_upload.errors import SandboxError
from miso_upload.sandbox import Faults, Sandbox, serve
from tests.helpers.requests_to_sandbox import GOOD, PATH, address, connect, get, post


def test_a_started_sandbox_answers_at_once():
    sandbox = Sandbox()

    sandbox.start()
    status = get(sandbox).status_code
    sandbox.stop()

    assert status == 200
    assert not sandbox.running


def test_a_stopped_sandbox_refuses_connections():
    with Sandbox() as sandbox:
        pass

    with pytest.raises(ConnectionRefusedError):
        connect(sandbox)


def test_what_it_was_sent_can_be_looked_at_after_it_stopped():
    with Sandbox() as sandbox:
        post(sandbox, GOOD)

    assert list(sandbox.records()) == [GOOD]
    assert sandbox.counts()["records"] == 1


def test_a_sandbox_comes_back_at_the_same_address_with_what_it_had():
    with Sandbox() as sandbox:
        first = sandbox.url
        post(sandbox, GOOD)

    with sandbox:
        post(sandbox, GOOD)

    assert sandbox.url == first
    assert sandbox.counts()["records"] == 2


def test_starting_and_stopping_twice_does_no_harm():
    sandbox = Sandbox()

    assert sandbox.start() is sandbox.start()
    sandbox.stop()
    sandbox.stop()


def test_two_sandboxes_run_side_by_side():
    with Sandbox() as one, Sandbox() as other:
        post(one, GOOD)

    assert one.key != other.key
    assert (one.counts()["records"], other.counts()["records"]) == (1, 0)


def test_open_connections_do_not_hold_up_the_end():
    sandbox = Sandbox(faults=Faults(latency=30)).start()
    idle, half, waiting = (connect(sandbox) for _ in range(3))
    with requests.Session() as kept, idle, half, waiting:
        kept.get(sandbox.url, timeout=10)
        start = f"POST {PATH}?api_key={sandbox.key} HTTP/1.1\r\nHost: x\r\n"
        half.sendall(f"{start}Content-Length: 100\r\n\r\n{{".encode())
        waiting.sendall(f'{start}Content-Length: 11\r\n\r\n{{"data":[]}}'.encode())
        while not sandbox.counts()["requests"]:
            time.sleep(0.01)

        began = time.monotonic()
        sandbox.stop()

    assert time.monotonic() - began < 1


def test_a_client_that_leaves_in_the_middle_of_a_body_does_no_harm(sandbox, caplog):
    with connect(sandbox) as raw:
        raw.sendall(
            f"POST {PATH}?api_key={sandbox.key} HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )

    assert post(sandbox, GOOD).status_code == 200
    assert sandbox.counts()["requests"] == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_many_clients_are_served_at_once(sandbox):
    sandbox.faults = Faults(latency=0.2)
    began = time.monotonic()

    clients = [threading.Thread(target=post, args=(sandbox, GOOD)) for _ in range(10)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    assert time.monotonic() - began < 1.5
    assert sandbox.counts()["records"] == 10


def test_the_key_is_neither_shown_nor_logged(capfd, caplog):
    with caplog.at_level(logging.DEBUG), Sandbox(key="a-secret-key") as sandbox:
        post(sandbox, GOOD)
        with connect(sandbox) as raw:
            raw.sendall(b"POST /?api_key=a-secret-key HTTP/1.1\r\nbroken\r\n\r\n")
            assert raw.recv(1000).startswith(b"HTTP/1.1 400 ")

    ours = [record for record in caplog.records if not record.name.startswith("urllib3")]
    assert "a-secret-key" not in repr(sandbox)
    assert "a-secret-key" not in "".join(record.getMessage() for record in ours)
    assert capfd.readouterr() == ("", "")


def test_the_logging_of_the_program_around_it_is_left_alone():
    names = ("", "uvicorn", "uvicorn.error", "uvicorn.access")
    before = [_state(logging.getLogger(name)) for name in names]

    with Sandbox() as sandbox:
        get(sandbox)

    assert [_state(logging.getLogger(name)) for name in names] == before


def _state(logger):
    return logger.level, list(logger.handlers), logger.propagate, logger.disabled


def test_signal_handlers_are_left_alone():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    with Sandbox():
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    assert during == before


def test_a_defect_of_the_sandbox_is_logged_and_answered(caplog):
    def fail(*_told):
        raise RuntimeError("a defect")

    with Sandbox(on_request=fail) as sandbox:
        answer = post(sandbox, GOOD)

    assert answer.status_code == 500
    (logged,) = [each for each in caplog.records if each.exc_info]
    assert isinstance(logged.exc_info[1], RuntimeError)
    assert sandbox.key not in caplog.text


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.0.2.1", pytest.param("::", id="any of IPv6"), "example.com", ""]
)
def test_other_machines_are_kept_out(host, golden):
    with pytest.raises(SandboxError) as caught:
        Sandbox(host=host)

    assert str(caught.value) == golden


def test_localhost_is_taken_for_its_address():
    with Sandbox(host="localhost") as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")


def test_ipv6_will_do():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")

    with Sandbox(host="::1") as sandbox:
        assert post(sandbox, GOOD).status_code == 200


def test_a_port_in_use_is_an_error_that_says_what_to_do():
    with Sandbox() as sandbox:
        _, port = address(sandbox)
        with pytest.raises(SandboxError) as caught:
            Sandbox(port=port).start()

    assert str(port) in str(caught.value)
    assert "--port" in str(caught.value)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_refused(port):
    with pytest.raises(SandboxError) as caught:
        Sandbox(port=port).start()

    assert "--port" in str(caught.value)


def test_an_empty_key_is_refused(golden):
    with pytest.raises(SandboxError) as caught:
        Sandbox(key="")

    assert str(caught.value) == golden


SERVE = """
from miso_upload.sandbox import Sandbox, serve
serve(Sandbox(), on_start=lambda sandbox: print(sandbox.url, flush=True))
print("ended", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_served_sandbox_cleanly(number):
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as served:
        url = served.stdout.readline().strip()
        requests.get(url, headers={"Connection": "close"}, timeout=10)
        served.send_signal(number)
        output, errors = served.communicate(timeout=10)

    assert (served.returncode, output, errors) == (0, "ended\n", "")


def test_serving_puts_the_signal_handlers_back():
    before = signal.getsignal(signal.SIGTERM)

    serve(Sandbox(), on_start=lambda _: signal.raise_signal(signal.SIGTERM))

    assert signal.getsignal(signal.SIGTERM) is before
