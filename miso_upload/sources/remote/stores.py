"""Connects to object stores and web servers, lists objects, and explains their errors.

Credentials come from the environment variables that each store's own tools use. The text of a
store's error may contain a signature or a key, so messages never quote it.
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
        "reading URLs needs another package; install it: pip install 'miso-upload[remote]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES = ("s3", "gs", "az")
_ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")}
_MAGIC = re.compile(r"[*?\[]")
_RETRIES: Any = {"max_retries": 8, "retry_timeout": timedelta(seconds=120)}
# A stall ends a request; its total duration is not limited.
_CLIENT = {"connect_timeout": "10s", "read_timeout": "60s", "timeout": "7d"}
IDLE_SECONDS = 60.0
"""How long a server may send at less than `LEAST_RATE`, or not at all."""
LEAST_RATE = 1024
"""Bytes per second below which a server counts as idle: at this rate 100 MB take over a day."""
_PIECE_BYTES = 1
"""Pieces are returned as soon as they arrive, so that a slow server is noticed."""
_ADDRESS = re.compile(r"https?://(?!169\.254|metadata\.)\S+")
"""URLs are removed from errors, because the name of an object says nothing about the cause."""
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
    """The server does not support range requests."""


class IdleError(Exception):
    """The server sends almost no data."""


class BehindEndError(Exception):
    """The requested range starts after the end of the object, or the object is empty."""


class ObjectLocation(NamedTuple):
    """The location of an object.

    Attributes:
        scheme: The kind of store.
        store: The store.
        key: The key in the store; empty if the store is for this object only.
        shown: The object's name in messages, without secrets.
    """

    scheme: str
    store: Any
    key: str
    shown: str


def object_location(name: str, *, allow_insecure_http: bool = False) -> ObjectLocation:
    """Return the location that a URL means.

    Raises:
        SourceError: The URL is not supported or not valid, or would be read over plain HTTP.
    """
    shown = shown_name(name)
    scheme = shown.partition("://")[0]
    if scheme in WEB_SCHEMES:
        return _web_location(name, scheme, shown, allow_insecure_http=allow_insecure_http)
    if scheme not in _SCHEMES:
        known = ", ".join(f"{each}://" for each in (*_SCHEMES, *WEB_SCHEMES))
        raise SourceError(
            f"{shown}: miso-upload does not support {scheme}:// URLs; use {known} or a file"
        )
    bucket, _, key = name.partition("://")[2].partition("/")
    if not bucket:
        raise SourceError(f"{shown}: the URL names no bucket; write {scheme}://bucket/key")
    if {"", ".", ".."} & set(key.split("/")):
        # obstore would drop these parts, and read another object.
        raise SourceError(
            f"{shown}: miso-upload cannot read keys with a part that is empty, '.' or '..'; rename "
            "the object"
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
    return ObjectLocation(scheme, store, key, shown)


def _client(*, allow_http: bool) -> Any:  # noqa: ANN401 -- obstore's own type
    """Return the client options; the user's authorities are trusted besides the system's."""
    authorities = trusted_authorities()
    trusted = {} if authorities is None else {"root_certificate": authorities.text()}
    return {**_CLIENT, "allow_http": allow_http, **trusted}


def expand_url(name: str, *, allow_insecure_http: bool = False) -> list[str]:
    """Return the URLs that match the pattern in a URL, or the URL itself without a pattern.

    In a pattern, `*` and `?` match within one part of a key, and `**` matches any parts.

    Raises:
        SourceError: Nothing matches, or the store cannot be listed.
    """
    shown = shown_name(name)
    scheme = shown.partition("://")[0]
    key = name.partition("://")[2].partition("/")[2]
    if scheme in _SCHEMES and (not key or key.endswith("/")):
        raise SourceError(
            f"{shown}: the URL names no object; to read all objects in it, use "
            f"'{shown.rstrip('/')}/*'"
        )
    magic = _MAGIC.search(key)
    if scheme not in _SCHEMES or magic is None:
        return [name]
    location = object_location(name, allow_insecure_http=allow_insecure_http)
    # Stores list by a prefix of whole parts.
    prefix = key[: key.rfind("/", 0, magic.start()) + 1]
    found = in_thread(lambda: _keys(location, prefix)).result()
    if key in found:
        return [name]
    parts = key.split("/")
    matching = sorted(each for each in found if _matches(each.split("/"), parts))
    if not matching:
        raise SourceError(f"{shown}: no object matches this pattern")
    base = name[: len(name) - len(key)]
    return [base + each for each in matching]


def _keys(location: ObjectLocation, prefix: str) -> list[str]:
    try:
        pages = obstore.list(location.store, prefix or None)
        return [each["path"] for page in pages for each in page]
    except _FAILED as error:
        raise explained(location.scheme, location.shown, error) from None


def get(location: ObjectLocation, part: tuple[int, int] | None) -> Any:  # noqa: ANN401 -- obstore's
    """Request an object, or a range of its bytes.

    Raises:
        NoPartsError: The server does not support range requests.
        BehindEndError: The range starts after the end.
        SourceError: The object does not exist or cannot be read.
    """
    options: Any = {} if part is None else {"range": part}
    try:
        return obstore.get(location.store, location.key, options=options)
    except obstore.exceptions.NotSupportedError:
        raise NoPartsError from None
    except _FAILED as error:
        if (
            part is not None
            and _status_of(str(error)) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        ):
            raise BehindEndError from None
        raise explained(location.scheme, location.shown, error) from None


def pieces(location: ObjectLocation, answer: Any) -> Iterator[memoryview]:  # noqa: ANN401
    """Yield the bytes of a response as they arrive.

    Raises:
        IdleError: The server was slower than `LEAST_RATE` for `IDLE_SECONDS`.
        SourceError: The bytes cannot be read.
    """
    stream = iter(answer.stream(min_chunk_size=_PIECE_BYTES))
    waited, size = 0.0, 0
    while True:
        started = time.monotonic()
        try:
            piece = next(stream, None)
        except _FAILED as error:
            raise explained(location.scheme, location.shown, error) from None
        if piece is None:
            return
        # Only the server's time counts, not the time in which the pieces are processed.
        waited, size = waited + time.monotonic() - started, size + len(piece)
        yield memoryview(piece)
        if waited >= IDLE_SECONDS:
            if size < IDLE_SECONDS * LEAST_RATE:
                raise IdleError
            waited, size = 0.0, 0


def explained(scheme: str, shown: str, error: Exception) -> SourceError:
    """Return the error to raise for an error of a store, without the secrets in its text."""
    later, reason = _reason(scheme, error)
    kind = UnreachableSourceError if later else SourceError
    return kind(f"{shown}: cannot be read: {reason}")


def _reason(scheme: str, error: Exception) -> tuple[bool, str]:
    """Return whether a later run may succeed, and the reason."""
    text = _ADDRESS.sub("", str(error))
    kind = type(error).__name__
    what = "page" if scheme in WEB_SCHEMES else "object"
    if isinstance(error, FileNotFoundError) or kind == "NotFoundError":
        return False, f"the {what} does not exist; check its name"
    for sign, later, reason in _SIGNS:
        if re.search(sign, text, re.IGNORECASE):
            known = _CREDENTIALS.get(scheme, "an address that grants access")
            return later, reason.format(credentials=known)
    if kind in ("PermissionDeniedError", "UnauthenticatedError"):
        return False, (
            f"access is denied; check the credentials, their permissions, and whether the {what} "
            "exists"
        )
    status = _status_of(text)
    if status is None:
        return True, (
            "the server cannot be reached or closed the connection; check the address and the "
            "network"
        )
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return True, f"the server answered {status}; rerun the same command later"
    return False, f"the server answered {status}; check the address"


def _status_of(text: str) -> int | None:
    """Return the status that a server answered, from an error of obstore; None if it names none.

    The text is all that obstore has: its errors carry no status. Nothing else reads it as one.
    """
    found = _STATUS.search(text)
    return int(found[1]) if found else None


# A pattern in an error of a store, whether a later run may succeed, and the reason. The first match
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
        "the credentials or the signed URL have expired; get new ones",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken",
        False,
        "the credentials are refused; set {credentials}",
    ),
    (
        r"dns error|failed to lookup",
        True,
        "the server's name cannot be resolved (DNS); check the address and the network",
    ),
    (
        r"PermanentRedirect|status code: 301|BareRedirect|AuthorizationHeaderMalformed",
        False,
        "the object has moved, or its bucket is in another region; set AWS_REGION",
    ),
    (
        r"Connection refused|ConnectionRefused",
        True,
        "the server refuses the connection; check the address",
    ),
    (
        r"timed ?out|TimedOut",
        True,
        "the server did not answer in time; rerun the same command later",
    ),
    (
        r"certificate|InvalidContentType|CorruptMessage|TLS",
        False,
        (
            "no secure connection (TLS) can be established; check the address and the "
            "certificate, or set REQUESTS_CA_BUNDLE if a private CA signed it"
        ),
    ),
)


def _web_location(
    name: str, scheme: str, shown: str, *, allow_insecure_http: bool
) -> ObjectLocation:
    address = name.partition("#")[0]
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host:
        raise SourceError(f"{shown}: the URL names no server; write {scheme}://server/path")
    _refuse_unencrypted(address, shown, allow=allow_insecure_http)
    client = _client(allow_http=scheme == "http")
    try:
        # The whole address is the store, so that its parts are not decoded and encoded again.
        store = obstore.store.HTTPStore(
            quote(address, safe="%/:=&?~#+!$,;'@()*[]"), client_options=client,
            retry_config=_RETRIES,
        )  # fmt: skip
    except _FAILED as error:
        raise explained(scheme, shown, error) from None
    return ObjectLocation(scheme, store, "", shown)


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
            f"{shown_name(shown)}: plain HTTP is not encrypted; use https, or allow it with "
            "--allow-insecure-http"
        )


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """Return whether a key's parts match a pattern's, in time proportional to their product."""
    reached = {0}  # indices in the pattern that the parts so far may have reached
    for part in parts:
        reached |= {i + 1 for i in reached if pattern[i : i + 1] == ["**"]}
        reached = {
            i if pattern[i] == "**" else i + 1
            for i in reached
            if i < len(pattern) and (pattern[i] == "**" or fnmatchcase(part, pattern[i]))
        }
    every = pattern[-1:] == ["**"] and len(pattern) - 1 in reached
    return every or len(pattern) in reached
