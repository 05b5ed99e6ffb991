"""Delivering one batch: send, judge the answer, set bad records aside, split, try again.

Whatever happens, each record of the batch ends in exactly one of four places: accepted, rejected,
unknown or pending.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

from miso_upload.delivery.answers import Answer, Judgement, Verdict, judge_answer
from miso_upload.delivery.client import NotSentError, UnknownOutcomeError
from miso_upload.delivery.parts import Part
from miso_upload.delivery.refusals import read_refusal
from miso_upload.delivery.retry import Backoff, Pace
from miso_upload.delivery.throttle import Throttle
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
        throttle: Bounds the requests under way, fewer where Miso is busy.
        listener: Is told of waits.
    """

    def __init__(
        self,
        client: Posts,
        options: DeliveryOptions,
        stop: Stops,
        *,
        pace: Pace | None = None,
        throttle: Throttle | None = None,
        listener: Listens | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._stop = stop
        self._pace = pace or Pace(None)
        self._throttle = throttle or Throttle(_NO_BOUND)
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
        self._judge_suspects(work)
        return work.receipt(time.monotonic() - started)

    def _send(self, part: Part, work: _Work) -> Judgement:
        """Send one part, again and again where that can help, and return the last judgement."""
        backoff = self._options.backoff
        body = part.body()
        judgement = _STOPPED
        waited = 0.0
        attempt = 0
        while (place := self._turn()) is not None:
            attempt += 1
            judgement = self._ask(body, work)
            fewer = self._give_back(place, judgement)
            if judgement.verdict is Verdict.UNKNOWN:
                part.doubtful = True
                if self._options.on_unknown != "resend":
                    return judgement
            elif not _may_pass(judgement, part):
                return judgement
            wait = backoff.wait(attempt, waited, judgement.retry_after)
            if wait is None:
                return _gave_up(judgement, attempt, backoff)
            if self._listener is not None:
                self._listener.waiting(wait, judgement.message + fewer)
            waited += wait
            if self._stop.wait(wait):
                break
        return judgement

    def _turn(self) -> int | None:
        """Wait for a place among the requests under way; None where the run was stopped instead."""
        while not self._stop.is_set():
            wait, place = self._throttle.turn()
            if not wait:
                if not self._stop.wait(self._pace.turn()):
                    return place
                self._throttle.done(place, went_well=False)
            else:
                self._stop.wait(wait)
        return None

    def _give_back(self, place: int, judgement: Judgement) -> str:
        """Give the place back; return what to say of it."""
        fewer = self._throttle.done(
            place,
            went_well=judgement.verdict in _DEALT_WITH,
            busy=judgement.overload,
            pause=judgement.retry_after,
        )
        return f"; sending {self._throttle.places} at a time" if fewer else ""

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
        if _asks_for_less(judgement, part):
            work.refusals += 1
            if work.refusals > self._options.most_refusals:
                self._end(part, _too_many_refusals(judgement, work.refusals), work)
                return []
            return self._send_less(part, judgement, work)
        match judgement.verdict:
            case Verdict.ACCEPTED:
                work.accept(part)
            case Verdict.REFUSED:
                return self._set_bad_aside(part, judgement, work)
            case Verdict.KEY_REFUSED:
                self._end(part, KeyRefusedError(judgement.message), work)
            case Verdict.UNKNOWN if self._goes_on():
                work.leave(part)
            case Verdict.BUSY | Verdict.UNKNOWN | Verdict.TROUBLED if self._stop.is_set():
                work.leave(part)
            case Verdict.TROUBLED:
                work.suspects.append((part, judgement))
            case _:
                self._end(part, DeliveryError(judgement.message), work)
        return []

    def _send_less(self, part: Part, judgement: Judgement, work: _Work) -> list[Part]:
        if judgement.verdict is Verdict.TOO_LARGE:
            return self._split(part, judgement, work)
        if judgement.verdict is Verdict.REFUSED:
            return self._set_bad_aside(part, judgement, work)
        return list(part.halves())

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

    def _judge_suspects(self, work: _Work) -> None:
        """Set aside single records that trouble Miso, if it took others of the same batch.

        If it took none, the trouble may well be its own.
        """
        for part, judgement in work.suspects:
            if work.accepted:
                work.set_aside(part, Reason("Miso:", f"refused the record ({judgement.message})"))
            else:
                self._end(part, DeliveryError(judgement.message), work)

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
        self.suspects: list[tuple[Part, Judgement]] = []
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


_NO_BOUND = 1_000_000
_DEALT_WITH = {Verdict.ACCEPTED, Verdict.REFUSED, Verdict.TROUBLED, Verdict.TOO_LARGE}
_STOPPED = Judgement(Verdict.BUSY, "the run was stopped before this was sent")


def _too_many_refusals(judgement: Judgement, refusals: int) -> DeliveryError:
    return DeliveryError(
        f"Miso refused {refusals:,} parts of one chunk, one after the other ({judgement.message}); "
        "the bad records found among them were set aside. Run the same command again to go on"
    )


def _asks_for_less(judgement: Judgement, part: Part) -> bool:
    """Return whether the same records may be taken in smaller requests, or without some of them."""
    if len(part) == 1:
        return judgement.verdict is Verdict.TOO_LARGE
    return judgement.verdict in (Verdict.TOO_LARGE, Verdict.REFUSED, Verdict.TROUBLED)


def _may_pass(judgement: Judgement, part: Part) -> bool:
    """Return whether the very same request may be taken another time."""
    # A smaller request tells more, as long as there is one.
    alone = judgement.verdict is Verdict.TROUBLED and len(part) == 1
    return alone or judgement.verdict is Verdict.BUSY


def _gave_up(judgement: Judgement, attempts: int, backoff: Backoff) -> Judgement:
    wait = judgement.retry_after
    asked = f", which asks to wait {wait:,.0f} s" if wait is not None else ""
    if wait is not None and wait > backoff.patience:
        asked += f" where --retry-for allows {backoff.patience:,.0f}"
    message = f"{judgement.message}{asked}; gave up after {attempts} attempt(s)"
    return replace(judgement, message=message)


def _larger_than(most_bytes: int) -> Reason:
    return Reason("the record", f"is larger than a request may be ({most_bytes:,} bytes)")
