"""One request to Miso and its answer; the only module that knows the HTTP library.

Errors of the library are rebuilt here, never passed on: their text holds addresses, of proxies with
their passwords too. What was sent when they occurred is not guessed from them, but known: see
`wire`.
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
MOST_ANSWER_BYTES = 32 * 2**20
"""Ten thousand lines of a 422 take a few megabytes; a body beyond this is not Miso's."""
MOST_RETRY_AFTER = 366 * 86_400.0
"""Seconds; whoever asks to wait longer means never."""
FEWEST_OF_A_KEY = 8
"""What is shorter is no secret, and could be any word of an answer."""
_THE_KEY = "(the key)"
_PIECE = 65_536
_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")
"""The status of a proxy's refusal, which `http.client` tells in its error's text only."""


class NotSentError(Exception):
    """No byte of the body left, so nothing was stored; names the host and what to check."""


class UnknownOutcomeError(Exception):
    """The body began to leave, and no whole answer came back."""


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
        parts = _split(self.server)
        # The server is not repeated here: what was pasted may hold a key or a password.
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                "--server: give a scheme and a host, as in https://api.askmiso.com"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigurationError(
                f"--server {self.host}: give the scheme and the host only; the key comes from "
                "MISO_API_KEY or --api-key-file"
            )
        if not (self.encrypted or self.loopback or self.allow_insecure_http):
            raise ConfigurationError(
                f"--server http://{self.host}: http would show the key to everyone on the way; "
                "use https (or, if you must, --allow-insecure-http)"
            )

    @property
    def host(self) -> str:
        """Return the host and port, for messages."""
        return urlsplit(self.server).netloc.rpartition("@")[2]

    @property
    def encrypted(self) -> bool:
        """Whether what is sent can be read on the way."""
        return urlsplit(self.server).scheme == "https"

    @property
    def loopback(self) -> bool:
        """Whether the server is this very machine."""
        return _is_loopback(urlsplit(self.server).hostname or "")


class Client:
    """Posts bodies to one target; each thread has a connection of its own, which is kept open.

    Args:
        target: Where to.
        connect_timeout: Seconds until a connection stands.
        read_timeout: Seconds for sending a request, and then for all of its answer.
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
        """Send one request and return its answer, whatever its status.

        Raises:
            NotSentError: No byte of `body` left.
            UnknownOutcomeError: Some or all of it left, and no answer says what became of it.
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
        # Of a proxy's address that is none, the library says no more than ValueError.
        except (OSError, ValueError, transport.HTTPError) as error:
            failure = self._failure(error, body_began=session.wire.body_began)
        else:
            return _answer(response, text, self._secret)
        raise failure  # out here, where the library's error is not its context

    def _session(self) -> _Session:
        session: _Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = _Session(self._target, self._timeouts[1])
        return session

    def _read(self, response: requests.Response) -> bytes:
        """Return the body; nothing where it is lost or endless and the status alone decides."""
        try:
            return self._read_all(response)
        except (OSError, ValueError, transport.HTTPError, UnknownOutcomeError):
            if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                raise
            return b""

    def _read_all(self, response: requests.Response) -> bytes:
        text = bytearray()
        for piece in response.iter_content(_PIECE):
            text += piece
            if len(text) > MOST_ANSWER_BYTES:
                raise UnknownOutcomeError(f"{self.host} sent an answer without an end")
        return bytes(text)

    def _failure(self, error: Exception, *, body_began: bool) -> Exception:
        """Return our own error for one of the library's, without its text."""
        cause = _root(error)
        if not body_began:
            return NotSentError(self._why_not_sent(error, cause))
        if isinstance(cause, transport.ReadTimeoutError):
            return UnknownOutcomeError(f"{self.host} did not answer in time")
        return UnknownOutcomeError(f"the connection to {self.host} was lost ({_kind(cause)})")

    def _why_not_sent(self, error: Exception, cause: BaseException) -> str:
        if isinstance(error, requests.exceptions.ProxyError):
            return self._why_no_proxy(cause)
        if isinstance(cause, transport.NameResolutionError):
            return f"the name {self.host} cannot be resolved; check the network, --server"
        if isinstance(cause, transport.NewConnectionError):
            return f"cannot connect to {self.host}: {_kind(cause)}; check --server"
        if isinstance(error, requests.exceptions.SSLError):
            return (
                f"no secure connection to {self.host}: {_kind(cause)}; check its certificate, and "
                f"{_authorities_variable()} if your own authority has signed it"
            )
        if isinstance(cause, transport.TimeoutError):
            return f"{self.host} did not accept a connection in time; check the network"
        if isinstance(error, requests.ConnectionError):
            return f"the connection to {self.host} was lost while sending ({_kind(cause)})"
        if isinstance(error, ValueError | transport.LocationValueError):
            return f"no request could be made to {self.host}; check HTTPS_PROXY, --server"
        if not isinstance(error, requests.RequestException):
            return (
                f"no secure connection to {self.host}: {_kind(error)}; check "
                f"{_authorities_variable()}"
            )
        return f"no request could be made to {self.host}: {type(error).__name__}"

    def _why_no_proxy(self, cause: BaseException) -> str:
        proxies = requests.utils.get_environ_proxies(self._url, no_proxy=None)
        setting = requests.utils.select_proxy(self._url, proxies) or ""
        parts = _split(setting)
        # Where a "/" or "#" in a password ends what counts as the host, it is not the host.
        whole = parts is not None and ("@" in parts.netloc or "@" not in setting)
        proxy = f" {parts.netloc.rpartition('@')[2]}" if parts and whole else ""
        answered = _REFUSED_TUNNEL.search(str(cause))
        why = f" ({answered[1]})" if answered else ""
        scheme = "HTTPS" if self._target.encrypted else "HTTP"
        return (
            f"the proxy{proxy} on the way to {self.host} failed{why}; check {scheme}_PROXY and "
            "NO_PROXY"
        )


