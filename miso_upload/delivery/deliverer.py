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
    from collections.abc import Mapping, Sequence

OnUnknown = Literal["resend", "hold", "skip"]


class Posts(Protocol):
    """What sends one request; `Client`, or a stand-in."""

    @property
    def host(self) -> str:
        """The host and port, for messages."""

    def post(self, body: bytes) -> Answer:
        """Send `body` and return the answer; raises as `Client.post` does."""


class Stops(Protocol):
    """What says that nothing more is to be sent; an `Event`, or a `StopSignal`."""

    def is_set(self) -> bool:
        """Return whether it was said."""

    def set(self) -> None:
        """Say it."""

    def wait(self, timeout: float) -> bool:
        """Wait until it is said, but not longer than `timeout` seconds; return `is_set()`."""


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
        most_unknown: How many such requests in a row stop the run where they are not sent again.
        backoff: When to try again.
        most_refusals: How many requests of one batch may be refused before the run stops, bad
            records sent alone not counted; it bounds the search for those that Miso does not name.
            No good record is ever set aside for it.
    """

    most_bytes: int = 8 * 2**20
    on_unknown: OnUnknown = "resend"
    most_unknown: int = 8
    backoff: Backoff = field(default_factory=Backoff)
    most_refusals: int = 500


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
        stop: Stops,
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
        self._unknown_in_a_row = 0

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
            if self._stop.is_set() or (part.doubtful and self._options.on_unknown != "resend"):
                work.leave(part)
            elif part.size > self._most_bytes and len(part) > 1:
                todo.extendleft(reversed(list(part.fitting(self._most_bytes))))
            elif part.size > self._options.most_bytes:
                work.set_aside(part, _larger_than(self._options.most_bytes))
            else:
                todo.extendleft(reversed(self._settle(part, self._send(part, work), work)))
        return work.receipt(time.monotonic() - started)

    def _send(self, part: Part, work: _Work) -> Judgement:
        """Send one part, again and again where that can help, and return the last judgement."""
        backoff = self._options.backoff
        body = part.body()
        judgement = _STOPPED
        waited = 0.0
        attempt = 0
        while not self._stop.wait(self._pace.turn()):
            attempt += 1
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
                break
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
        if judgement.verdict is not Verdict.UNKNOWN:
            self._unknown_in_a_row = 0
        if judgement.verdict is Verdict.TOO_LARGE or (
            judgement.verdict is Verdict.REFUSED and len(part) > 1
        ):
            work.refusals += 1
            if work.refusals > self._options.most_refusals:
                self._end(part, _too_many_refusals(judgement, work.refusals), work)
                return []
        match judgement.verdict:
            case Verdict.ACCEPTED:
                work.accept(part)
            case Verdict.REFUSED:
                return self._set_bad_aside(part, judgement, work)
            case Verdict.TOO_LARGE:
                return self._split(part, judgement, work)
            case Verdict.KEY_REFUSED:
                self._end(part, KeyRefusedError(judgement.message), work)
            case Verdict.UNKNOWN if self._goes_on():
                work.leave(part)
            case Verdict.BUSY | Verdict.UNKNOWN if self._stop.is_set():
                work.leave(part)
            case _:
                self._end(part, DeliveryError(judgement.message), work)
        return []

    def _goes_on(self) -> bool:
        """Return whether a request with an unknown outcome is left alone, and the next one sent.

        Not where one follows the other: a gateway that is out of order would make all of the
        history unknown.
        """
        self._unknown_in_a_row += 1
        few = self._unknown_in_a_row < self._options.most_unknown
        return self._options.on_unknown != "resend" and few

    def _end(self, part: Part, error: DeliveryError, work: _Work) -> None:
        """Leave `part` for another run, and see to it that nothing more is sent in this one."""
        work.leave(part)
        work.stop = error
        self._stop.set()

    def _split(self, part: Part, judgement: Judgement, work: _Work) -> list[Part]:
        if len(part) == 1:
            work.set_aside(part, Reason("the record", "is too large for Miso (413)"))
            return []
        halves = part.halves()
        self._most_bytes = min(self._most_bytes, max(half.size for half in halves))
        if self._listener is not None:
            self._listener.waiting(0, f"{judgement.message}; sending smaller requests")
        return list(halves)

    def _set_bad_aside(self, part: Part, judgement: Judgement, work: _Work) -> list[Part]:
        """Set aside the records that a 422 names; where it names none, look for them by halving."""
        reasons = read_refusal(judgement.lines, len(part))
        if not reasons and len(part) == 1:
            reasons = {0: [Reason("Miso:", f"refused the record ({judgement.message})")]}
        if not reasons:
            return list(part.halves())
        work.reject(part, reasons)
        rest = part.without(reasons)
        # Who names one bad record at a time would else be asked once for each with all the others.
        if part.thinned and len(rest) > 1:
            return list(rest.halves())
        return [rest] if len(rest) else []


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

    def reject(self, part: Part, reasons: Mapping[int, Sequence[Reason]]) -> None:
        records = part.records()
        self.rejections += [
            Rejection(part.lines[place], tuple(theirs), records[place], by="miso")
            for place, theirs in reasons.items()
        ]

    def set_aside(self, part: Part, reason: Reason) -> None:
        self.reject(part, dict.fromkeys(range(len(part)), (reason,)))

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


_STOPPED = Judgement(Verdict.BUSY, "the run was stopped before this was sent")


def _too_many_refusals(judgement: Judgement, refusals: int) -> DeliveryError:
    return DeliveryError(
        f"Miso refused {refusals:,} parts of one chunk, one after the other ({judgement.message}); "
        "the bad records found among them were set aside. Run the same command again to go on"
    )


def _gave_up(judgement: Judgement, attempts: int) -> Judgement:
    wait = judgement.retry_after
    asked = f", which asks to wait {wait:,.0f} s" if wait is not None else ""
    message = f"{judgement.message}{asked}; gave up after {attempts} attempt(s)"
    return Judgement(judgement.verdict, message, retry_after=wait)


def _larger_than(most_bytes: int) -> Reason:
    return Reason("the record", f"is larger than a request may be ({most_bytes:,} bytes)")
