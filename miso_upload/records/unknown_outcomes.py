"""What no answer proves, by cause: rows with an unknown outcome, and copies that may exist.

A cause is the status of an answer that does not prove whether Miso stored the records ("408",
"503"), or one of the words below. Counts are of one run: the ledger keeps neither cause nor number
of copies, so an outcome that an earlier run left unknown has the cause `EARLIER_RUN`.
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
"""The request went out, and no whole answer came back."""
FOREIGN_ANSWER = "foreign answer"
"""A 2xx answer that is not Miso's JSON."""
EARLIER_RUN = "earlier run"
"""An earlier run left the outcome unknown, or was killed before it was known."""
SERVER_ERROR = "5xx"


@dataclass(slots=True)
class UnknownOutcomes:
    """Counts of a run, from the receipts of its batches.

    Attributes:
        records: Accepted records that Miso may have stored more than once.
        extra_copies: Copies that Miso may have stored beyond the first, by cause.
        unknown: Records whose outcome is unknown at the end, by the last cause.
    """

    records: int = 0
    extra_copies: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Receipt) -> None:
        """Add what one batch came to."""
        self.records += receipt.possible_duplicates
        self.extra_copies.update(receipt.extra_copies)
        self.unknown.update(receipt.unknown_by_cause)

    def as_json(self) -> dict[str, object]:
        """Return the counts in the shape that `docs/report.md` describes."""
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
                f"this run may have left {counted(copies, 'extra copy', 'extra copies')} at Miso, "
                f"by cause: {_listed(self.extra_copies)}"
            )
        if self.unknown:
            yield f"unknown after this run, by cause: {_listed(self.unknown)}"

    def advice(self, not_stored: Collection[int]) -> Iterator[str]:
        """Yield, for each status, how many held rows `--not-stored` would have released."""
        for cause, count in sorted(self.unknown.items()):
            if not cause.isdecimal() or int(cause) in not_stored:
                continue
            without = " without Retry-After" if int(cause) == HTTPStatus.SERVICE_UNAVAILABLE else ""
            yield (
                f"{count:,} of the held {'row was' if count == 1 else 'rows were'} answered "
                f"{cause}{without}. If your gateway answers {cause} only when it refuses a "
                f"request, --not-stored {cause} would have sent them again without a possible copy"
            )


def grouped(by_cause: Counter[str]) -> Counter[str]:
    """Return counts by cause, with one count for all server errors; the largest comes first."""
    groups: Counter[str] = Counter()
    for cause, count in by_cause.items():
        is_server_error = cause.isdecimal() and int(cause) >= HTTPStatus.INTERNAL_SERVER_ERROR
        groups[SERVER_ERROR if is_server_error else cause] += count
    return Counter(dict(groups.most_common()))


def _listed(by_cause: Counter[str]) -> str:
    return "; ".join(f"{cause} {count:,}" for cause, count in grouped(by_cause).items())


def _with_underscores(by_cause: Counter[str]) -> dict[str, int]:
    return {cause.replace(" ", "_"): count for cause, count in by_cause.items()}
