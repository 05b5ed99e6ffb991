"""Adds the key to requests, tracks whether the body was sent, and enforces total timeouts.

The HTTP libraries write request URLs into errors and debug logs, so they must never see the key;
the connection adds it as the bytes are sent. Their timeouts also limit only the silence between
two bytes, so a server that sends one byte now and then could hold a request forever. The connection
therefore limits the total time of sending a request, and of reading its whole answer.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping


@dataclass(slots=True)
class Wire:
    """The settings and state of the connections of one thread.

    Attributes:
        seconds: The time limit for sending a request, and again for reading its whole answer.
        secret_query: Parameters to add to the query of each request.
        secret_headers: Headers to add to each request.
        body_began: Whether a byte of the last request's body may have been sent. If not, the server
            cannot have stored anything.
    """

    seconds: float
    secret_query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body_began: bool = False


class WiredConnection(HTTPConnection):
    """A mixin for the connection classes of the HTTP library; subclasses set `wire`."""

    wire: Wire
    debuglevel = 0  # overrides a program's global setting, which would print the key
    _deadline = 0.0
    _headers_sent = False

    def connect(self) -> None:
        """Connect, through a proxy if there is one."""
        self._deadline = time.monotonic() + self.wire.seconds
        super().connect()
        self._deadline = time.monotonic() + self.wire.seconds

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 -- passed on
        """Send a request."""
        self._deadline = time.monotonic() + self.wire.seconds
        self._headers_sent = False
        super().request(*args, **options)

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Start a request, and add the secrets to it."""
        if self.wire.secret_query:
            url += ("&" if "?" in url else "?") + urlencode(self.wire.secret_query)
        super().putrequest(method, url, *args, **options)
        for name, value in self.wire.secret_headers.items():
            self.putheader(name, value)

    def endheaders(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Send the headers. Everything after them is the body."""
        super().endheaders(*args, **options)
        self._headers_sent = True

    def send(self, data: Any) -> None:  # noqa: ANN401 -- any bytes-like object
        """Send `data` before the deadline of the request."""
        if self.sock is None:
            self.connect()
        self.wire.body_began = self.wire.body_began or self._headers_sent
        # Only for `sendall` does a socket apply its timeout to the whole call.
        self.sock.settimeout(_time_left(self._deadline))
        super().send(data)

    def response_class(  # type: ignore[override]
        self,
        sock: socket.socket,
        *args: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> HTTPResponse:
        """Return a response that must be read before a deadline."""
        return _FinalResponse(_Bounded(sock, self.wire.seconds), *args, **options)  # type: ignore[arg-type]


class _FinalResponse(HTTPResponse):
    """Skips interim answers (1xx); the standard library skips only 100."""

    def begin(self) -> None:
        """Read the status and headers of the final answer."""
        super().begin()
        while self.status < HTTPStatus.OK:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Bounded(io.RawIOBase):
    """Reads from a socket until a fixed deadline, however slowly the bytes arrive."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reader that `HTTPResponse` requests from its socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        self._sock.settimeout(_time_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _time_left(deadline: float) -> float:
    """Return the seconds until `deadline`.

    Raises:
        TimeoutError: The deadline has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
