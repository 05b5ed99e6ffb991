"""Classifies an answer by what it proves: the records were stored, were not stored, or may be.

- Stored: 2xx with Miso's JSON and without `errors`.
- Not stored: every 3xx and 4xx except 408, 2xx with `errors: true`, and 503 with `Retry-After`,
  with which a server refuses a request before processing it.
- Unknown: everything else. A gateway also answers 500 or 503 when it loses the connection to the
  server behind it, and that server may have stored the records by then.
"""

from __future__ import annotations

from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from miso_upload.delivery.options import UNPROVEN
from miso_upload.records.unknown_outcomes import FOREIGN_ANSWER
from miso_upload.values.display import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Outcome(Enum):
    """What an answer, or a missing answer, proves about the records of a request."""

    ACCEPTED = auto()
    REFUSED = auto()
    """No record was stored, because some of them are bad."""
    UNEXPLAINED = auto()
    """No record was stored; the cause may be the records or the server."""
    TOO_LARGE = auto()
    KEY_REFUSED = auto()
    BUSY = auto()
    """No record was stored; a later retry may succeed."""
    UNKNOWN = auto()
    """The records may have been stored."""
    REQUEST_REFUSED = auto()
    """No record was stored, because the server refused the request itself."""


class Answer(NamedTuple):
    """One HTTP answer.

    Attributes:
        status: The HTTP status.
        body: The body as a JSON value; None if it is not JSON.
        retry_after: How many seconds to wait before the next request, if the server says so.
        location: The host of a redirect.
    """

    status: int
    body: Any = None
    retry_after: float | None = None
    location: str = ""


class RequestResult(NamedTuple):
    """The result of one request.

    Attributes:
        outcome: What the answer proves.
        message: What happened, for the user.
        quoted: The status, and what the server says in its answer.
        lines: What the answer says about single records, as Miso sent it.
        retry_after: How many seconds to wait before the next request, if the server says so.
        overload: Whether the server had too many requests, no matter whether it stored the records.
        cause: Why the outcome is unknown (see `records.unknown_outcomes`); else empty.
        stage: `first` for any answer. `deferred` if it may be due to a single record, which is
            resent after the others. `confirmed` if it was repeated often enough to reject that
            record. `final` if the request is given up.
    """

    outcome: Outcome
    message: str
    quoted: str = ""
    lines: Any = None
    retry_after: float | None = None
    overload: bool = False
    cause: str = ""
    stage: Literal["first", "deferred", "confirmed", "final"] = "first"


_KEY_HINT = (
    "Use the secret key, not the publishable key, of the environment that you upload to. The "
    "Playground is read-only."
)
_OVERLOAD = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_KEYS_OF_MISO = {"message", "errors"}
"""Miso's JSON has at least one of these keys. The JSON of a proxy or login page may not."""


def classify_answer(answer: Answer, not_stored: Collection[int] = ()) -> RequestResult:
    """Return the result that `answer` means. Miso documents the statuses 200, 401, 403 and 422.

    Args:
        answer: The answer.
        not_stored: Statuses of `UNPROVEN` that the user treats as proof that nothing was stored.
    """
    status, quoted = answer.status, _quoted(answer)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _classify_success(answer, quoted)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _classify_redirect(answer)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status in UNPROVEN:
        return _classify_server_trouble(answer, quoted, not_stored)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _classify_client_error(answer, quoted)
    return RequestResult(
        Outcome.UNKNOWN,
        f"Miso answered with an unknown HTTP status ({status}) and may have stored the records",
        cause=FOREIGN_ANSWER,
    )


def _classify_server_trouble(
    answer: Answer, quoted: str, not_stored: Collection[int]
) -> RequestResult:
    """Return the result of 408, 429 and 5xx."""
    status = answer.status
    refused = status == HTTPStatus.TOO_MANY_REQUESTS or status in not_stored
    if status == HTTPStatus.SERVICE_UNAVAILABLE and answer.retry_after is not None:
        refused = True
    trouble = "is busy" if status in _OVERLOAD else "failed to process the request"
    doubt = "" if refused else " and may have stored the records"
    return RequestResult(
        Outcome.BUSY if refused else Outcome.UNKNOWN,
        f"Miso {trouble} ({quoted}){doubt}",
        retry_after=answer.retry_after,
        overload=status in _OVERLOAD,
        cause="" if refused else str(status),
    )


