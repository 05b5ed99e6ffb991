"""Counts rows with an unknown outcome, and copies that Miso may have, by cause.

A cause is a status that does not prove whether Miso stored the records ("408", "503"), or one of
the constants below. The counts are of one run. The ledger stores neither causes nor numbers of
copies, so an outcome that an earlier run left unknown has the cause `EARLIER_RUN`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from miso_upload.values.display import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from miso_upload.records.batch import Receipt

LOST_ANSWER = "lost answer"
"""The request was sent, and no complete answer came back."""
FOREIGN_ANSWER = "foreign answer"
"""The answer has a 2xx status, but is not Miso's JSON."""
EARLIER_RUN = "earlier run"
"""An earlier run left the outcome unknown, or was killed before it knew it."""
SERVER_ERROR = "5xx"


@dataclass(slots=True)
class UnknownOutcomes:
    """The counts of one run, added up from its receipts.

    Attributes:
        records: How many accepted records Miso may have stored more than once.
        extra_copies: How many copies Miso may have stored beyond the first, by cause.
        unknown: How many records have an unknown outcome at the end of the run, by last cause.
    """

    records: int = 0
    extra_copies: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Receipt) -> None:
        """Add the counts of one batch."""
        self.records += receipt.possible_duplicates
        self.extra_copies.update(receipt.extra_copies)
        self.unknown.update(receipt.unknown_by_cause)

    def as_json(self) -> dict[str, object]:
        """Return the counts in the format of `docs/report.md`."""
        return {
            "possible_copies": {
                "records": self.records,
                "extra_copies": self.extra_copies.total(),
                "by_cause": _with_underscores(grouped(self.extra_copies)),
            },
            "unknown_by_cause": _with_underscores(grouped(self.unknown)),
            "unknown_by_status": {
                cause: count for cause, count in self.unknown.items() if cause.isdecimal()
            },
        }

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each count that is not 0."""
        if copies := self.extra_copies.total():
            yield (
                f"Miso may have stored {counted(copies, 'extra copy', 'extra copies')} in this "
                f"run, by cause: {_listed(self.extra_copies)}"
            )
        if self.unknown:
            rows = counted(self.unknown.total(), "row has", "rows have")
            yield f"{rows} an unknown outcome after this run, by cause: {_listed(self.unknown)}"

    def advice(self, not_stored: Collection[int]) -> Iterator[str]:
        """Yield, for each status, how many held rows `--not-stored` would have resent."""
        for cause, count in sorted(self.unknown.items()):
            if not cause.isdecimal() or int(cause) in not_stored:
                continue
            without = " without Retry-After" if int(cause) == HTTPStatus.SERVICE_UNAVAILABLE else ""
            yield (
                f"{counted(count, 'held row')} got status {cause}{without}. If your gateway "
                f"answers {cause} only for requests that it did not forward, add --not-stored "
                f"{cause} to future runs, so that they resend these rows instead of holding them."
            )


def grouped(by_cause: Counter[str]) -> Counter[str]:
    """Return counts by cause, largest first, with all server errors in one count."""
    groups: Counter[str] = Counter()
    for cause, count in by_cause.items():
        is_server_error = cause.isdecimal() and int(cause) >= HTTPStatus.INTERNAL_SERVER_ERROR
        groups[SERVER_ERROR if is_server_error else cause] += count
    return Counter(dict(groups.most_common()))


def _listed(by_cause: Counter[str]) -> str:
    return "; ".join(f"{cause} {count:,}" for cause, count in grouped(by_cause).items())


def _with_underscores(by_cause: Counter[str]) -> dict[str, int]:
    return {cause.replace(" ", "_"): count for cause, count in by_cause.items()}
