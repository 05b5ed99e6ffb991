"""Tracks the outcome of a batch's records during delivery, and makes the receipt."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from miso_upload.records import Reason, Receipt, Rejection
from miso_upload.records.element import element_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miso_upload.delivery.answers import Outcome
    from miso_upload.delivery.request_bodies import RequestBody
    from miso_upload.errors import DeliveryError


class BatchProgress:
    """The progress of delivering one batch.

    Attributes:
        requests: How many requests were sent.
        bytes_sent: The total size of their bodies.
        refusals: How many requests with several records were refused.
        suspects: Single records that Miso did not accept, because they are bad or Miso had
            trouble; they are resent after the others.
        search_error: Why the search for bad records has ended early; None if it has not.
        stop: Why no further batch may be sent; None to continue.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.bytes_sent = 0
        self.refusals = 0
        self.suspects: deque[RequestBody] = deque()
        self.search_error: DeliveryError | None = None
        self.stop: DeliveryError | None = None
        self._accepted = 0
        self._duplicates = 0
        self._rejections: list[Rejection] = []
        self._unknown: list[int] = []
        self._pending: list[int] = []
        self._copies: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()

    def suspect(self, body: RequestBody, outcome: Outcome) -> None:
        """Resend a single record after the others."""
        body.suspected = outcome
        self.suspects.append(body)

    def accept(self, body: RequestBody) -> None:
        """Count records as accepted; each earlier unknown outcome may be an extra copy."""
        self._accepted += len(body)
        self._duplicates += len(body) if body.doubtful else 0
        self._count_copies(body, body.causes)

    def reject(self, body: RequestBody, reasons: Mapping[int, Sequence[Reason]]) -> None:
        """Reject the records of `body` that have reasons, by their index."""
        records = body.records()
        self._rejections += [
            Rejection(body.lines[i], tuple(theirs), records[i], by="miso")
            for i, theirs in reasons.items()
        ]

    def reject_all(self, body: RequestBody, reason: Reason) -> None:
        """Reject all records of `body` for one reason."""
        self.reject(body, dict.fromkeys(range(len(body)), (reason,)))

    def leave(self, body: RequestBody) -> None:
        """Count records as pending, or as unknown if Miso may have stored them.

        If Miso stored them, one of the requests with an unknown outcome was the first copy, so only
        the others are extra copies.
        """
        if not body.doubtful:
            self._pending.extend(body.lines)
            return
        self._unknown.extend(body.lines)
        self._causes[body.causes[-1]] += len(body)
        self._count_copies(body, body.causes[1:])

    def receipt(self, seconds: float) -> Receipt:
        """Return the receipt for the progress so far."""
        return Receipt(
            accepted=self._accepted,
            rejections=tuple(sorted(self._rejections, key=lambda found: element_of(found.line))),
            unknown=tuple(sorted(self._unknown)),
            pending=tuple(sorted(self._pending)),
            possible_duplicates=self._duplicates,
            extra_copies=dict(self._copies),
            unknown_by_cause=dict(self._causes),
            requests=self.requests,
            bytes_sent=self.bytes_sent,
            seconds=seconds,
            stop=self.stop,
        )

    def _count_copies(self, body: RequestBody, causes: Sequence[str]) -> None:
        for cause in causes:
            self._copies[cause] += len(body)
