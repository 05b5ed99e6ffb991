"""Delivering one batch: send, judge the answer, reject bad records, split, try again.

Whatever happens, each record of the batch ends in exactly one of four places: accepted, rejected,
unknown or pending.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from miso_upload.delivery.answers import Answer, Judgement, Verdict, judge_answer
from miso_upload.delivery.client import NotSentError, UnknownOutcomeError
from miso_upload.delivery.evidence import MANY, Evidence
from miso_upload.delivery.refusals import read_refusal
from miso_upload.delivery.retry import Backoff, Pace, Tries
from miso_upload.delivery.selected import selected_parts
from miso_upload.delivery.throttle import Throttle
from miso_upload.delivery.work import Work
from miso_upload.errors import DeliveryError, KeyRefusedError
from miso_upload.records import Reason
from miso_upload.records.unknown_outcomes import LOST_ANSWER
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from miso_upload.delivery.options import DeliveryOptions
    from miso_upload.delivery.parts import Part
    from miso_upload.records import Batch, Receipt, Selection


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


class Deliverer:
    """Delivers batches; may be called from several threads at once.

    Args:
        client: Sends a request.
        options: How.
        stop: When set, nothing more is sent and no wait goes on.
        throttle: Bounds the requests in flight, fewer where Miso is busy.
        backoff: When to try again; None for what the options say.
        listener: Is told of waits.

    Attributes:
        pace: Bounds the requests a second of all threads together.
        most_unknown: How many requests in a row with an unknown outcome stop the run, if they are
            not sent again.
        most_refusals: How many requests of one batch may be refused before the run stops, bad
            records sent alone not counted; it bounds the search for those that Miso does not name.
            No good record is ever rejected for it.
    """

    most_unknown = 8
    most_refusals = 500

    def __init__(
        self,
        client: Posts,
        options: DeliveryOptions,
        stop: Stops,
        *,
        throttle: Throttle | None = None,
        backoff: Backoff | None = None,
        listener: Listens | None = None,
    ) -> None:
        self.pace = Pace(options.max_requests_per_second)
        self._client = client
        self._options = options
        self._not_stored = frozenset(options.not_stored)
        self._stop = stop
        self._throttle = throttle or Throttle(options.concurrency)
        self._backoff = backoff or Backoff(options.max_attempts, patience=options.retry_for)
        self._listener = listener
        # All that threads share beside it: the pace and the throttle, which have locks as well.
        self._evidence = Evidence(options.max_chunk_bytes)

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Send the records of `batch` and return their outcomes. Never raises on an answer.

        Args:
            batch: What to send.
            selection: Which of its records to send; None for all.
        """
        work = Work()
        started = time.monotonic()
        todo = deque(selected_parts(batch, selection))
        while todo or work.suspects:
            others_first = todo and len(work.suspects) < _MOST_SUSPECTS
            part = todo.popleft() if others_first else work.suspects.popleft()
            most_bytes = self._evidence.most_bytes
            if self._stop.is_set() or self._is_left(part, work):
                work.leave(part)
            elif part.size > most_bytes and len(part) > 1:
                todo.extendleft(reversed(list(part.fitting(most_bytes))))
            elif part.size > self._options.max_chunk_bytes:
                work.reject_all(part, _larger_than(self._options.max_chunk_bytes))
            else:
                todo.extendleft(reversed(self._settle(part, self._send(part, work), work)))
        if work.exhausted is not None:
            self._end(work.exhausted, work)
        return work.receipt(time.monotonic() - started)

    def _is_left(self, part: Part, work: Work) -> bool:
        """Return whether `part` is not sent, because of doubt, or because the search is at its end.

        What the search has found until then is judged, so that the next run has less to search.
        """
        if part.doubtful and self._options.on_unknown != "resend":
            return True
        return work.exhausted is not None and part.accused is None

    def _send(self, part: Part, work: Work) -> Judgement:
        """Send one part, again and again where that can help, and return the last judgement."""
        body = part.body()
        tries = Tries(seen={part.accused} if part.accused else set())
        while (place := self._turn()) is not None:
            judgement = self._ask(body, work)
            fewer = self._give_back(place, judgement)
            self._learn(part, judgement, tries)
            if not (self._sends_again(judgement) and self._evidence.may_pass(judgement, part)):
                return judgement
            accused = self._evidence.accuses(judgement, part)
            if accused and part.accused is None:
                return judgement._replace(standing="deferred")
            if accused and tries.in_a_row >= self._evidence.needed(judgement.verdict):
                self._evidence.confirm(judgement.verdict)
                return judgement._replace(standing="confirmed")
            wait = self._wait(judgement, tries, accused=accused)
            if wait is None:
                return self._gave_up(judgement, part, tries)
            if self._listener is not None and wait:
                self._listener.waiting(wait, judgement.message + fewer)
            tries.waited += wait
            if self._stop.wait(wait):
                break
        return _STOPPED

    def _learn(self, part: Part, judgement: Judgement, tries: Tries) -> None:
        tries.note(judgement.verdict)
        if judgement.verdict is Verdict.UNKNOWN:
            part.causes += (judgement.cause,)
        if part.mark is None and judgement.verdict in _ABOUT_RECORDS:
            part.mark = self._evidence.mark
        self._evidence.learn(judgement.verdict, part.size, tries.seen)

    def _wait(self, judgement: Judgement, tries: Tries, *, accused: bool) -> float | None:
        """Return the seconds until the same request is sent again, or None to give up."""
        backoff = self._backoff
        if not accused:
            return backoff.wait(tries.attempts, tries.waited, judgement.retry_after)
        if tries.attempts >= 2 * MANY:
            return None  # one accusation after the other, and never the same for long
        if judgement.verdict is Verdict.REFUSED:
            return 0.0
        return backoff.pause(min(tries.attempts, _MOST_DOUBLINGS_FOR_A_RECORD))

    def _turn(self) -> int | None:
        """Wait for a place among the requests in flight; None where the run was stopped instead."""
        while not self._stop.is_set():
            wait, place = self._throttle.turn()
            if not wait:
                if not self._stop.wait(self.pace.turn()):
                    return place
                self._throttle.done(place, went_well=False)
            else:
                self._stop.wait(wait)
        return None

    def _give_back(self, place: int, judgement: Judgement) -> str:
        """Give the place back; return what to say of it."""
        pause = judgement.retry_after
        if judgement.overload and not self._sends_again(judgement):
            # Nobody waits to send this request again, so the next one waits in its place.
            pause = max(pause or 0.0, self._backoff.pause(self._evidence.unknown_in_a_row + 1))
        fewer = self._throttle.done(
            place,
            went_well=judgement.verdict in _DEALT_WITH,
            busy=judgement.overload,
            pause=pause,
        )
        return f"; sending {self._throttle.places} at a time" if fewer else ""

    def _sends_again(self, judgement: Judgement) -> bool:
        return judgement.verdict is not Verdict.UNKNOWN or self._options.on_unknown == "resend"

    def _ask(self, body: bytes, work: Work) -> Judgement:
        work.requests += 1
        work.bytes_sent += len(body)
        try:
            return judge_answer(self._client.post(body), self._not_stored)
        except NotSentError as error:
            return Judgement(Verdict.BUSY, str(error))
        except UnknownOutcomeError as error:
            return Judgement(Verdict.UNKNOWN, str(error), cause=LOST_ANSWER)

    def _settle(self, part: Part, judgement: Judgement, work: Work) -> list[Part]:
        """Account for `part` as far as the judgement goes; return what must be sent again."""
        verdict = judgement.verdict
        if verdict is not Verdict.UNKNOWN:
            self._evidence.count_known()
        if len(part) > 1 and verdict in _ABOUT_RECORDS and judgement.standing != "final":
            work.refusals += 1
            if work.refusals > self.most_refusals:
                work.leave(part)
                work.exhausted = _too_many_refusals(judgement, work.refusals)
                return []
            return self._send_less(part, judgement, work)
        match verdict:
            case Verdict.ACCEPTED:
                work.accept(part)
            case _ if judgement.standing == "deferred":
                work.suspect(part, verdict)
            case Verdict.REFUSED if judgement.standing != "final":
                return self._reject_bad(part, judgement, work)
            case _ if judgement.standing == "confirmed":
                self._judge_suspect(part, judgement, work)
            case Verdict.KEY_REFUSED:
                self._end(KeyRefusedError(judgement.message), work, part)
            case _ if self._goes_on_without(verdict):
                work.leave(part)
            case _:
                self._end(DeliveryError(self._last_words(judgement)), work, part)
        return []

    def _send_less(self, part: Part, judgement: Judgement, work: Work) -> list[Part]:
        if judgement.verdict is Verdict.TOO_LARGE:
            return self._split(part, judgement)
        if judgement.verdict is Verdict.REFUSED:
            return self._reject_bad(part, judgement, work)
        return list(part.halves())

    def _gave_up(self, judgement: Judgement, part: Part, tries: Tries) -> Judgement:
        wait, most = judgement.retry_after, self._backoff.patience
        message = judgement.message
        if wait is not None:
            message += f". Miso asks to wait {wait:,.0f} s"
            message += f", and --retry-for allows {most:,.0f} s" if wait > most else ""
        attempts = counted(tries.attempts, "attempt")
        message += f". miso-upload gave up after {attempts} to send {_lines(part)}"
        if part.doubtful:
            message += (
                ". Nobody knows whether Miso has stored them: rerun the same command to send them "
                "again, or add --on-unknown skip to leave them out"
            )
        return judgement._replace(message=message, standing="final")

    def _goes_on_without(self, verdict: Verdict) -> bool:
        """Return whether a request without a result is left as it is, and no error ends the run.

        Not where one unknown outcome follows the other: a gateway that is out of order would make
        all of the history unknown.
        """
        if verdict is Verdict.UNKNOWN:
            few = self._evidence.count_unknown() < self.most_unknown
            if self._options.on_unknown != "resend" and few:
                return True
        return verdict is not Verdict.FAILED and self._stop.is_set()

    def _last_words(self, judgement: Judgement) -> str:
        if self._sends_again(judgement):
            return judgement.message
        requests = counted(self._evidence.unknown_in_a_row, "request")
        return f"{judgement.message}. The outcome of {requests} in a row is unknown"

    def _end(self, error: DeliveryError, work: Work, part: Part | None = None) -> None:
        """Leave `part` for another run, and see to it that nothing more is sent in this one."""
        if part is not None:
            work.leave(part)
        work.stop = work.stop or error
        self._stop.set()

    def _judge_suspect(self, part: Part, judgement: Judgement, work: Work) -> None:
        """Reject a single record that Miso does not take, if it has taken others since.

        If it has taken none, the trouble may be its own.
        """
        if self._evidence.mark > (part.mark or 0):
            work.reject_all(part, _why_rejected(judgement))
            return
        error = DeliveryError(
            f"{judgement.message}. This was the answer each time that the record of "
            f"{_lines(part)} was sent alone, but Miso has accepted nothing since, so the record is "
            "not rejected. Rerun the same command to send it again"
        )
        self._end(error, work, part)

    def _split(self, part: Part, judgement: Judgement) -> list[Part]:
        halves = part.halves()
        self._evidence.send_less(max(half.size for half in halves))
        if self._listener is not None:
            self._listener.waiting(0, f"{judgement.message}; sending smaller requests")
        return list(halves)

    def _reject_bad(self, part: Part, judgement: Judgement, work: Work) -> list[Part]:
        """Reject the records that a 422 names; where it names none, look for them by halving."""
        reasons = read_refusal(judgement.lines, len(part))
        if not reasons and len(part) == 1:
            reasons = {0: [_why_rejected(judgement)]}
        if not reasons:
            return list(part.halves())
        work.reject(part, reasons)
        rest = part.without(reasons)
        # Who names one bad record at a time would else be asked once for each with all the others.
        if part.thinned and len(rest) > 1:
            return list(rest.halves())
        return [rest] if len(rest) else []