def _classify_client_error(answer: Answer, quoted: str) -> RequestResult:
    """Return the result of every 4xx except 408 and 429."""
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return RequestResult(
            Outcome.KEY_REFUSED, f"Miso refused the API key ({quoted}). {_KEY_HINT}"
        )
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return RequestResult(
            Outcome.TOO_LARGE, f"The request is too large for Miso ({quoted})", quoted=quoted
        )
    if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return _records_refused(quoted, _lines(answer))
    if answer.status == HTTPStatus.BAD_REQUEST:
        return _classify_bad_request(quoted)
    return _request_refused(quoted)


def _records_refused(quoted: str, lines: Any) -> RequestResult:  # noqa: ANN401 -- as Miso sent it
    return RequestResult(
        Outcome.REFUSED, f"Miso refused the records ({quoted})", quoted=quoted, lines=lines
    )


def _request_refused(quoted: str) -> RequestResult:
    return RequestResult(
        Outcome.REQUEST_REFUSED, f"Miso refused the request ({quoted}); check --server"
    )


def _classify_redirect(answer: Answer) -> RequestResult:
    to = f" to {printable(answer.location)}" if answer.location else ""
    return RequestResult(
        Outcome.REQUEST_REFUSED,
        f"The server redirects{to} ({answer.status}), but miso-upload sends records and the key "
        "only to the given address; check --server",
    )


def _classify_bad_request(quoted: str) -> RequestResult:
    if "playground" in quoted.lower():
        return RequestResult(
            Outcome.KEY_REFUSED, f"Miso refused the upload ({quoted}). {_KEY_HINT}"
        )
    # Miso uses this in place of 408. It may have stored the records before it ran out of time.
    if "timeout" in quoted.lower():
        return RequestResult(
            Outcome.UNKNOWN,
            f"Miso ran out of time ({quoted}) and may have stored the records",
            cause=str(HTTPStatus.REQUEST_TIMEOUT.value),
        )
    return _request_refused(quoted)


def _classify_success(answer: Answer, quoted: str) -> RequestResult:
    if not isinstance(answer.body, dict) or not answer.body.keys() & _KEYS_OF_MISO:
        return RequestResult(
            Outcome.UNKNOWN,
            f"The answer ({answer.status}) is not Miso's JSON and may come from a proxy or gateway",
            cause=FOREIGN_ANSWER,
        )
    if not answer.body.get("errors"):
        return RequestResult(Outcome.ACCEPTED, quoted)
    if isinstance(answer.body.get("data"), list) and answer.body["data"]:
        return _records_refused(quoted, answer.body["data"])
    return RequestResult(
        Outcome.UNEXPLAINED, f"Miso answered with errors ({quoted})", quoted=quoted
    )


def _lines(answer: Answer) -> Any:  # noqa: ANN401 -- as Miso sent it
    return answer.body.get("data") if isinstance(answer.body, dict) else None


def _quoted(answer: Answer) -> str:
    """Return the status and the first message in the body, safe to print."""
    message = next(filter(None, _messages(answer.body)), "")
    return f"{answer.status}: {printable(message)}" if message else str(answer.status)


def _messages(body: Any) -> Iterator[str]:  # noqa: ANN401 -- as Miso sent it
    """Yield the messages in a body, from all keys that Miso is known to use for them."""
    if not isinstance(body, dict):
        return
    data = body.get("data")
    problems = [data.get("errors")] if isinstance(data, dict) else []
    for found in (body.get("message"), body.get("message:"), body.get("detail"), *problems):
        for each in found if isinstance(found, list) else [found]:
            text = each.get("msg") if isinstance(each, dict) else each
            if isinstance(text, str):
                yield text
