"""Connections that keep the key to themselves, know what went out, and come to an end.

The HTTP libraries above write the address of a request into errors and debugging logs, so they
never learn the key: it is added here, where the bytes leave. They also bound only the silence
between two bytes, so a server that sends one now and then could hold a request forever: here the
sending of a request and its whole answer, headers included, are bounded each.
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
    """What the connections of one thread know.

    Attributes:
        seconds: How long sending a request may take, and how long all of its answer.
        secret_query: Added to the query of each request.
        secret_headers: Added to its headers.
        body_began: A byte of the last request's body may have left. As long as none has, the
            server cannot have stored anything.
    """

    seconds: float
    secret_query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body_began: bool = False


class WiredConnection(HTTPConnection):
    """Goes in front of a connection class of the HTTP library; `wire` is set by a subclass."""

    wire: Wire
    debuglevel = 0  # whatever a program sets for all connections: it prints requests as they are
    _deadline = 0.0
    _headers_sent = False

    def connect(self) -> None:
        """Connect, and through a proxy where there is one."""
        self._deadline = time.monotonic() + self.wire.seconds
        super().connect()
        self._deadline = time.monotonic() + self.wire.seconds

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 -- as the library likes
        """Send a request."""
        self._deadline = time.monotonic() + self.wire.seconds
        self._headers_sent = False
        super().request(*args, **options)

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Begin a request, with the secrets in it."""
        if self.wire.secret_query:
            url += ("&" if "?" in url else "?") + urlencode(self.wire.secret_query)
        super().putrequest(method, url, *args, **options)
        for name, value in self.wire.secret_headers.items():
            self.putheader(name, value)

    def endheaders(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Send the headers; what is sent after them is the body."""
        super().endheaders(*args, **options)
        self._headers_sent = True

    def send(self, data: Any) -> None:  # noqa: ANN401 -- bytes of any sort
        """Send `data` within the time for all of the request."""
        if self.sock is None:
            self.connect()
        self.wire.body_began = self.wire.body_began or self._headers_sent
        # Of a socket's calls, only sending takes this as the time for all of it.
        self.sock.settimeout(_time_left(self._deadline))
        super().send(data)

    def response_class(  # type: ignore[override]
        self,
        sock: socket.socket,
        *args: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> HTTPResponse:
        """Return a response whose reading is bounded."""
        return _FinalResponse(_Bounded(sock, self.wire.seconds), *args, **options)  # type: ignore[arg-type]


class _FinalResponse(HTTPResponse):
    """Reads past interim answers (1xx), of which the standard library knows 100 only."""

    def begin(self) -> None:
        """Read the status and headers of the final answer."""
        super().begin()
        while self.status < HTTPStatus.OK:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Bounded(io.RawIOBase):
    """What a socket receives, until a deadline that no trickle can put off."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reader that a response asks its socket for."""
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
        TimeoutError: There are none.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
