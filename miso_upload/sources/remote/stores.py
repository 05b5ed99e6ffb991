"""Object stores and web servers: which one a URL means, what is in it, and what its errors mean.

Credentials come from the environment, as the tools of each store take them. What a store says when
something fails may hold a signature or a key, so none of it is passed on.
"""

from __future__ import annotations

import ipaddress
import os
import re
import time
from datetime import timedelta
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from miso_upload.errors import ConfigurationError, SourceError, UnreachableSourceError
from miso_upload.sources.remote.threads import in_thread
from miso_upload.values.certificates import trusted_authorities
from miso_upload.values.input_names import WEB_SCHEMES, shown_name

try:
    import obstore
    import obstore.exceptions
    import obstore.store
except ImportError:
    raise ConfigurationError(
        "reading from a remote place needs another package: pip install 'miso-upload[remote]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES = ("s3", "gs", "az")
_ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")}
_MAGIC = re.compile(r"[*?\[]")
_RETRIES: Any = {"max_retries": 8, "retry_timeout": timedelta(seconds=120)}
# A stall is what ends a request, however long it takes as a whole.
_CLIENT = {"connect_timeout": "10s", "read_timeout": "60s", "timeout": "7d"}
IDLE_SECONDS = 60.0
"""How long a server may take for less than `LEAST_RATE`; as long as it may send nothing at all."""
LEAST_RATE = 1024
"""Bytes a second below which a server counts as idle: a day would not do for 100 MB."""
_PIECE_BYTES = 1
"""Each piece is wanted as soon as it is there, or a dripping server would never be noticed."""
_ADDRESS = re.compile(r"https?://(?!169\.254|metadata\.)\S+")
"""What an object is called is no sign of what is wrong."""
_STATUS = re.compile(r"status code: ([1-5][0-9]{2})")
_BUSY = (408, 425, 429)
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN if there is one), "
    "as 'aws configure export-credentials --format env' prints them, or AWS_SKIP_SIGNATURE=true "
    "for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or a SAS token",
}


_FAILED = (obstore.exceptions.BaseError, OSError, ValueError)


class NoPartsError(Exception):
    """The server sends files whole only."""


class IdleError(Exception):
    """The server sends next to nothing."""


class BehindEndError(Exception):
    """What was asked for begins behind the end, or there is nothing at all."""


class Location(NamedTuple):
    """A place in a store.

    Attributes:
        scheme: Which kind of store it is.
        store: The store.
        key: Where in it; empty where the store is made for this one place.
        shown: What it is called, without secrets.
    """

    scheme: str
    store: Any
    key: str
    shown: str


def location_of(name: str, *, allow_insecure_http: bool = False) -> Location:
    """Return the place that a URL means.

    Raises:
        SourceError: It means none, or one that must not be read from unencrypted.
    """
    shown = shown_name(name)
    scheme = shown.partition("://")[0]
    if scheme in WEB_SCHEMES:
        return _on_the_web(name, scheme, shown, allow_insecure_http=allow_insecure_http)
    if scheme not in _SCHEMES:
        known = ", ".join(f"{each}://" for each in (*_SCHEMES, *WEB_SCHEMES))
        raise SourceError(f"{shown}: cannot be read from there; what can is {known}and files")
    bucket, _, key = name.partition("://")[2].partition("/")
    if not bucket:
        raise SourceError(f"{shown}: names no bucket, as {scheme}://bucket/key would")
    if {"", ".", ".."} & set(key.split("/")):
        # What reads from stores would leave such a part out, and read another object.
        raise SourceError(
            f"{shown}: cannot be read, because a part of the key is empty or all dots"
        )
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS.get(scheme, ()))), None)
    config: Any = {} if endpoint is None else {"endpoint": endpoint}
    if endpoint is not None:
        _refuse_unencrypted(endpoint, endpoint, allow=allow_insecure_http)
    client = _client(allow_http=endpoint is not None)
    try:
        store = obstore.store.from_url(
            f"{scheme}://{bucket}", client_options=client, retry_config=_RETRIES, config=config
        )
    except _FAILED as error:
        raise explained(scheme, shown, error) from None
    return Location(scheme, store, key, shown)


