"""Sends one request to Miso and reads its answer; the only module that uses the HTTP library.

Errors of the library are replaced, never passed on, because their texts contain URLs, including
the passwords of proxies. Whether the body was sent before an error is known exactly (see `wire`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from ssl import SSLCertVerificationError
from threading import local
from typing import Any, Literal
from urllib.parse import SplitResult, quote, quote_plus, urlsplit

import requests
import urllib3.exceptions as transport
from requests.adapters import HTTPAdapter

from miso_upload.delivery.answers import Answer
from miso_upload.delivery.wire import Wire, WiredConnection
from miso_upload.errors import ConfigurationError
from miso_upload.values.certificates import VARIABLES, trusted_authorities
from miso_upload.values.json import JSONDecodeError, decode
from miso_upload.values.version import __version__

PATH = "/v1/interactions"
MAX_ANSWER_BYTES = 32 * 2**20
"""A 422 with ten thousand lines takes a few megabytes; a larger answer does not come from Miso."""
MAX_RETRY_AFTER = 366 * 86_400.0
"""Seconds; a longer `Retry-After` means that a retry will never succeed."""
MIN_KEY_LENGTH = 8
"""A shorter key is not a secret, and could be any word of an answer."""
_REDACTED_KEY = "(the key)"
_READ_BYTES = 65_536
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")
"""The status of a proxy's refusal; `http.client` has it only in the text of its error."""


class NotSentError(Exception):
    """No byte of the body was sent, so nothing was stored; the message says what to check."""


class UnknownOutcomeError(Exception):
    """At least a part of the body may have been sent, and no complete answer came back."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server that records are sent to, and the key to use.

    Attributes:
        server: The scheme and host of the API, without a path.
        key: The API key; it does not appear in the repr.
        auth: `query` sends the key as `api_key`, as in Miso's guide; `header` as `X-API-KEY`.
        dry_run: Whether Miso only validates the records.
        allow_insecure_http: Whether the key may be sent unencrypted to another machine.

    Raises:
        ConfigurationError: The server is not an http(s) URL, or would get the key unencrypted.
    """

    server: str
    key: str = field(repr=False)
    auth: Literal["query", "header"] = "query"
    dry_run: bool = False
    allow_insecure_http: bool = False

    def __post_init__(self) -> None:
        parts = _split(self.server)
        # The message does not repeat the server, because it may contain a key or a password.
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                "--server: give a scheme and a host, as in https://api.askmiso.com"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigurationError(
                f"--server {self.host}: give only a scheme and a host; pass the key with "
                "MISO_API_KEY or --api-key-file"
            )
        if not (self.encrypted or self.loopback or self.allow_insecure_http):
            raise ConfigurationError(
                f"--server http://{self.host}: http would expose the key to the network; use "
                "https, or add --allow-insecure-http to accept the risk"
            )

    @property
    def host(self) -> str:
        """Return the host and port, for messages."""
        return urlsplit(self.server).netloc.rpartition("@")[2]

    @property
    def encrypted(self) -> bool:
        """Whether requests are encrypted."""
        return urlsplit(self.server).scheme == "https"

    @property
    def loopback(self) -> bool:
        """Whether the server is this machine."""
        return _is_loopback(urlsplit(self.server).hostname or "")


