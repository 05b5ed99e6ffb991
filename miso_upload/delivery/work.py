"""What has become of a batch's records so far, and the receipt at the end."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from miso_upload.records import Reason, Receipt, Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miso_upload.delivery.answers import Verdict
    from miso_upload.delivery.parts import Part
    from miso_upload.errors import DeliveryError


class Work:
    """The account of one batch.

    Attributes:
        refusals: How many requests with several records were refused.
        suspects: Single records that Miso did not take, because they are bad or it had trouble;
            to be sent again after the others.
        exhausted: Why the search for bad records among the others has ended, if so.
        stop: Why no further batch should be sent, if so.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.bytes_sent = 0
        self.refusals = 0
        self.suspects: deque[Part] = deque()
        self.exhausted: DeliveryError | None = None
        self.stop: DeliveryError | None = None
        self._accepted = 0
        self._duplicates = 0
        self._rejections: list[Rejection] = []
        self._unknown: list[int] = []
        self._pending: list[int] = []
        self._copies: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()

    def suspect(self, part: Part, verdict: Verdict) -> None:
        """Send a single record again after the others."""
        part.accused = verdict
        self.suspects.append(part)

    def accept(self, part: Part) -> None:
        """Count the records of `part` as accepted; each unknown outcome may be an extra copy."""
        self._accepted += len(part)
        self._duplicates += len(part) if part.doubtful else 0
        self._copy(part, part.causes)

    def reject(self, part: Part, reasons: Mapping[int, Sequence[Reason]]) -> None:
        """Reject the records of `part` that have reasons, by their index."""
        records = part.records()
        self._rejections += [
            Rejection(part.lines[index], tuple(theirs), records[index], by="miso")
            for index, theirs in reasons.items()
        ]

    def reject_all(self, part: Part, reason: Reason) -> None:
        """Reject all records of `part` for one reason."""
        self.reject(part, dict.fromkeys(range(len(part)), (reason,)))

    def leave(self, part: Part) -> None:
        """Count the records of `part` as pending, or as unknown if they may be stored.

        If they are, one of the requests with an unknown outcome was the first copy, and only the
        others are extra.
        """
        if not part.doubtful:
            self._pending.extend(part.lines)
            return
        self._unknown.extend(part.lines)
        self._causes[part.causes[-1]] += len(part)
        self._copy(part, part.causes[1:])

    def receipt(self, seconds: float) -> Receipt:
        """Return the account as it is now."""
        return Receipt(
            accepted=self._accepted,
            rejections=tuple(sorted(self._rejections, key=lambda rejection: rejection.line)),
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

    def _copy(self, part: Part, causes: Sequence[str]) -> None:
        for cause in causes:
            self._copies[cause] += len(part)
