"""Delivering one batch: send, judge the answer, set bad records aside, split, try again.

Whatever happens, each record of the batch ends in exactly one of four places: accepted, rejected,
unknown or pending.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from miso_upload.delivery.answers import Answer, Judgement, Verdict, judge_answer
from miso_upload.delivery.client import NotSentError, UnknownOutcomeError
from miso_upload.delivery.parts import Part
from miso_upload.delivery.refusals import read_refusal
from miso_upload.delivery.retry import Backoff, Pace
from miso_upload.errors import DeliveryError, KeyRefusedError
from miso_upload.records import Batch, Leftover, Reason, Receipt, Rejection

if TYPE_CHECKING:
    from threading import Event

OnUnknown = Literal["resend", "hold", "skip"]


class Posts(Protocol):
    """What sends one request; `Client`, or a stand-in."""

    @property
    def host(self) -> str:
        """The host and port, for messages."""

    def post(self, body: bytes) -> Answer:
        """Send `body` and return the answer; raises as `Client.post` does."""


class Listens(Protocol):
    """Who is told that a request has to wait."""

    def waiting(self, seconds: float, why: str) -> None:
        """Take note that a request is sent again in `seconds`."""


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How batches are delivered.

    Attributes:
        most_bytes: The largest request body.
        on_unknown: What to do where nobody can tell what became of a request.
        backoff: When to try again.
        most_refusals: How often the records of one batch may be refused before the rest of them is
            set aside together; it bounds the search for bad records that Miso does not name.
    """

    most_bytes: int = 8 * 2**20
    on_unknown: OnUnknown = "resend"
    backoff: Backoff = field(default_factory=Backoff)
    most_refusals: int = 64


