"""One request to Miso and its answer; the only module that knows the HTTP library and the key.

Errors of the library are rebuilt here, never passed on: their text holds the URL, and the URL holds
the key.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from threading import local
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import requests
import urllib3.exceptions as transport

from miso_upload import __version__
from miso_upload.delivery.answers import Answer
from miso_upload.encoding import JSONDecodeError, decode
from miso_upload.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/v1/interactions"
MOST_ANSWER_BYTES = 32 * 2**20
"""Ten thousand lines of a 422 take a few megabytes; a body beyond this is not Miso's."""
_PIECE = 65_536


class NotSentError(Exception):
    """The request certainly never reached Miso; the message names the host and what to check."""


class UnknownOutcomeError(Exception):
    """The request went out, but no whole answer came back."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go, and with which key.

    Attributes:
        server: The scheme and host of the API, without a path.
        key: The API key; it is in no repr.
        auth: `query` sends it as `api_key`, which Miso's guide shows; `header` as `X-API-KEY`.
        dry_run: Ask Miso to validate only.

    Raises:
        ConfigurationError: The server is no http(s) address, or would get the key unencrypted.
    """

    server: str
    key: str = field(repr=False)
    auth: Literal["query", "header"] = "query"
    dry_run: bool = False
    allow_insecure_http: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.server)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ConfigurationError(
                f"--server {self.server}: give a scheme and a host, as in https://api.askmiso.com"
            )
        if (
            parts.scheme == "http"
            and not self.allow_insecure_http
            and not _is_loopback(parts.hostname)
        ):
            raise ConfigurationError(
                f"--server {self.server}: http would show the key to everyone on the way; "
                "use https (or, if you must, --allow-insecure-http)"
            )

    @property
    def host(self) -> str:
        """Return the host and port, for messages."""
        return urlsplit(self.server).netloc.rpartition("@")[2]


class Client:
    """Posts bodies to one target; each thread has a connection of its own, which is kept open.

    Args:
        target: Where to.
        connect_timeout: Seconds until a connection stands.
        read_timeout: Seconds of silence, and of reading the answer in all.
    """

    def __init__(self, target: Target, *, connect_timeout: float, read_timeout: float) -> None:
        self._target = target
        self._timeouts = (connect_timeout, read_timeout)
        self._threads = local()
        self._url = target.server.rstrip("/") + PATH
        self._query: dict[str, str] = {}
        if target.auth == "query":
            self._query["api_key"] = target.key
        if target.dry_run:
            self._query["dry_run"] = "1"

    @property
    def host(self) -> str:
        """Return the host and port, for messages."""
        return self._target.host

    def post(self, body: bytes) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises:
            NotSentError: Nothing was sent.
            UnknownOutcomeError: It was sent, and nobody can tell what became of it.
        """
        try:
            response = self._session().post(
                self._url,
                params=self._query,
                data=body,
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise self._rebuilt(error) from None
        with response:
            text = self._read(response)
        try:
            parsed = decode(text)
        except JSONDecodeError:
            parsed = None
        return Answer(
            response.status_code,
            parsed,
            _retry_after(response.headers.get("Retry-After")),
            urlsplit(response.headers.get("Location", "")).netloc.rpartition("@")[2],
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
            session.headers["User-Agent"] = f"miso-upload/{__version__}"
            session.headers["Content-Type"] = "application/json"
            session.headers["Accept"] = "application/json"
            # Without this, requests would look for a password of the host in ~/.netrc.
            session.auth = _no_other_credentials
            if self._target.auth == "header":
                session.headers["X-API-KEY"] = self._target.key
        return session

    def _read(self, response: requests.Response) -> bytes:
        deadline = time.monotonic() + self._timeouts[1]
        text = bytearray()
        try:
            for piece in _pieces(response):
                text += piece
                if len(text) > MOST_ANSWER_BYTES:
                    raise UnknownOutcomeError(f"{self.host} sent an answer without an end")
                if time.monotonic() > deadline:
                    raise UnknownOutcomeError(f"{self.host} took too long to send its answer")
        except (transport.HTTPError, OSError) as error:
            raise UnknownOutcomeError(
                f"{self.host} broke off its answer ({_kind(error)})"
            ) from None
        return bytes(text)

    def _rebuilt(self, error: requests.RequestException) -> Exception:
        """Return our own error for one of the library's, without its text."""
        cause = _root(error)
        if isinstance(error, requests.exceptions.ProxyError):
            return NotSentError(f"the proxy on the way to {self.host} failed; check HTTPS_PROXY")
        if isinstance(cause, transport.NameResolutionError):
            return NotSentError(
                f"the name {self.host} cannot be resolved; check the network, --server"
            )
        if isinstance(error, requests.exceptions.SSLError):
            return NotSentError(
                f"no secure connection to {self.host}: {_kind(cause)}; check its certificate"
            )
        if isinstance(error, requests.ConnectTimeout) or isinstance(
            cause, transport.ConnectTimeoutError
        ):
            return NotSentError(
                f"{self.host} did not accept a connection in time; check the network"
            )
        if isinstance(cause, transport.NewConnectionError):
            return NotSentError(f"cannot connect to {self.host}: {_kind(cause)}; check --server")
        if isinstance(error, requests.ReadTimeout):
            return UnknownOutcomeError(f"{self.host} did not answer in time")
        if isinstance(error, requests.ConnectionError):
            return UnknownOutcomeError(f"the connection to {self.host} was lost ({_kind(cause)})")
        return NotSentError(f"no request could be made to {self.host}: {type(error).__name__}")


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives, so that a trickle cannot hold a read open."""
    while piece := response.raw.read1(_PIECE, decode_content=True):
        yield piece


def _no_other_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _root(error: BaseException) -> BaseException:
    """Return the transport's own error inside the library's wrappers."""
    inner = error.args[0] if error.args else None
    if isinstance(inner, transport.MaxRetryError) and inner.reason is not None:
        return inner.reason
    return inner if isinstance(inner, BaseException) else error


def _kind(error: BaseException) -> str:
    """Return what the operating system says of `error`, or what sort of error it is."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        inner = seen.args[-1] if seen.args and isinstance(seen.args[-1], BaseException) else None
        seen = inner or seen.__cause__ or seen.__context__
    return type(error).__name__


def _retry_after(text: str | None) -> float | None:
    """Return a `Retry-After` header, in seconds or as a date, as seconds from now."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
