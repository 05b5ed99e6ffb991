"""A server that answers as it is told, and proxies; each in a thread, on the loopback interface."""

from __future__ import annotations

import json
import select
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SUCCESS = json.dumps({"message": "success", "errors": False}).encode()


def success(handler, body):
    """Answer as Miso does when all is well."""
    return 200, SUCCESS, {}


class Server:
    """Answers every POST with what `answer(handler, body)` returns: a status, a body, headers.

    Where it returns None, there is no answer. `requests` are the lines and headers that came.
    """

    def __init__(self, answer=None) -> None:
        self.answer = answer or success
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.arrived = threading.Event()
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append((self.requestline, dict(self.headers)))
                outer.arrived.set()
                answer = outer.answer(self, body)
                if answer is None:
                    outer.over.wait(30)
                    self.close_connection = True
                    return
                status, text, headers = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                self.send_error(404)

            def do_HEAD(self):
                self.send_error(404)

            def do_CONNECT(self):
                outer.requests.append((self.requestline, dict(self.headers)))
                host, _, port = self.path.partition(":")
                with socket.create_connection((host, int(port))) as there:
                    self.send_response(200)
                    self.end_headers()
                    _join(self.connection, there)
                self.close_connection = True

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def wrap(self, context) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self.port}"

    def __enter__(self):
        self._running = self.running()
        return self._running.__enter__()

    def __exit__(self, *error):
        return self._running.__exit__(*error)

    @contextmanager
    def running(self):
        """Serve until the end of the context."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self._server.shutdown()
            self._server.server_close()


def _join(one, other):
    """Hand on what comes from either, until one of them ends."""
    while True:
        ready, _, _ = select.select([one, other], [], [], 30)
        for each in ready:
            data = each.recv(65_536)
            if not data:
                return
            (other if each is one else one).sendall(data)
        if not ready:
            return