class Deliverer:
    """Delivers batches; may be called from several threads at once.

    Args:
        client: Sends a request.
        options: How.
        stop: When set, nothing more is sent and no wait goes on.
        pace: Bounds the requests a second of all threads together.
        listener: Is told of waits.
    """

    def __init__(
        self,
        client: Posts,
        options: DeliveryOptions,
        stop: Event,
        *,
        pace: Pace | None = None,
        listener: Listens | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._stop = stop
        self._pace = pace or Pace(None)
        self._listener = listener
        # Lowered for all when Miso answers 413, so that it has to be told only once.
        self._most_bytes = options.most_bytes

    def deliver(self, batch: Batch, leftover: Leftover | None = None) -> Receipt:
        """Send the records of `batch` and return what became of them. Never raises on an answer.

        Args:
            batch: What to send.
            leftover: Which of its records are still to be sent; None for all.
        """
        work = _Work()
        started = time.monotonic()
        todo = deque(_first_parts(batch, leftover))
        while todo:
            part = todo.popleft()
            if part.doubtful and self._options.on_unknown != "resend":
                work.leave(part)
            elif part.size > self._most_bytes and len(part) > 1:
                todo.extendleft(reversed(list(part.fitting(self._most_bytes))))
            elif self._stop.is_set():
                work.leave(part)
            elif part.size > self._options.most_bytes:
                work.set_aside(part, _larger_than(self._options.most_bytes))
            else:
                todo.extendleft(reversed(self._settle(part, self._send(part, work), work)))
        return work.receipt(time.monotonic() - started)

    def _send(self, part: Part, work: _Work) -> Judgement:
        """Send one part, again and again where that can help, and return the last judgement."""
        backoff = self._options.backoff
        body = part.body()
        waited = 0.0
        attempt = 0
        while True:
            attempt += 1
            self._stop.wait(self._pace.turn())
            judgement = self._ask(body, work)
            if judgement.verdict is Verdict.UNKNOWN:
                part.doubtful = True
                if self._options.on_unknown != "resend":
                    return judgement
            elif judgement.verdict is not Verdict.BUSY:
                return judgement
            wait = backoff.wait(attempt, waited, judgement.retry_after)
            if wait is None:
                return _gave_up(judgement, attempt)
            if self._listener is not None:
                self._listener.waiting(wait, judgement.message)
            waited += wait
            if self._stop.wait(wait):
                return judgement

    def _ask(self, body: bytes, work: _Work) -> Judgement:
        work.requests += 1
        work.bytes_sent += len(body)
        try:
            return judge_answer(self._client.post(body))
        except NotSentError as error:
            return Judgement(Verdict.BUSY, str(error))
        except UnknownOutcomeError as error:
            return Judgement(Verdict.UNKNOWN, str(error))

    def _settle(self, part: Part, judgement: Judgement, work: _Work) -> list[Part]:
        """Account for `part` as far as the judgement goes; return what must be sent again."""
        match judgement.verdict:
            case Verdict.ACCEPTED:
                work.accept(part)
            case Verdict.REFUSED:
                return self._set_bad_aside(part, judgement, work)
            case Verdict.TOO_LARGE:
                return self._split(part, judgement, work)
            case Verdict.KEY_REFUSED:
                self._end(part, KeyRefusedError(judgement.message), work)
            case Verdict.UNKNOWN if self._options.on_unknown != "resend":
                work.leave(part)
            case Verdict.BUSY | Verdict.UNKNOWN if self._stop.is_set():
                work.leave(part)
            case _:
                self._end(part, DeliveryError(judgement.message), work)
        return []

    def _end(self, part: Part, error: DeliveryError, work: _Work) -> None:
        """Leave `part` for another run, and see to it that nothing more is sent in this one."""
        work.leave(part)
        work.stop = error
        self._stop.set()

    def _split(self, part: Part, judgement: Judgement, work: _Work) -> list[Part]:
        if len(part) == 1:
            work.set_aside(part, Reason("the record", "is too large for Miso (413)"))
            return []
        self._most_bytes = min(self._most_bytes, max(part.size // 2, 1))
        if self._listener is not None:
            self._listener.waiting(0, f"{judgement.message}; sending smaller requests")
        return list(part.halves())

    def _set_bad_aside(self, part: Part, judgement: Judgement, work: _Work) -> list[Part]:
        """Set aside the records that a 422 names; where it names none, look for them by halving."""
        work.refusals += 1
        refusal = read_refusal(judgement.lines, len(part))
        if refusal.reasons:
            records = part.records()
            work.rejections += [
                Rejection(part.lines[place], tuple(reasons), records[place], by="miso")
                for place, reasons in refusal.reasons.items()
            ]
            rest = part.without(refusal.reasons)
            return [rest] if len(rest) else []
        if len(part) == 1:
            work.set_aside(part, Reason("Miso:", f"refused the record ({judgement.message})"))
        elif work.refusals > self._options.most_refusals:
            others = f"is one of {len(part)} that Miso refused together without saying which is bad"
            work.set_aside(part, Reason("the record", others, f"({judgement.message})"))
        else:
            return list(part.halves())
        return []


def _first_parts(batch: Batch, leftover: Leftover | None) -> list[Part]:
    whole = Part(batch.slices, batch.lines, batch.counts)
    if leftover is None:
        parts = [whole]
    elif leftover.everything:
        whole.doubtful = True
        parts = [whole]
    else:
        parts = [whole.at(leftover.unknown, doubtful=True)] if leftover.unknown else []
        if leftover.pending:
            parts.append(whole.at(leftover.pending, doubtful=False))
    return [part for part in parts if len(part)]


class _Work:
    """What has become of a batch's records so far."""

    def __init__(self) -> None:
        self.accepted = 0
        self.duplicates = 0
        self.rejections: list[Rejection] = []
        self.unknown: list[int] = []
        self.pending: list[int] = []
        self.requests = 0
        self.bytes_sent = 0
        self.refusals = 0
        self.stop: DeliveryError | None = None

    def accept(self, part: Part) -> None:
        self.accepted += len(part)
        self.duplicates += len(part) if part.doubtful else 0

    def set_aside(self, part: Part, reason: Reason) -> None:
        self.rejections += [
            Rejection(line, (reason,), record, by="miso")
            for line, record in zip(part.lines, part.records(), strict=True)
        ]

    def leave(self, part: Part) -> None:
        (self.unknown if part.doubtful else self.pending).extend(part.lines)

    def receipt(self, seconds: float) -> Receipt:
        return Receipt(
            accepted=self.accepted,
            rejections=tuple(sorted(self.rejections, key=lambda rejection: rejection.line)),
            unknown=tuple(sorted(self.unknown)),
            pending=tuple(sorted(self.pending)),
            possible_duplicates=self.duplicates,
            requests=self.requests,
            bytes_sent=self.bytes_sent,
            seconds=seconds,
            stop=self.stop,
        )


def _gave_up(judgement: Judgement, attempts: int) -> Judgement:
    wait = judgement.retry_after
    asked = f", which asks to wait {wait:,.0f} s" if wait is not None else ""
    message = f"{judgement.message}{asked}; gave up after {attempts} attempt(s)"
    return Judgement(judgement.verdict, message, retry_after=wait)


def _larger_than(most_bytes: int) -> Reason:
    return Reason("the record", f"is larger than a request may be ({most_bytes:,} bytes)")
