"""Delivers one batch: sends it, classifies the answers, rejects bad records, splits and retries.

Each record of the batch ends with exactly one outcome: accepted, rejected, unknown or pending.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from miso_upload.delivery.answer_history import REPEATS_NEEDED, AnswerHistory
from miso_upload.delivery.answers import Answer, Outcome, RequestResult, classify_answer
from miso_upload.delivery.batch_progress import BatchProgress
from miso_upload.delivery.client import NotSentError, UnknownOutcomeError
from miso_upload.delivery.refusals import read_refusal
from miso_upload.delivery.request_bodies import selected_bodies
from miso_upload.delivery.retry import Backoff, Pace, RetryState
from miso_upload.delivery.throttle import Throttle
from miso_upload.errors import DeliveryError, KeyRefusedError
from miso_upload.records import Reason
from miso_upload.records.element import line_of
from miso_upload.records.unknown_outcomes import LOST_ANSWER
from miso_upload.values.display import counted

if TYPE_CHECKING:
    from miso_upload.delivery.options import DeliveryOptions
    from miso_upload.delivery.request_bodies import RequestBody
    from miso_upload.records import Batch, Receipt, Selection


class HttpClient(Protocol):
    """Sends one request: `Client`, or a test double."""

    @property
    def host(self) -> str:
        """The host and port, for messages."""

    def post(self, body: bytes) -> Answer:
        """Send `body` and return the answer; raises what `Client.post` raises."""


class StopEvent(Protocol):
    """Stops the sending: an `Event`, or a `StopSignal`."""

    def is_set(self) -> bool:
        """Return whether sending must stop."""

    def set(self) -> None:
        """Stop the sending."""

    def wait(self, timeout: float) -> bool:
        """Wait for the stop, up to `timeout` seconds; return `is_set()`."""


class ProgressListener(Protocol):
    """Receives progress of a delivery."""

    def waiting(self, seconds: float, why: str) -> None:
        """Report that a request is resent in `seconds`, and why."""


class Deliverer:
    """Delivers batches. Several threads may call it at the same time.

    Args:
        client: Sends requests.
        options: How to deliver.
        stop: When set, nothing more is sent and waits end.
        throttle: Limits the requests in flight, and lowers the limit while Miso is busy.
        backoff: Decides when to retry; None to follow the options.
        listener: Receives a message for each wait.

    Attributes:
        pace: Limits the request rate of all threads together.
        most_unknown: How many requests in a row may have an unknown outcome before the run stops,
            if their records are not resent.
        most_refusals: How many requests with several records of one batch may be refused before the
            run stops. It limits the search for bad records that Miso does not name; good records
            are never rejected because of it.
    """

    most_unknown = 8
    most_refusals = 500

    def __init__(
        self,
        client: HttpClient,
        options: DeliveryOptions,
        stop: StopEvent,
        *,
        throttle: Throttle | None = None,
        backoff: Backoff | None = None,
        listener: ProgressListener | None = None,
    ) -> None:
        self.pace = Pace(options.max_requests_per_second)
        self._client = client
        self._options = options
        self._not_stored = frozenset(options.not_stored)
        self._stop = stop
        self._throttle = throttle or Throttle(options.concurrency)
        self._backoff = backoff or Backoff(options.max_attempts, patience=options.retry_for)
        self._listener = listener
        # Threads share only this history, the pace and the throttle; each has a lock.
        self._history = AnswerHistory(options.max_chunk_bytes)

    def deliver(self, batch: Batch, selection: Selection | None = None) -> Receipt:
        """Send the records of `batch` and return their outcomes. Never raises because of an answer.

        Args:
            batch: The batch.
            selection: Which of its records to send; None for all.
        """
        progress = BatchProgress()
        started = time.monotonic()
        todo = deque(selected_bodies(batch, selection))
        while todo or progress.suspects:
            others_first = todo and len(progress.suspects) < _MAX_SUSPECTS
            body = todo.popleft() if others_first else progress.suspects.popleft()
            max_bytes = self._history.max_bytes
            if self._stop.is_set() or self._is_not_sent(body, progress):
                progress.leave(body)
            elif body.size > max_bytes and len(body) > 1:
                todo.extendleft(reversed(list(body.split_to(max_bytes))))
            elif body.size > self._options.max_chunk_bytes:
                progress.reject_all(body, _larger_than(self._options.max_chunk_bytes))
            else:
                result = self._send(body, progress)
                todo.extendleft(reversed(self._settle(body, result, progress)))
        if progress.search_error is not None:
            self._end(progress.search_error, progress)
        return progress.receipt(time.monotonic() - started)

    def _is_not_sent(self, body: RequestBody, progress: BatchProgress) -> bool:
        """Return whether `body` is left because it is doubtful, or because the search has ended.

        Suspects are still sent after the search for bad records has ended, so that the next run has
        less to search.
        """
        if body.doubtful and self._options.on_unknown != "resend":
            return True
        return progress.search_error is not None and body.suspected is None

    def _send(self, body: RequestBody, progress: BatchProgress) -> RequestResult:
        """Send one request, with retries while they may help, and return the last result."""
        encoded = body.encoded()
        state = RetryState(seen={body.suspected} if body.suspected else set())
        while (ticket := self._acquire_slot()) is not None:
            result = self._post(encoded, progress)
            lower_limit = self._release_slot(ticket, result)
            self._learn(body, result, state)
            if not (self._resends(result) and self._history.may_succeed(result, body)):
                return result
            is_suspect = self._history.makes_suspect(result, body)
            if is_suspect and body.suspected is None:
                return result._replace(stage="deferred")
            if is_suspect and state.in_a_row >= self._history.repeats_needed(result.outcome):
                self._history.confirm(result.outcome)
                return result._replace(stage="confirmed")
            wait = self._wait(result, state, is_suspect=is_suspect)
            if wait is None:
                return self._give_up(result, body, state)
            if self._listener is not None and wait:
                self._listener.waiting(wait, result.message + lower_limit)
            state.waited += wait
            if self._stop.wait(wait):
                break
        return _STOPPED

    def _learn(self, body: RequestBody, result: RequestResult, state: RetryState) -> None:
        state.count(result.outcome)
        if result.outcome is Outcome.UNKNOWN:
            body.causes += (result.cause,)
        if body.accepted_before is None and result.outcome in _ABOUT_RECORDS:
            body.accepted_before = self._history.accepted
        self._history.learn(result.outcome, body.size, state.seen)

    def _wait(self, result: RequestResult, state: RetryState, *, is_suspect: bool) -> float | None:
        """Return the seconds until the same request is resent, or None to give up."""
        backoff = self._backoff
        if not is_suspect:
            return backoff.wait(state.attempts, state.waited, result.retry_after)
        if state.attempts >= 2 * REPEATS_NEEDED:
            return None  # the outcomes keep changing, so none of them is confirmed
        if result.outcome is Outcome.REFUSED:
            return 0.0
        return backoff.pause(min(state.attempts, _MAX_DOUBLINGS_FOR_A_RECORD))

    def _acquire_slot(self) -> int | None:
        """Wait for a slot and return its ticket; None if the run was stopped first."""
        while not self._stop.is_set():
            wait, ticket = self._throttle.acquire()
            if not wait:
                if not self._stop.wait(self.pace.reserve()):
                    return ticket
                self._throttle.release(ticket, succeeded=False)
            else:
                self._stop.wait(wait)
        return None

    def _release_slot(self, ticket: int, result: RequestResult) -> str:
        """Release the slot; return the end of a message if the limit is lower now, else nothing."""
        pause = result.retry_after
        if result.overload and not self._resends(result):
            # This request is not resent after a wait, so the next request must wait instead.
            pause = max(pause or 0.0, self._backoff.pause(self._history.unknown_in_a_row + 1))
        is_lower = self._throttle.release(
            ticket,
            succeeded=result.outcome in _PROCESSED,
            busy=result.overload,
            pause=pause,
        )
        return f"; sending {counted(self._throttle.slots, 'request')} at a time" if is_lower else ""

    def _resends(self, result: RequestResult) -> bool:
        return result.outcome is not Outcome.UNKNOWN or self._options.on_unknown == "resend"

    def _post(self, encoded: bytes, progress: BatchProgress) -> RequestResult:
        progress.requests += 1
        progress.bytes_sent += len(encoded)
        try:
            return classify_answer(self._client.post(encoded), self._not_stored)
        except NotSentError as error:
            return RequestResult(Outcome.BUSY, str(error))
        except UnknownOutcomeError as error:
            return RequestResult(Outcome.UNKNOWN, str(error), cause=LOST_ANSWER)

    def _settle(
        self, body: RequestBody, result: RequestResult, progress: BatchProgress
    ) -> list[RequestBody]:
        """Account for `body` as far as the result allows; return what must be sent next."""
        outcome = result.outcome
        if outcome is not Outcome.UNKNOWN:
            self._history.count_known()
        if len(body) > 1 and outcome in _ABOUT_RECORDS and result.stage != "final":
            progress.refusals += 1
            if progress.refusals > self.most_refusals:
                progress.leave(body)
                progress.search_error = _too_many_refusals(result, progress.refusals)
                return []
            return self._reduce(body, result, progress)
        match outcome:
            case Outcome.ACCEPTED:
                progress.accept(body)
            case _ if result.stage == "deferred":
                progress.suspect(body, outcome)
            case Outcome.REFUSED if result.stage != "final":
                return self._reject_bad(body, result, progress)
            case _ if result.stage == "confirmed":
                self._reject_suspect(body, result, progress)
            case Outcome.KEY_REFUSED:
                self._end(KeyRefusedError(result.message), progress, body)
            case _ if self._continues_after(outcome):
                progress.leave(body)
            case _:
                self._end(DeliveryError(self._error_text(result)), progress, body)
        return []

    def _reduce(
        self, body: RequestBody, result: RequestResult, progress: BatchProgress
    ) -> list[RequestBody]:
        """Return smaller bodies to send instead of one that Miso refused."""
        if result.outcome is Outcome.TOO_LARGE:
            return self._split(body, result)
        if result.outcome is Outcome.REFUSED:
            return self._reject_bad(body, result, progress)
        return list(body.halves())

    def _give_up(
        self, result: RequestResult, body: RequestBody, state: RetryState
    ) -> RequestResult:
        wait, limit = result.retry_after, self._backoff.patience
        message = result.message
        if wait is not None and wait > limit:
            message += f". Miso asks to wait {wait:,.0f} s, but --retry-for allows {limit:,.0f} s"
        elif wait is not None:
            message += f". Miso asks to wait {wait:,.0f} s"
        attempts = counted(state.attempts, "attempt")
        message += f". miso-upload gave up after {attempts} to send {_lines(body)}"
        if body.doubtful:
            message += (
                ". It is unknown whether Miso has stored them. Rerun the same command to resend "
                "them, or add --on-unknown skip to leave them out"
            )
        return result._replace(message=message, stage="final")

    def _continues_after(self, outcome: Outcome) -> bool:
        """Return whether the run continues although a request has no definite result.

        It does not after several unknown outcomes in a row, because a broken gateway would
        otherwise make the outcome of the whole history unknown.
        """
        if outcome is Outcome.UNKNOWN:
            few = self._history.count_unknown() < self.most_unknown
            if self._options.on_unknown != "resend" and few:
                return True
        return outcome is not Outcome.REQUEST_REFUSED and self._stop.is_set()

    def _error_text(self, result: RequestResult) -> str:
        if self._resends(result):
            return f"{result.message}."
        requests = counted(self._history.unknown_in_a_row, "request")
        return f"{result.message}. The outcome of {requests} in a row is unknown."

    def _end(
        self, error: DeliveryError, progress: BatchProgress, body: RequestBody | None = None
    ) -> None:
        """Leave `body` for the next run, and stop sending in this one."""
        if body is not None:
            progress.leave(body)
        progress.stop = progress.stop or error
        self._stop.set()

    def _reject_suspect(
        self, body: RequestBody, result: RequestResult, progress: BatchProgress
    ) -> None:
        """Reject a single record if Miso has accepted others since; else end the run.

        If Miso has accepted nothing since, the cause may be the server and not the record.
        """
        if self._history.accepted > (body.accepted_before or 0):
            progress.reject_all(body, _why_rejected(result))
            return
        error = DeliveryError(
            f"{result.message}. Miso gave this answer whenever the record of {_lines(body)} was "
            "sent alone, and it has accepted no other record since. The cause may be the "
            "server, so the record is not rejected. Rerun the same command to resend it."
        )
        self._end(error, progress, body)

    def _split(self, body: RequestBody, result: RequestResult) -> list[RequestBody]:
        halves = body.halves()
        self._history.limit_bytes(max(half.size for half in halves))
        if self._listener is not None:
            self._listener.waiting(0, f"{result.message}; sending smaller requests")
        return list(halves)

    def _reject_bad(
        self, body: RequestBody, result: RequestResult, progress: BatchProgress
    ) -> list[RequestBody]:
        """Reject the records that a 422 names; if it names none, search for them by halving."""
        reasons = read_refusal(result.lines, len(body))
        if not reasons and len(body) == 1:
            reasons = {0: [_why_rejected(result)]}
        if not reasons:
            return list(body.halves())
        progress.reject(body, reasons)
        remaining = body.without(reasons)
        # If Miso names one bad record at a time, halve the rest to avoid one request per record.
        if body.reduced and len(remaining) > 1:
            return list(remaining.halves())
        return [remaining] if len(remaining) else []


_MAX_DOUBLINGS_FOR_A_RECORD = 3
_MAX_SUSPECTS = 50
"""Suspects are sent early once there are this many, in case Miso accepts nothing at all."""
_ABOUT_RECORDS = {Outcome.REFUSED, Outcome.UNEXPLAINED, Outcome.TOO_LARGE}
"""Miso may accept the same records in smaller requests, or without some of them."""
_PROCESSED = {Outcome.ACCEPTED, *_ABOUT_RECORDS}
_STOPPED = RequestResult(Outcome.BUSY, "The run was stopped before this request was sent")


def _why_rejected(result: RequestResult) -> Reason:
    if result.outcome is Outcome.TOO_LARGE:
        return Reason("the record", "is too large for Miso (413)")
    return Reason("Miso", f"refused the record ({result.quoted})")


def _lines(body: RequestBody) -> str:
    first, last = line_of(body.lines[0]), line_of(body.lines[-1])
    return f"line {first:,}" if first == last else f"lines {first:,} to {last:,}"


def _too_many_refusals(result: RequestResult, refusals: int) -> DeliveryError:
    return DeliveryError(
        f"Miso refused {refusals:,} requests with records of one chunk ({result.quoted}). "
        "miso-upload rejected the bad records that it found. Rerun the same command to continue "
        "the search."
    )


def _larger_than(max_bytes: int) -> Reason:
    return Reason("the record", f"is larger than the limit for a request ({max_bytes:,} bytes)")