def _client(*, allow_http: bool) -> Any:  # noqa: ANN401 -- obstore's own type
    """Return how connections are made; the user's authorities are trusted beside the system's."""
    authorities = trusted_authorities()
    trusted = {} if authorities is None else {"root_certificate": authorities.text()}
    return {**_CLIENT, "allow_http": allow_http, **trusted}


def names_like(name: str, *, allow_insecure_http: bool = False) -> list[str]:
    """Return the URLs that a URL stands for: itself, or what matches the pattern in it.

    In a pattern, `*` and `?` stand for anything within one part of a key, and `**` for any parts.

    Raises:
        SourceError: Nothing matches, or the store cannot be asked.
    """
    shown = shown_name(name)
    scheme = shown.partition("://")[0]
    key = name.partition("://")[2].partition("/")[2]
    if scheme in _SCHEMES and (not key or key.endswith("/")):
        raise SourceError(f"{shown}: is no object; name those in it, as in '{shown.rstrip('/')}/*'")
    magic = _MAGIC.search(key)
    if scheme not in _SCHEMES or magic is None:
        return [name]
    at = location_of(name, allow_insecure_http=allow_insecure_http)
    # A prefix of whole parts, because that is what stores list.
    found = in_thread(lambda: _keys(at, key[: key.rfind("/", 0, magic.start()) + 1])).result()
    if key in found:
        return [name]
    parts = key.split("/")
    matching = sorted(each for each in found if _matches(each.split("/"), parts))
    if not matching:
        raise SourceError(f"{shown}: no object matches this pattern")
    base = name[: len(name) - len(key)]
    return [base + each for each in matching]


def _keys(at: Location, prefix: str) -> list[str]:
    try:
        pages = obstore.list(at.store, prefix or None)
        return [each["path"] for page in pages for each in page]
    except _FAILED as error:
        raise explained(at.scheme, at.shown, error) from None


def get(at: Location, part: tuple[int, int] | None) -> Any:  # noqa: ANN401 -- obstore's answer
    """Ask for an object, or for the part of it from one place to another.

    Raises:
        NoPartsError: The server sends files whole only.
        BehindEndError: The part begins behind the end.
        SourceError: There is no such object, or it cannot be had.
    """
    options: Any = {} if part is None else {"range": part}
    try:
        return obstore.get(at.store, at.key, options=options)
    except obstore.exceptions.NotSupportedError:
        raise NoPartsError from None
    except _FAILED as error:
        if (
            part is not None
            and _status_of(str(error)) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        ):
            raise BehindEndError from None
        raise explained(at.scheme, at.shown, error) from None


def pieces(at: Location, answer: Any) -> Iterator[memoryview]:  # noqa: ANN401
    """Yield the bytes of an answer as they come.

    Raises:
        IdleError: So few of them came for `IDLE_SECONDS` that no end is in sight.
        SourceError: They cannot be had.
    """
    stream = iter(answer.stream(min_chunk_size=_PIECE_BYTES))
    waited, size = 0.0, 0
    while True:
        started = time.monotonic()
        try:
            piece = next(stream, None)
        except _FAILED as error:
            raise explained(at.scheme, at.shown, error) from None
        if piece is None:
            return
        # Only the server's time counts, and not what we take to read what came.
        waited, size = waited + time.monotonic() - started, size + len(piece)
        yield memoryview(piece)
        if waited >= IDLE_SECONDS:
            if size < IDLE_SECONDS * LEAST_RATE:
                raise IdleError
            waited, size = 0.0, 0


def explained(scheme: str, shown: str, error: Exception) -> SourceError:
    """Return what an error of a store means, without anything secret that it may say."""
    later, reason = _reason(scheme, error)
    kind = UnreachableSourceError if later else SourceError
    return kind(f"{shown}: cannot be read: {reason}")


