"""A server that reads the body of each request and answers with success.

It is nginx if installed, otherwise a few threads in a separate process. Either way, it uses little
CPU time compared to the measured programs.

    null_server.py PORT SECONDS     (what `running` starts without nginx)
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = b'{"message":"success","errors":false,"data":[]}'
REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    + str(len(ANSWER)).encode() + b"\r\n\r\n" + ANSWER
)  # fmt: skip
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ }}
http {{
    access_log off; client_max_body_size 64m; client_body_buffer_size 16m;
    client_body_temp_path {folder}/body; keepalive_requests 1000000;
    proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
    scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        default_type application/json;
        location / {{ return 200 '{answer}'; }}
    }}
}}
"""


@contextmanager
def running(seconds: float = 0.0) -> Iterator[tuple[str, str]]:
    """Run a server; yield its URL and its name. Each answer takes `seconds`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        nginx = None if seconds else shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if nginx:
            config = Path(folder, "nginx.conf")
            config.write_text(NGINX.format(folder=folder, port=port, answer=ANSWER.decode()))
            command = [nginx, "-p", folder, "-c", str(config)]
        else:
            command = [sys.executable, __file__, str(port), str(seconds)]
        with subprocess.Popen(command) as server:
            try:
                _wait_for(port)
                yield f"http://127.0.0.1:{port}", "nginx" if nginx else "null_server.py"
            finally:
                server.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the server did not start")


def serve(port: int, seconds: float) -> None:
    """Answer every request on `port` until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(connection, seconds), daemon=True).start()


def _answer(connection: socket.socket, seconds: float) -> None:
    room = bytearray(2**20)
    while read_request(connection, room):
        time.sleep(seconds)
        connection.sendall(REPLY)


def read_request(connection: socket.socket, room: bytearray) -> bool:
    """Read a whole request, its body into `room`; return whether there was one."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65_536)
        if not more:
            return False
        head += more
    begin, _, rest = head.partition(b"\r\n\r\n")
    lower = begin.lower()
    at = lower.find(b"content-length:")
    left = (int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0) - len(rest)
    if b"expect: 100-continue" in lower:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while left > 0:
        came = connection.recv_into(room, min(left, len(room)))
        if not came:
            return False
        left -= came
    return True


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
