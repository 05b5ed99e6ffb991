"""What an answer of Miso's means for the records that were sent.

The status alone does not say: a 200 can carry `errors: true`, or come from something on the way
that is not Miso at all. So an answer counts as acceptance only if status and body agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from miso_upload.quoting import printable

if TYPE_CHECKING:
    from collections.abc import Iterator


class Verdict(Enum):
    """What an answer, or the lack of one, says about the records."""

    ACCEPTED = auto()
    REFUSED = auto()
    """Some records are bad; none was taken."""
    TROUBLED = auto()
    """None was taken, for a reason that may lie in the records or not."""
    TOO_LARGE = auto()
    KEY_REFUSED = auto()
    BUSY = auto()
    """None was taken; try again later."""
    UNKNOWN = auto()
    """They may have been taken or not."""
    FAILED = auto()
    """None was taken, and trying again will not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: its status, its body as JSON (None if it is none), a hint when to return."""

    status: int
    body: Any = None
    retry_after: float | None = None
    location: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, a sentence for the user, and what the answer said about single records.

    Attributes:
        overload: Miso was asked for too much at once.
    """

    verdict: Verdict
    message: str
    lines: Any = None
    retry_after: float | None = None
    overload: bool = False


_KEY_HINT = (
    "check that the key is the secret key (not the publishable one) of the environment you mean; "
    "the Playground is read-only"
)
_BUSY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_OVERLOAD = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
# 502 and 504 are a gateway's words; 52x are the same of a widespread content delivery network.
# What stood behind it may have taken the records.
_GATEWAY = {502, 504, 520, 522, 524}
_SERVER_ERRORS = 500
_SAID_BY_MISO = {"message", "errors"}
"""Miso's JSON has one of these at least, where a login page's or a proxy's need not."""


def judge_answer(answer: Answer) -> Judgement:
    """Return what `answer` means. Statuses that Miso documents: 200, 401, 403, 422."""
    status, said = answer.status, _message(answer)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _judge_success(answer, said)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Judgement(Verdict.KEY_REFUSED, f"Miso refused the API key ({said}); {_KEY_HINT}")
    if status == HTTPStatus.BAD_REQUEST:
        return _judge_bad_request(said)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Judgement(Verdict.TOO_LARGE, f"the request was too large ({said})")
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return Judgement(Verdict.REFUSED, said, lines=_lines(answer))
    if status in _GATEWAY:
        return Judgement(Verdict.UNKNOWN, f"a gateway answered in Miso's place ({said})")
    if status in _BUSY or status >= _SERVER_ERRORS:
        return Judgement(
            Verdict.BUSY,
            f"Miso is busy ({said})",
            retry_after=answer.retry_after,
            overload=status in _OVERLOAD,
        )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        to = f" to {printable(answer.location)}" if answer.location else ""
        return Judgement(
            Verdict.FAILED,
            f"the server redirects{to} ({status}), which is not followed, because records and key "
            "go to no other address than the one given; check --server",
        )
    return Judgement(Verdict.FAILED, f"Miso did not take the request ({said}); check --server")


def _judge_bad_request(said: str) -> Judgement:
    if "playground" in said.lower():
        return Judgement(Verdict.KEY_REFUSED, f"Miso refused the upload ({said}); {_KEY_HINT}")
    # Miso's word for a request that it did not finish in time; how far it got, it does not say.
    if "timeout" in said.lower():
        return Judgement(Verdict.UNKNOWN, f"Miso ran out of time ({said})")
    return Judgement(Verdict.FAILED, f"Miso did not take the request ({said}); check --server")


def _judge_success(answer: Answer, said: str) -> Judgement:
    if not isinstance(answer.body, dict) or not answer.body.keys() & _SAID_BY_MISO:
        return Judgement(
            Verdict.UNKNOWN,
            f"the answer was {answer.status} but is not Miso's JSON; "
            "something between here and Miso may have answered in its place",
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
