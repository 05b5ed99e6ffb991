"""The nouns that travel through the pipeline: Block, Batch, Rejection, Receipt.

    source ──Block──▶ transform ──Batch──▶ delivery ──Receipt──▶ ledger

All of them are plain values that can cross a process boundary; none of them does any work.
Lines are counted from 1, offsets are bytes in the decoded (decompressed, UTF-8) stream. In a JSON
array, whose elements need not stand on lines of their own, "line" means the element's number.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from miso_upload.keyed import Keyed
from miso_upload.sitemap import SiteMap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

MOST_NAMES = 1_000
"""How many names from the data are counted one by one, so that no input fills the memory."""

Record: TypeAlias = dict[str, Any]
"""One interaction as Miso takes it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of complete rows, exactly as they stand in the source.

    One block becomes one request, so its span `[start, end)` is also the unit of the checkpoint.
    """

    seq: int
    start: int
    end: int
    first_line: int
    lines: int
    data: bytes
    fault: Reason | None = None
    """Why this span cannot be read as a row (too long, say); `data` is then its beginning."""
    header: bytes = b""
    """The directive that is in force where it begins, in formats that have such (see `Format`)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was set aside, or what is odd about it.

    `text` is for a message about one row; `group` is the same without the row's own value, so that
    a million rejections can be counted under a handful of headings.
    """

    about: str
    problem: str
    shown: str = ""

    @property
    def text(self) -> str:
        """Return the sentence with the value in it: `timestamp "2025-13-01" is not a date-time`."""
        return " ".join(part for part in (self.about, self.shown, self.problem) if part)

    @property
    def group(self) -> str:
        """Return the sentence without the value: `timestamp is not a date-time`."""
        return " ".join(part for part in (self.about, self.problem) if part)


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that is not sent: its line, the reasons, and the row as it was read.

    Where Miso refused it, `row` is the record that was sent. `text` is the JSON text of the row in
    the source, if it is JSON there, so that a number keeps all its digits.
    """

    line: int
    reasons: tuple[Reason, ...]
    row: Any = field(repr=False)
    by: Literal["schema", "miso"] = "schema"
    text: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Tally:
    """How often something was seen, and where first; `place` stands before the line in messages."""

    count: int = 0
    line: int = 0
    example: str = ""
    place: str = "line "

    def add(self, line: int, example: str, count: int = 1, place: str = "line ") -> None:
        """Count it once more; the first line seen stays the example."""
        if not self.count:
            self.line, self.example, self.place = line, example, place
        self.count += count


@dataclass(slots=True)
class Findings:
    """What the transform learned about the rows beside the records themselves."""

    types: Counter[str] = field(default_factory=Counter)
    ids: Counter[str] = field(default_factory=Counter)
    """How many records carry `user_id`, `anonymous_id` (`anonymous_id derived` too), `neither`."""
    warnings: dict[str, Tally] = field(default_factory=dict)
    """Advice beyond the schema, by what it says."""
    fetched: set[str] = field(default_factory=set)
    """Attributes for which a column that the user named was found in some JSON row."""
    unmapped: Counter[str] = field(default_factory=Counter)
    """Columns that became nothing, by name."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows that the user's rules left out, by the name of the rule."""
    not_of_type: Counter[tuple[str, str]] = field(default_factory=Counter)
    """`(attribute, type)` where a row had an attribute that its type does not."""
    unrouted: SiteMap = field(default_factory=SiteMap)
    """Pages that no route of the user's says anything of."""
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None

    def left_out(self, column: str, rows: int = 1) -> None:
        """Count a column that became nothing; names beyond the first thousand share one count."""
        if column not in self.unmapped and len(self.unmapped) >= MOST_NAMES:
            column = "(other columns)"
        self.unmapped[column] += rows

    def warn(self, reason: Reason, line: int) -> None:
        """Count a warning under what it says, keeping its first line as the example."""
        self.warnings.setdefault(reason.group, Tally()).add(line, reason.text)

    def saw(self, first: datetime, last: datetime) -> None:
        """Widen the time range to include `first` and `last`."""
        self.first_timestamp = min(first, self.first_timestamp or first)
        self.last_timestamp = max(last, self.last_timestamp or last)

    def add(self, other: Findings, place: str = "line ") -> None:
        """Add what another block taught, whose lines have `place` before them in messages."""
        self.types.update(other.types)
        self.ids.update(other.ids)
        self.unmapped.update(other.unmapped)
        self.fetched |= other.fetched
        self.skipped.update(other.skipped)
        self.not_of_type.update(other.not_of_type)
        self.unrouted.add(other.unrouted)
        for text, tally in other.warnings.items():
            known = self.warnings.setdefault(text, Tally())
            known.add(tally.line, tally.example, tally.count, place)
        if other.first_timestamp is not None and other.last_timestamp is not None:
            self.saw(other.first_timestamp, other.last_timestamp)


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
class Leftover:
    """Which records of a block are still to be sent, by their lines.

    Attributes:
        unknown: They were sent before, and nobody knows what became of them.
        pending: They were certainly not taken.
        everything: All records of the block were perhaps sent: the run before this one died.
    """

    unknown: frozenset[int] = frozenset()
    pending: frozenset[int] = frozenset()
    everything: bool = False


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