class Client:
    """Posts request bodies to one target. Each thread keeps a connection of its own open.

    Args:
        target: The server and key.
        connect_timeout: How many seconds connecting may take.
        read_timeout: How many seconds sending a request may take, and again its whole answer.
    """

    def __init__(self, target: Target, *, connect_timeout: float, read_timeout: float) -> None:
        self._target = target
        self._secret = _pattern_of(target.key)
        self._timeouts = (connect_timeout, read_timeout)
        self._threads = local()
        self._url = target.server.rstrip("/") + PATH
        self._query = {"dry_run": "1"} if target.dry_run else {}

    @property
    def host(self) -> str:
        """Return the host and port, for messages."""
        return self._target.host

    def post(self, body: bytes) -> Answer:
        """Send one request and return its answer, with any status.

        Raises:
            NotSentError: No byte of `body` was sent.
            UnknownOutcomeError: A part of it may have been sent, and no complete answer came back.
        """
        session = self._session()
        session.wire.body_began = False
        try:
            with session.post(
                self._url,
                params=self._query,
                data=body,
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            ) as response:
                text = self._read(response)
        # For an invalid proxy URL, the library raises a plain ValueError.
        except (OSError, ValueError, transport.HTTPError) as error:
            failure = self._failure(error, body_began=session.wire.body_began)
        else:
            return _answer(response, text, self._secret)
        raise failure  # outside of `except`, so that the library's error is not its context

    def _session(self) -> _Session:
        session: _Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = _Session(self._target, self._timeouts[1])
        return session

    def _read(self, response: requests.Response) -> bytes:
        """Return the body; empty if it is lost or endless but the status alone is conclusive."""
        try:
            return self._read_all(response)
        except (OSError, ValueError, transport.HTTPError, UnknownOutcomeError):
            if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                raise
            return b""

    def _read_all(self, response: requests.Response) -> bytes:
        text = bytearray()
        for piece in response.iter_content(_READ_BYTES):
            text += piece
            if len(text) > MAX_ANSWER_BYTES:
                raise UnknownOutcomeError(f"{self.host} sent an answer that does not end")
        return bytes(text)

    def _failure(self, error: Exception, *, body_began: bool) -> Exception:
        """Return an error of our own for an error of the library, without its text."""
        cause = _root(error)
        if not body_began:
            return NotSentError(self._why_not_sent(error, cause))
        if isinstance(cause, transport.ReadTimeoutError):
            return UnknownOutcomeError(f"{self.host} did not answer in time")
        return UnknownOutcomeError(f"The connection to {self.host} was lost ({_kind(cause)})")

    def _why_not_sent(self, error: Exception, cause: BaseException) -> str:
        if isinstance(error, requests.exceptions.ProxyError):
            return self._why_no_proxy(cause)
        if isinstance(cause, transport.NameResolutionError):
            return f"Cannot resolve the host name {self.host}; check --server and the network"
        if isinstance(cause, transport.NewConnectionError):
            return f"Cannot connect to {self.host}: {_kind(cause)}; check --server"
        if isinstance(error, requests.exceptions.SSLError):
            return (
                f"Cannot connect securely to {self.host}: {_kind(cause)}; check its certificate, "
                f"or set {_authorities_variable()} if a private CA signed it"
            )
        if isinstance(cause, transport.TimeoutError):
            return f"{self.host} did not accept a connection in time; check the network"
        if isinstance(error, requests.ConnectionError):
            return f"The connection to {self.host} was lost during sending ({_kind(cause)})"
        if isinstance(error, ValueError | transport.LocationValueError):
            return f"Cannot send a request to {self.host}; check --server and HTTPS_PROXY"
        if not isinstance(error, requests.RequestException):
            return (
                f"Cannot connect securely to {self.host}: {_kind(error)}; check "
                f"{_authorities_variable()}"
            )
        return f"Cannot send a request to {self.host}: {type(error).__name__}"

    def _why_no_proxy(self, cause: BaseException) -> str:
        proxies = requests.utils.get_environ_proxies(self._url, no_proxy=None)
        setting = requests.utils.select_proxy(self._url, proxies) or ""
        parts = _split(setting)
        # A "/" or "#" in a password ends the netloc early, so it may hold a part of the password.
        is_host = parts is not None and ("@" in parts.netloc or "@" not in setting)
        proxy = f"proxy {parts.netloc.rpartition('@')[2]}" if parts and is_host else "proxy"
        answered = _REFUSED_TUNNEL.search(str(cause))
        status = f" ({answered[1]})" if answered else ""
        scheme = "HTTPS" if self._target.encrypted else "HTTP"
        return (
            f"Cannot connect to {self.host} through the {proxy}{status}; check {scheme}_PROXY and "
            "NO_PROXY"
        )