class _Session(requests.Session):
    """The HTTP library's session of one thread, which knows the key only on the wire."""

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
        # Without this, requests would look for a password of the host in ~/.netrc.
        self.auth = _no_other_credentials
        authorities = trusted_authorities()
        if authorities is not None:
            self.verify = authorities.path
        # A proxy has no business between this machine and itself, and would be shown the key.
        if target.loopback and not target.encrypted:
            self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Look at no redirect: even where none is followed, requests would read all of its body."""


class _Adapter(HTTPAdapter):
    """Makes the HTTP library's connections, direct ones and those through proxies, wired ones."""

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
        body = _without(secret, decode(text))
    except (JSONDecodeError, RecursionError):
        body = None
    location = _split(response.headers.get("Location", ""))
    return Answer(
        response.status_code,
        body,
        _retry_after(response.headers.get("Retry-After"), response.headers.get("Date")),
        _without(secret, location.netloc.rpartition("@")[2]) if location else "",
    )


def _pattern_of(key: str) -> re.Pattern[str] | None:
    """Return what finds a key in a text, as it is and as URLs write it; None if it is no secret."""
    if len(key) < FEWEST_OF_A_KEY:
        return None
    forms = dict.fromkeys((key, quote(key), quote(key, safe=""), quote_plus(key)))
    return re.compile("|".join(map(re.escape, forms)), re.IGNORECASE)


def _without(secret: re.Pattern[str] | None, said: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return what a server said, without the key where it says that back."""
    if secret is None:
        return said
    if isinstance(said, str):
        return secret.sub(_THE_KEY, said)
    if isinstance(said, dict):
        return {_without(secret, name): _without(secret, each) for name, each in said.items()}
    if isinstance(said, list):
        return [_without(secret, each) for each in said]
    return said


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
        if isinstance(seen, SSLCertVerificationError):
            return f"certificate verify failed: {seen.verify_message}"
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        inner = seen.args[-1] if seen.args and isinstance(seen.args[-1], BaseException) else None
        seen = inner or seen.__cause__ or seen.__context__
    return type(error).__name__


def _authorities_variable() -> str:
    """Return the variable that names the trusted authorities, or the one to set."""
    authorities = trusted_authorities()
    return authorities.variable if authorities else VARIABLES[0]


def _retry_after(text: str | None, date: str | None) -> float | None:
    """Return a `Retry-After` header, in seconds or as a date, as seconds from now.

    Args:
        text: The header.
        date: The `Date` header of the same answer: by its clock, a date is further off or nearer.
    """
    if text is None:
        return None
    try:
        if text.strip().isdecimal():
            seconds = float(text)
        else:
            seconds = (_moment(text) - _now(date)).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER)


def _now(date: str | None) -> datetime:
    """Return what the time is by an answer's `Date`, or by our clock where it says none."""
    try:
        return _moment(date or "")
    except (ValueError, TypeError, OverflowError, IndexError):
        return datetime.now(UTC)


def _moment(date: str) -> datetime:
    when = parsedate_to_datetime(date)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def _split(address: str) -> SplitResult | None:
    """Return the parts of an address, or None where it is none."""
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 -- raises where the port is no number
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
