"""The transform of a block, the selection of its records, and the receipt of their delivery."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from miso_upload.records.findings import Findings
from miso_upload.records.keyed import Keyed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miso_upload.records.rejection import Rejection

Record: TypeAlias = dict[str, Any]
"""One interaction as Miso takes it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The transform of one block: the encoded records, the rejections, the counts.

    `slices` holds JSON texts of records joined by commas, without the brackets around them, so that
    a request body is a join and not another encoding. `lines` gives the source line of each record,
    in the same order; `counts` how many records each slice holds.

    Where content keys are computed, `keys`, `days`, `contents` (see `ContentKeys`) and
    `lengths`, the bytes of each record's JSON text, have an item for each record too.
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
    findings: Findings = field(default_factory=Findings, repr=False)
    keys: array[int] = field(default_factory=partial(array, "Q"), repr=False)
    days: array[int] = field(default_factory=partial(array, "i"), repr=False)
    contents: array[int] | None = field(default=None, repr=False)
    lengths: array[int] = field(default_factory=partial(array, "I"), repr=False)

    @property
    def keyed(self) -> Keyed:
        """Return the content keys of the records."""
        return Keyed(self.keys, self.days, self.contents)

    @property
    def size(self) -> int:
        """Return how many bytes the records take in a request body, commas included."""
        return sum(map(len, self.slices)) + max(len(self.slices) - 1, 0)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records of a batch are sent, by their indices in it, and why the others are not.

    Attributes:
        fresh: Miso certainly does not have them; None for all records of the batch.
        doubtful: They may be at Miso already, since nobody knows the outcome of a request with a
            copy of them; they are sent again.
        held: The same, but they are not sent.
        already_sent: Miso has them; for each the source that they were sent from.
        changed: The same for those whose natural key Miso has with other content.
    """

    fresh: Sequence[int] | None = None
    doubtful: Sequence[int] = ()
    held: Sequence[int] = ()
    already_sent: Mapping[int, str] = field(default_factory=dict)
    changed: Mapping[int, str] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """Return how many records Miso has, so that they are not sent."""
        return len(self.already_sent) + len(self.changed)

    def sends(self, batch: Batch) -> int:
        """Return how many records of `batch` are sent."""
        fresh = len(batch.lines) if self.fresh is None else len(self.fresh)
        return fresh + len(self.doubtful)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one batch's records at Miso's side.

    Attributes:
        accepted: How many records Miso took.
        rejections: The records that Miso refused, with its own words.
        unknown: Lines of records whose outcome nobody can tell.
        pending: Lines of records that were certainly not taken and wait for another run.
        possible_duplicates: How many of the accepted records may have been stored more than once.
        extra_copies: Copies that Miso may have stored beyond the first, by cause; see `outcomes`.
        unknown_by_cause: How many of the unknown records have each cause.
        requests: How many requests it took.
        bytes_sent: The bytes of all their bodies.
        seconds: How long it took to get them answered, waits included.
        stop: Why no further batch should be sent, if so.
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