_MOST_DOUBLINGS_FOR_A_RECORD = 3
_MOST_SUSPECTS = 50
"""If Miso takes nothing at all, the first of them shows it."""
_ABOUT_RECORDS = {Verdict.REFUSED, Verdict.TROUBLED, Verdict.TOO_LARGE}
"""The same records may be accepted in smaller requests, or without some of them."""
_DEALT_WITH = {Verdict.ACCEPTED, *_ABOUT_RECORDS}
_STOPPED = Judgement(Verdict.BUSY, "the run was stopped before this was sent")


def _why_rejected(judgement: Judgement) -> Reason:
    if judgement.verdict is Verdict.TOO_LARGE:
        return Reason("the record", "is too large for Miso (413)")
    return Reason("Miso:", f"refused the record ({judgement.message})")


def _lines(part: Part) -> str:
    first, last = part.lines[0], part.lines[-1]
    return f"line {first:,}" if first == last else f"lines {first:,} to {last:,}"


def _too_many_refusals(judgement: Judgement, refusals: int) -> DeliveryError:
    return DeliveryError(
        f"Miso refused {refusals:,} parts of one chunk, one after the other ({judgement.message}). "
        "The bad records found among them were rejected. Rerun the same command to resume"
    )


def _larger_than(most_bytes: int) -> Reason:
    return Reason("the record", f"is larger than a request may be ({most_bytes:,} bytes)")