class _Session(requests.Session):
    """A session of the HTTP library for one thread; only its `wire` knows the key."""

    def __init__(self, target: Target, seconds: float) -> None:
        super().__init__()
        in_query = target.auth == "query"
        self.wire = Wire(
            seconds,
            secret_query={"api_key": target.key} if in_query else {},
            secret_headers={} if in_query else {"X-API-KEY": target.key},
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self.wire))
        self.headers["User-Agent"] = f"miso-upload/{__version__}"
        self.headers["Content-Type"] = "application/json"
        self.headers["Accept"] = "application/json"
        # Without this, requests would use a password for the host from ~/.netrc.
        self.auth = _no_credentials
        authorities = trusted_authorities()
        if authorities is not None:
            self.verify = authorities.path
        # A proxy in front of this machine itself is useless, and would see the key.
        if target.loopback and not target.encrypted:
            self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Ignore redirects: requests would read the whole body even if it does not follow them."""


class _Adapter(HTTPAdapter):
    """Makes all connections of the HTTP library use `WiredConnection`, also through proxies."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*args, **options)
        self._rewire(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401
        manager = super().proxy_manager_for(proxy, **options)
        self._rewire(manager)
        return manager

    def _rewire(self, manager: Any) -> None:  # noqa: ANN401 -- of urllib3, or its SOCKS one
        pools = {}
        for scheme, pool in manager.pool_classes_by_scheme.items():
            bases = (WiredConnection, pool.ConnectionCls)
            if issubclass(pool.ConnectionCls, WiredConnection):
                return
            wired = type("Connection", bases, {"wire": self._wire})
            pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": wired})
        manager.pool_classes_by_scheme = pools


def _answer(response: requests.Response, text: bytes, secret: re.Pattern[str] | None) -> Answer:
    try:
        body = _redact(secret, decode(text))
    except (JSONDecodeError, RecursionError):
        body = None
    location = _split(response.headers.get("Location", ""))
    return Answer(
        response.status_code,
        body,
        _retry_after(response.headers.get("Retry-After"), response.headers.get("Date")),
        _redact(secret, location.netloc.rpartition("@")[2]) if location else "",
    )


def _pattern_of(key: str) -> re.Pattern[str] | None:
    """Return a pattern that matches a key, plain or URL-encoded; None if the key is no secret."""
    if len(key) < MIN_KEY_LENGTH:
        return None
    forms = dict.fromkeys((key, quote(key), quote(key, safe=""), quote_plus(key)))
    return re.compile("|".join(map(re.escape, forms)), re.IGNORECASE)


def _redact(secret: re.Pattern[str] | None, value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return a value from an answer, with the key redacted where the server repeats it."""
    if secret is None:
        return value
    if isinstance(value, str):
        return secret.sub(_REDACTED_KEY, value)
    if isinstance(value, dict):
        return {_redact(secret, name): _redact(secret, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_redact(secret, each) for each in value]
    return value


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _root(error: BaseException) -> BaseException:
    """Return the transport's own error inside the library's wrappers."""
    inner = error.args[0] if error.args else None
    if isinstance(inner, transport.MaxRetryError) and inner.reason is not None:
        return inner.reason
    return inner if isinstance(inner, BaseException) else error


def _kind(error: BaseException) -> str:
    """Return the operating system's message for `error`, or the name of its class."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, SSLCertVerificationError):
            return f"certificate verify failed: {seen.verify_message}"
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        inner = seen.args[-1] if seen.args and isinstance(seen.args[-1], BaseException) else None
        seen = inner or seen.__cause__ or seen.__context__
    return type(error).__name__


def _authorities_variable() -> str:
    """Return the environment variable that names trusted authorities, or the one to set."""
    authorities = trusted_authorities()
    return authorities.variable if authorities else VARIABLES[0]


def _retry_after(text: str | None, date: str | None) -> float | None:
    """Return the value of a `Retry-After` header, which has seconds or a date, in seconds from now.

    Args:
        text: The header.
        date: The `Date` header of the same answer; a date is relative to the server's clock.
    """
    if text is None:
        return None
    try:
        if text.strip().isdecimal():
            seconds = float(text)
        else:
            seconds = (_parse_date(text) - _now(date)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _now(date: str | None) -> datetime:
    """Return the time of an answer's `Date` header, or of our clock if there is no valid one."""
    try:
        return _parse_date(date or "")
    except (ValueError, TypeError, OverflowError, IndexError):
        return datetime.now(UTC)


def _parse_date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date


def _split(address: str) -> SplitResult | None:
    """Return the parts of a URL, or None if it is invalid."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 -- raises if the port is not a number
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
