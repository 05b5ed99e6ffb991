"""What an answer proves about the records that were sent.

Stored: 2xx with Miso's JSON and without `errors`. Not stored: every 3xx and 4xx but 408, 2xx with
`errors: true`, and 503 with `Retry-After`, by which a server refuses a request before it works on
it. Unknown: everything else. Gateways answer 503, and 500 too, when the connection to the server
behind them breaks, which may be after it has stored the records.
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


class Verdict(Enum):
    """What an answer, or the lack of one, says about the records."""

    ACCEPTED = auto()
    REFUSED = auto()
    """Some records are bad; none was stored."""
    TROUBLED = auto()
    """None was stored, and the reason may or may not be in the records."""
    TOO_LARGE = auto()
    KEY_REFUSED = auto()
    BUSY = auto()
    """None was stored; try again later."""
    UNKNOWN = auto()
    """They may or may not have been stored."""
    FAILED = auto()
    """None was stored, and the request as such was refused."""


class Answer(NamedTuple):
    """One HTTP answer: its status, its body as JSON (None if it is none), a hint when to return."""

    status: int
    body: Any = None
    retry_after: float | None = None
    location: str = ""


class Judgement(NamedTuple):
    """A verdict, a sentence for the user, and what the answer said about single records.

    Attributes:
        overload: The server was asked for too much at once, whether it stored the records or not.
        cause: Why the outcome is unknown, where it is; see `outcomes`.
        standing: Whether it is an answer like any; blames a single record, which is sent again
            after the others (`deferred`); came so often that the record may be rejected for it
            (`confirmed`); or is the last of several for a request that is given up (`final`).
    """

    verdict: Verdict
    message: str
    lines: Any = None
    retry_after: float | None = None
    overload: bool = False
    cause: str = ""
    standing: Literal["answer", "deferred", "confirmed", "final"] = "answer"


_KEY_HINT = (
    "check that the key is the secret key (not the publishable one) of the environment you mean; "
    "the Playground is read-only"
)
_OVERLOAD = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_SAID_BY_MISO = {"message", "errors"}
"""Miso's JSON has one of these at least, where a login page's or a proxy's need not."""


def judge_answer(answer: Answer, not_stored: Collection[int] = ()) -> Judgement:
    """Return what `answer` means. Statuses that Miso documents: 200, 401, 403, 422.

    Args:
        answer: The answer.
        not_stored: Statuses of `UNPROVEN` that prove here that nothing was stored.
    """
    status, said = answer.status, _message(answer)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _judge_success(answer, said)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _judge_redirect(answer)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status in UNPROVEN:
        return _judge_trouble(answer, said, not_stored)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _judge_client_error(answer, said)
    return Judgement(
        Verdict.UNKNOWN, f"the answer has a status that HTTP does not know ({status})",
        cause=FOREIGN_ANSWER,
    )  # fmt: skip


def _judge_trouble(answer: Answer, said: str, not_stored: Collection[int]) -> Judgement:
    """Return what 408, 429 and 5xx mean."""
    status = answer.status
    refused = status == HTTPStatus.TOO_MANY_REQUESTS or status in not_stored
    if status == HTTPStatus.SERVICE_UNAVAILABLE and answer.retry_after is not None:
        refused = True
    what = f"Miso is busy ({said})" if status in _OVERLOAD else f"Miso cannot answer ({said})"
    return Judgement(
        Verdict.BUSY if refused else Verdict.UNKNOWN,
        what if refused else f"{what} and may have stored the records",
        retry_after=answer.retry_after,
        overload=status in _OVERLOAD,
        cause="" if refused else str(status),
    )


def _judge_client_error(answer: Answer, said: str) -> Judgement:
    """Return what a 4xx means that is neither 408 nor 429."""
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Judgement(Verdict.KEY_REFUSED, f"Miso refused the API key ({said}); {_KEY_HINT}")
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Judgement(Verdict.TOO_LARGE, f"the request was too large ({said})")
    if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return Judgement(Verdict.REFUSED, said, lines=_lines(answer))
    if answer.status == HTTPStatus.BAD_REQUEST:
        return _judge_bad_request(said)
    return Judgement(Verdict.FAILED, f"Miso did not take the request ({said}); check --server")


def _judge_redirect(answer: Answer) -> Judgement:
    to = f" to {printable(answer.location)}" if answer.location else ""
    return Judgement(
        Verdict.FAILED,
        f"the server redirects{to} ({answer.status}), which is not followed, because records and "
        "key go to no other address than the one given; check --server",
    )


def _judge_bad_request(said: str) -> Judgement:
    if "playground" in said.lower():
        return Judgement(Verdict.KEY_REFUSED, f"Miso refused the upload ({said}); {_KEY_HINT}")
    # Miso's own 408: it did not finish the request in time, and does not say how far it got.
    if "timeout" in said.lower():
        return Judgement(
            Verdict.UNKNOWN,
            f"Miso ran out of time ({said}) and may have stored the records",
            cause=str(HTTPStatus.REQUEST_TIMEOUT.value),
        )
    return Judgement(Verdict.FAILED, f"Miso did not take the request ({said}); check --server")


def _judge_success(answer: Answer, said: str) -> Judgement:
    if not isinstance(answer.body, dict) or not answer.body.keys() & _SAID_BY_MISO:
        return Judgement(
            Verdict.UNKNOWN,
            f"the answer was {answer.status} but is not Miso's JSON; "
            "something between here and Miso may have answered in its place",
            cause=FOREIGN_ANSWER,
        )
    if not answer.body.get("errors"):
        return Judgement(Verdict.ACCEPTED, said)
    if isinstance(answer.body.get("data"), list) and answer.body["data"]:
        return Judgement(Verdict.REFUSED, said, lines=answer.body["data"])
    return Judgement(Verdict.TROUBLED, f"Miso answered {answer.status} with errors ({said})")


def _lines(answer: Answer) -> Any:  # noqa: ANN401 -- as Miso sent it
    return answer.body.get("data") if isinstance(answer.body, dict) else None


def _message(answer: Answer) -> str:
    """Return the status with what the answer says of itself, safe to print."""
    said = next(filter(None, _sayings(answer.body)), "")
    return f"{answer.status}: {printable(said)}" if said else str(answer.status)


def _sayings(body: Any) -> Iterator[str]:  # noqa: ANN401 -- as Miso sent it
    """Yield what an answer says to people, in the shapes that Miso's answers are known to have."""
    if not isinstance(body, dict):
        return
    data = body.get("data")
    problems = [data.get("errors")] if isinstance(data, dict) else []
    for said in (body.get("message"), body.get("message:"), body.get("detail"), *problems):
        for each in said if isinstance(said, list) else [said]:
            text = each.get("msg") if isinstance(each, dict) else each
            if isinstance(text, str):
                yield text
