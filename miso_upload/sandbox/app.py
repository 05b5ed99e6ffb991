"""Serves the endpoints: answers requests and stores what they sent."""

from __future__ import annotations

import asyncio
import hmac
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from miso_upload.sandbox.page import render_page
from miso_upload.sandbox.refusals import RefusalReporter, refused_body, refused_records
from miso_upload.sandbox.store import ServedRequest
from miso_upload.values.json import JSONDecodeError, decode, encode, encode_pretty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from miso_upload.records import Record
    from miso_upload.sandbox.faults import Fault, FaultDraw
    from miso_upload.sandbox.store import Outcome, Store

PATH = "/v1/interactions"
EXTENSION = "miso_upload.connection"
"""The ASGI extension of the server; its `cut` is a function that cuts the connection."""
DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024

RequestCallback: TypeAlias = "Callable[[int | None, int, str | None], None]"
"""Receives the status (None if the connection was cut), the number of records, and the fault."""

_FLAGS = ("dry_run", "async")
_LOGGER = logging.getLogger("miso_upload.sandbox")

_GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
_SUCCESS = {"message": "success"}
_FAULT_MESSAGES: dict[int, dict[str, Any]] = {
    # A stray colon in the key, as Miso sends it.
    400: {"message:": "Request timeout."},
    401: {"message": "invalid api key."},
    403: {
        "message": "Request is denied due to bot blocking. Please only access this API from a real"
        " browser or use Secret API Key instead."
    },
    408: {"message": "Request timeout."},
    422: refused_body(["body"], "value is not a valid upload", "value_error"),
    429: {"message": "Too many requests."},
    500: {"message": "Something went wrong. Please contact miso product team."},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; the body is JSON, or HTML if it is a string."""

    status: int
    body: Mapping[str, Any] | str
    outcome: Outcome = "refused"
    records: Sequence[Record] = ()

    def response(self, headers: Mapping[str, str]) -> Response:
        """Return the answer as a response of starlette."""
        if isinstance(self.body, str):
            return HTMLResponse(self.body, self.status, headers)
        return json_response(self.body, self.status, headers)


class InteractionsEndpoint:
    """Receives uploads: validates them, stores valid ones, and answers, or injects a fault.

    `draw` may be replaced at any time; it applies from the next request on.
    """

    def __init__(
        self,
        key: str,
        store: Store,
        reporter: RefusalReporter,
        *,
        draw: FaultDraw,
        max_body_bytes: int,
    ) -> None:
        self.draw = draw
        self.on_request: RequestCallback | None = None
        self._key = key.encode()
        self._store = store
        self._reporter = reporter
        self._max_body_bytes = max_body_bytes

    async def upload(self, request: Request) -> Response:
        """Answer `POST /v1/interactions`."""
        draw = self.draw
        fault: Fault | None = None
        if not self._knows_key(request):
            answer = Answer(401, _FAULT_MESSAGES[401])
        elif (fault := draw.next()) is not None and not fault.after:
            answer = await self._refuse(request, fault)
        else:
            answer = await self._accept(request)
            if fault is not None and fault.effect != "drop":
                answer = _with_fault(answer, fault)
        dropped = fault is not None and fault.effect == "drop"
        self._remember(request, answer, fault, status=None if dropped else answer.status)
        await asyncio.sleep(draw.faults.latency)
        if dropped:
            return DroppedConnection()
        headers = {}
        stored = fault is not None and fault.after
        if answer.status in {429, 503} and not stored and draw.faults.retry_after is not None:
            headers["Retry-After"] = draw.faults.retry_after
        return answer.response(headers)

    async def overview(self, request: Request) -> Response:
        """Answer `GET /` with the counts, as JSON or, if the client prefers it, as HTML."""
        counts = self._store.counts()
        headers = {"Vary": "Accept", "Cache-Control": "no-store"}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(render_page(counts), headers=headers)
        return Response(encode_pretty(counts), 200, headers, "application/json")

    def _knows_key(self, request: Request) -> bool:
        key = request.query_params.get("api_key", request.headers.get("x-api-key", ""))
        return hmac.compare_digest(key.encode(errors="surrogateescape"), self._key)

    async def _accept(self, request: Request) -> Answer:
        """Return the answer without a fault."""
        coding = request.headers.get("content-encoding", "identity").strip().lower()
        if coding != "identity":
            return Answer(415, {"message": f"Content-Encoding {coding} is not supported."})
        body = await _read(request, self._max_body_bytes)
        if body is None:
            return Answer(413, {"message": f"The limit is {self._max_body_bytes} bytes."})
        answer = self._validate(body)
        if answer.outcome == "stored" and _has_flag(request, "dry_run"):
            return Answer(answer.status, answer.body, "checked")
        return answer

    async def _refuse(self, request: Request, fault: Fault) -> Answer:
        """Return the answer of a fault that does not store the records."""
        if fault.effect == "drop":
            return Answer(0, "")
        # Most failing servers still read the request.
        await _read(request, self._max_body_bytes)
        if fault.effect == "errors-true":
            return Answer(
                200, {**refused_records([]), "message": "None of the records were inserted."}
            )
        return _with_fault(Answer(0, ""), fault)

    def _validate(self, body: bytes) -> Answer:
        try:
            document = decode(body)
        except JSONDecodeError as error:
            return Answer(
                422, refused_body(["body", error.pos], error.msg, "value_error.jsondecode")
            )
        if not isinstance(document, dict):
            return Answer(
                422, refused_body(["body"], "value is not a valid dict", "type_error.dict")
            )
        if "data" not in document:
            return Answer(
                422, refused_body(["body", "data"], "field required", "value_error.missing")
            )
        records = document["data"]
        if not isinstance(records, list):
            return Answer(
                422, refused_body(["body", "data"], "value is not a valid list", "type_error.list")
            )
        if lines := self._reporter.lines(records):
            return Answer(422, refused_records(lines))
        return Answer(200, _SUCCESS, "stored", records)

    def _remember(
        self, request: Request, answer: Answer, fault: Fault | None, *, status: int | None
    ) -> None:
        name = None if fault is None else fault.name
        flags = "&".join(f"{flag}=1" for flag in _FLAGS if _has_flag(request, flag))
        path = f"{PATH}?{flags}" if flags else PATH
        self._store.add(ServedRequest(path, status, answer.outcome, name), answer.records)
        if self.on_request is not None:
            self.on_request(status, len(answer.records), name)


class DroppedConnection(Response):
    """Cuts the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI
        """Cut the connection, and return once it is closed."""
        scope["extensions"][EXTENSION]["cut"]()
        while (await receive())["type"] != "http.disconnect":
            pass


def build_app(endpoint: InteractionsEndpoint) -> Starlette:
    """Return the sandbox as an ASGI application."""
    return Starlette(
        routes=[
            Route("/", endpoint.overview, methods=["GET"]),
            Route(PATH, endpoint.upload, methods=["POST"]),
        ],
        exception_handlers={
            HTTPException: _http_error,
            ClientDisconnect: _client_gone,
            Exception: _internal_error,
        },
    )


def json_response(
    body: Mapping[str, Any], status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return `body` as JSON."""
    return Response(encode(body), status, headers, "application/json")


def _with_fault(answer: Answer, fault: Fault) -> Answer:
    """Return the answer that a fault sends instead; the same records are stored."""
    status, body = answer.status, answer.body
    if fault.status is None:
        body = _GATEWAY_PAGE.format("Welcome")
    else:
        status = fault.status
        body = _FAULT_MESSAGES.get(status) or _GATEWAY_PAGE.format(f"{status} from a gateway")
    return Answer(status, body, answer.outcome, answer.records)


def _has_flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "0").lower() in {"1", "true"}


async def _read(request: Request, limit: int) -> bytes | None:
    """Return the body, or None if it is larger than `limit`."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return None
    return b"".join(chunks)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path}: {error.detail}."
    return json_response({"message": message}, error.status_code, error.headers)


async def _client_gone(request: Request, error: Exception) -> Response:  # noqa: ARG001 -- Starlette
    return Response(status_code=499)  # not sent, because the client is gone


async def _internal_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 -- Starlette
    _LOGGER.error("The sandbox failed to answer a request", exc_info=error)
    return json_response(_FAULT_MESSAGES[500], 500)
