"""Defines the batch made from a block, the selection of its records, and the delivery receipt."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from miso_upload.records.findings import Findings
from miso_upload.records.keyed_records import KeyedRecords
from miso_upload.records.outside import OutsideRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miso_upload.records.rejection import Rejection

Record: TypeAlias = dict[str, Any]
"""One interaction in the form that Miso accepts."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The transformed rows of one block: encoded records, rejections and counts.

    `slices` holds the records as JSON, joined by commas and without brackets, so that a request
    body is made by joining slices instead of encoding records again. `lines` has the source line
    of each record, in the same order. `counts` has the number of records in each slice.

    If content keys are computed, `keys`, `days` and `contents` (see `ContentKeys`) and `lengths`
    (the size of each record's JSON in bytes) also have one item for each record.

    `outside` has the lines of rows that are outside the scope of the run, and `outside_rows` says
    where they are.
    """

    seq: int
    start: int
    end: int
    first_line: int
    line_count: int
    checksum: bytes
    rows: int
    lines: Sequence[int]
    slices: tuple[bytes, ...] = field(repr=False)
    counts: tuple[int, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    skipped: int = 0
    outside: Sequence[int] = ()
    outside_rows: OutsideRows = field(default_factory=OutsideRows, repr=False)
    findings: Findings = field(default_factory=Findings, repr=False)
    keys: array[int] = field(default_factory=partial(array, "Q"), repr=False)
    days: array[int] = field(default_factory=partial(array, "i"), repr=False)
    contents: array[int] | None = field(default=None, repr=False)
    lengths: array[int] = field(default_factory=partial(array, "I"), repr=False)

    @property
    def keyed(self) -> KeyedRecords:
        """Return the content keys of the records."""
        return KeyedRecords(self.keys, self.days, self.contents)

    @property
    def left_out(self) -> int:
        """Return how many rows became no record, although nothing is wrong with them."""
        return self.skipped + len(self.outside)

    @property
    def size(self) -> int:
        """Return how many bytes the records take in a request body, commas included."""
        return sum(map(len, self.slices)) + max(len(self.slices) - 1, 0)


@dataclass(frozen=True, slots=True)
class Selection:
    """The records of a batch to send, by their indices, and why the others are not sent.

    Attributes:
        fresh: Records that Miso certainly does not have; None for all records of the batch.
        doubtful: Records that Miso may have, because the outcome of an earlier request with a copy
            of them is unknown. They are resent.
        held: Records that Miso may have, and that are not resent.
        already_sent: Records that Miso has, each with the source that they were sent from.
        changed: Records whose natural key Miso has with other content, each with its source.
    """

    fresh: Sequence[int] | None = None
    doubtful: Sequence[int] = ()
    held: Sequence[int] = ()
    already_sent: Mapping[int, str] = field(default_factory=dict)
    changed: Mapping[int, str] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """Return how many records are not sent because Miso has them."""
        return len(self.already_sent) + len(self.changed)

    def sends(self, batch: Batch) -> int:
        """Return how many records of `batch` are sent."""
        fresh = len(batch.lines) if self.fresh is None else len(self.fresh)
        return fresh + len(self.doubtful)

    def sent_indices(self, batch: Batch) -> Sequence[int]:
        """Return the indices of the records to send."""
        if self.fresh is None:
            return range(len(batch.lines))
        return sorted((*self.fresh, *self.doubtful))

    def sent_keys(self, batch: Batch) -> KeyedRecords:
        """Return the content keys of the records to send."""
        if self.fresh is None:
            return batch.keyed
        return batch.keyed.pick(self.sent_indices(batch))


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of delivering one batch.

    Attributes:
        accepted: How many records Miso accepted.
        rejections: The records that Miso refused, with its messages.
        unknown: Lines of the records whose outcome is unknown.
        pending: Lines of the records that Miso certainly does not have; the next run sends them.
        possible_duplicates: How many accepted records Miso may have stored more than once.
        extra_copies: How many copies Miso may have stored beyond the first, by cause (see
            `unknown_outcomes`).
        unknown_by_cause: How many records have an unknown outcome, by cause.
        requests: How many requests were sent.
        bytes_sent: The total size of their bodies.
        seconds: How long the delivery took, including waits.
        stop: Why no further batch may be sent; None to continue.
    """

    accepted: int = 0
    rejections: tuple[Rejection, ...] = ()
    unknown: Sequence[int] = ()
    pending: Sequence[int] = ()
    possible_duplicates: int = 0
    extra_copies: Mapping[str, int] = field(default_factory=dict)
    unknown_by_cause: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    stop: Exception | None = None
