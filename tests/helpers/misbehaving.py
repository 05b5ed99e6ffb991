"""A server that answers uploads as it is told to, over real sockets, and keeps what it takes.

It stands in where the sandbox is too well behaved: it can say anything, in any shape and at any
speed, and hang up at any moment. It uses nothing but the standard library, so other programs can be
run against it too.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SECONDS_TO_HANG = 30


class Heard(NamedTuple):
    """One request, as it came."""

    start: str
    headers: dict[str, str]
    body: bytes

    @property
    def records(self):
        """The records in it."""
        return json.loads(self.body)["data"]


@dataclass(frozen=True)
class Say:
    """Answer with a status and a body; keep the records or not."""

    status: int = 200
    body: Any = field(default_factory=lambda: {"message": "success"})
    headers: dict[str, str] = field(default_factory=dict)
    keep: bool = False

    def __call__(self, connection, _over):
        """Send the answer."""
        body = self.body if isinstance(self.body, (bytes, str)) else json.dumps(self.body)
        body = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {self.status} Said", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)


@dataclass(frozen=True)
class Do:
    """Do something else with the connection; keep the records or not."""

    talk: Any
    keep: bool = False

    def __call__(self, connection, over):
        """Do it, and hang up."""
        self.talk(connection, over)
        raise ConnectionError


OK = Say(keep=True)


def hang(_connection, over):
    """Say nothing, for longer than anybody waits."""
    over.wait(SECONDS_TO_HANG)


def hang_up(connection, _over):
    """Close the connection in good order, without an answer."""
    connection.shutdown(socket.SHUT_RDWR)


def tear_down(connection, _over):
    """Close the connection so that the other side sees it torn down."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def dripping(start, drop, seconds=0.05):
    """Return a talk that says `start`, and then a little more every now and then, without end."""

    def talk(connection, over):
        connection.sendall(start)
        while not over.wait(seconds):
            connection.sendall(drop)

    return talk


def pouring(start, most_bytes):
    """Return a talk that says `start`, and then so many bytes as fast as they are taken."""

    def talk(connection, over):
        connection.sendall(start)
        for _ in range(most_bytes // 2**20):
            if over.is_set():
                return
            connection.sendall(b" " * 2**20)

    return talk


class Misbehaving:
    """Listens on loopback and treats the requests by a script, one step each, then by `then`.

    A step is a `Say`, a `Do`, or a function of the records that returns one.

    Attributes:
        held: The records that it has taken, in order.
        heard: The requests, in order.
        peak: The most requests that were in flight at once.
    """

    def __init__(self, *script, then=OK, port=0, tls=None):
        self.script = list(script)
        self.then = then
        self.held = []
        self.heard = []
        self.peak = 0
        self.in_flight = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._connections = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    @property
    def url(self):
        """Where it is found."""
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    @property
    def numbers(self):
        """The numbers of the rows that it has taken, in order; see `rows.row`."""
        return [int(record["user_id"].removeprefix("user-")) for record in self.held]

    @property
    def twice(self):
        """The numbers of the rows that it has taken more than once."""
        return sorted(number for number, count in Counter(self.numbers).items() if count > 1)

    def heal(self):
        """Behave from now on."""
        self.script.clear()
        self.then = OK

    def stop_listening(self):
        """Take no new connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self):
        """Hang up on everybody and be gone."""
        self._over.set()
        self.stop_listening()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _listen(self):
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw):
        with raw, suppress(OSError):
            connection = self._tls.wrap_socket(raw, server_side=True) if self._tls else raw
            with self._lock:
                self._connections.add(connection)
            try:
                while not self._over.is_set():
                    self._answer(connection, request_on(connection))
            finally:
                with self._lock:
                    self._connections.discard(connection)
                if connection is not raw:
                    connection.close()

    def _answer(self, connection, request):
        with self._lock:
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            self.heard.append(request)
            step = self.script.pop(0) if self.script else self.then
        try:
            if not isinstance(step, (Say, Do)):
                step = step(request.records)
            if step.keep:
                with self._lock:
                    self.held += request.records
        finally:
            with self._lock:
                self.in_flight -= 1
        step(connection, self._over)


def request_on(connection):
    """Read one request to its end and return it; raises where there is none."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    pieces, length = [body], len(body)
    while length < int(headers.get("content-length", 0)):
        pieces.append(_more(connection))
        length += len(pieces[-1])
    return Heard(start, headers, b"".join(pieces))


def _more(connection):
    more = connection.recv(2**18)
    if not more:
        raise ConnectionError
    return more