def _reason(scheme: str, error: Exception) -> tuple[bool, str]:
    """Return whether it may work later, and what is wrong."""
    text = _ADDRESS.sub("", str(error))
    kind = type(error).__name__
    what = "page" if scheme in WEB_SCHEMES else "object"
    if isinstance(error, FileNotFoundError) or kind == "NotFoundError":
        return False, f"there is no such {what}; check its name"
    for sign, later, reason in _SIGNS:
        if re.search(sign, text, re.IGNORECASE):
            known = _CREDENTIALS.get(scheme, "an address with access")
            return later, reason.format(credentials=known)
    if kind in ("PermissionDeniedError", "UnauthenticatedError"):
        return False, (
            "access is denied; check the credentials and what they allow, and whether there is "
            "such a thing at all"
        )
    status = _status_of(text)
    if status is None:
        return True, "the server cannot be reached or broke off; check the address and the network"
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return True, f"the server answered {status}; run the same command again later"
    return False, f"the server answered {status}; check the address"


def _status_of(text: str) -> int | None:
    """Return the status that a server answered, from an error of obstore; None if it names none.

    The text is all that obstore has: its errors carry no status. Nothing else reads it as one.
    """
    found = _STATUS.search(text)
    return int(found[1]) if found else None


# What stands in an error of a store, whether it may pass, and what it means. The first that fits
# counts.
_SIGNS = (
    (
        r"169\.254\.169\.254|metadata\.google|computeMetadata|latest/api/token|MissingAccount",
        False,
        "no credentials were found; set {credentials}",
    ),
    (
        r"ExpiredToken|Request has expired|TokenRefreshRequired",
        False,
        "the credentials or the signed address have expired; get new ones",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken",
        False,
        "the credentials are refused; set {credentials}",
    ),
    (
        r"dns error|failed to lookup",
        True,
        "the name of its server is not known (DNS); check the address and the network",
    ),
    (
        r"PermanentRedirect|status code: 301|BareRedirect|AuthorizationHeaderMalformed",
        False,
        "it is somewhere else now, or the bucket in another region; set AWS_REGION",
    ),
    (
        r"Connection refused|ConnectionRefused",
        True,
        "the server refuses the connection; check the address",
    ),
    (r"timed ?out|TimedOut", True, "the server does not answer in time; try again later"),
    (
        r"certificate|InvalidContentType|CorruptMessage|TLS",
        False,
        (
            "the connection cannot be made secure (TLS); check the address and the certificate, "
            "and REQUESTS_CA_BUNDLE if your own authority has signed it"
        ),
    ),
)


def _on_the_web(name: str, scheme: str, shown: str, *, allow_insecure_http: bool) -> Location:
    address = name.partition("#")[0]
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host:
        raise SourceError(f"{shown}: names no server")
    _refuse_unencrypted(address, shown, allow=allow_insecure_http)
    client = _client(allow_http=scheme == "http")
    try:
        # The store is the whole address: nothing of it is taken apart and put together again.
        store = obstore.store.HTTPStore(
            quote(address, safe="%/:=&?~#+!$,;'@()*[]"), client_options=client,
            retry_config=_RETRIES,
        )  # fmt: skip
    except _FAILED as error:
        raise explained(scheme, shown, error) from None
    return Location(scheme, store, "", shown)


def _refuse_unencrypted(url: str, shown: str, *, allow: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme.lower() != "http" or allow:
        return
    host = parts.hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise SourceError(
            f"{shown_name(shown)}: would be read unencrypted; use https, or say "
            "--allow-insecure-http"
        )


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """Return whether the parts of a key match those of a pattern, in time of one by the other."""
    reached = {0}  # how much of the pattern may have been used up
    for part in parts:
        reached |= {at + 1 for at in reached if pattern[at : at + 1] == ["**"]}
        reached = {
            at if pattern[at] == "**" else at + 1
            for at in reached
            if at < len(pattern) and (pattern[at] == "**" or fnmatchcase(part, pattern[at]))
        }
    every = pattern[-1:] == ["**"] and len(pattern) - 1 in reached
    return every or len(pattern) in reached
