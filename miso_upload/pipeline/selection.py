"""Which records of a batch are sent: those that Miso does not have, as their content keys tell.

A record is left out where a copy of it was accepted from another scan that this one has not met
yet. So all copies within one source are sent, and those of another source, or of an earlier version
of this one, are counted as already sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from miso_upload.ledger.content_keys.reader import open_reader
from miso_upload.records import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from miso_upload.ledger import Ledger
    from miso_upload.ledger.options import ResumeOptions
    from miso_upload.records import Batch, Leftover
    from miso_upload.records.keyed_records import KeyedRecords


class Knows(Protocol):
    """What other scans have of some records; by index, the scan that has it."""

    @property
    def already_sent(self) -> Mapping[int, int]:
        """Those of which a copy was accepted."""

    @property
    def unknown(self) -> Mapping[int, int]:
        """Those of which a copy has an unknown outcome, and none was accepted."""

    @property
    def changed(self) -> Mapping[int, int]:
        """Those of which the natural key is known with other content only."""


class Reads(Protocol):
    """What looks records up for one scan; each copy that is found is used up."""

    def shared_days(self, days: Iterable[int]) -> set[int]:
        """Return those of some days of which other scans may have records."""

    def look_up(self, sent: KeyedRecords, indices: Iterable[int] | None = None) -> Knows:
        """Return what other scans have of the records of a batch, or of those at `indices`."""


def reader_of(
    ledger: Ledger, options: ResumeOptions, key: str, scan: int = 0, met: KeyedRecords | None = None
) -> tuple[Reads, Callable[[int], str]]:
    """Return what looks the records of a source up in a ledger, and what names the finds.

    Args:
        ledger: Knows what was sent.
        options: Say which scans count for nothing.
        key: The path or URL of the source.
        scan: Its scan; 0 if the ledger has none.
        met: Records of the scan that were already sent when it was read before.
    """
    ignored = frozenset[int]()
    if options.restart:
        ignored = ledger.sent_before()
    elif options.sends_already_sent:
        ignored = ledger.scans.of_other_sources(key)
    return open_reader(ledger.contents, scan, met, ignored), ledger.scans.name_of


class Selector:
    """Selects the records to send, for the batches of one scan.

    Args:
        readers: Each looks records up in a ledger, with a function that names a scan's source.
        options: Whether records are sent of which Miso has the natural key with other content.
        hold_unknown: Do not send records with a copy whose outcome is unknown.
    """

    def __init__(
        self,
        readers: Sequence[tuple[Reads, Callable[[int], str]]],
        options: ResumeOptions,
        *,
        hold_unknown: bool = False,
    ) -> None:
        self._readers = readers
        self._send_changed = options.sends_changed
        self._hold_unknown = hold_unknown
        self._names: dict[tuple[int, int], str] = {}

    def close(self) -> None:
        """Let go of what was read of other scans; no further batch is selected."""
        self._readers = ()

    def on_known_days(self, batch: Batch) -> int:
        """Return how many records of a batch are of days of which other scans may have records."""
        days = batch.keyed.days
        known = {day for reader, _ in self._readers for day in reader.shared_days(days) if day >= 0}
        return sum(day in known for day in days)

    def select(
        self, batch: Batch, leftover: Leftover | None, settle_others: Callable[[], bool]
    ) -> Selection:
        """Return which records of a batch to send.

        Args:
            batch: It.
            leftover: Which of its records are still to be sent; None for all.
            settle_others: Waits for the outcomes of what is in flight; returns whether any was.
        """
        indices = _indices(batch, leftover)
        known = self._known(batch, indices)
        if known.unknown and settle_others():
            again = self._known(batch, sorted(known.unknown))
            known = _Found(
                {**known.already_sent, **again.already_sent}, again.unknown,
                {**known.changed, **again.changed},
            )  # fmt: skip
        return self._selection(batch, leftover, indices, known)

    def _known(self, batch: Batch, indices: Sequence[int] | None) -> _Found:
        found = _Found({}, {}, {})
        for number, (reader, _) in enumerate(self._readers):
            knows = reader.look_up(batch.keyed, indices)
            if not (knows.already_sent or knows.unknown or knows.changed):
                continue
            for told, mine in zip(
                (knows.already_sent, knows.unknown, knows.changed),
                (found.already_sent, found.unknown, found.changed),
                strict=True,
            ):
                mine.update((index, self._name(number, scan)) for index, scan in told.items())
            if number + 1 < len(self._readers):
                rest = range(len(batch.lines)) if indices is None else indices
                indices = [index for index in rest if index not in knows.already_sent]
        return _Found(
            found.already_sent,
            _without(found.unknown, found.already_sent),
            _without(found.changed, found.already_sent),
        )

    def _selection(
        self, batch: Batch, leftover: Leftover | None, indices: Sequence[int] | None, known: _Found
    ) -> Selection:
        already_sent = known.already_sent
        changed = {} if self._send_changed else known.changed
        doubtful = set(known.unknown) | _own_unknown(batch, leftover)
        held = set(known.unknown) if self._hold_unknown else set()
        if indices is None and not (already_sent or changed or doubtful):
            return Selection()
        fresh: list[int] = []
        again: list[int] = []
        for index in range(len(batch.lines)) if indices is None else indices:
            if index in already_sent or index in changed or index in held:
                continue
            (again if index in doubtful else fresh).append(index)
        return Selection(fresh, again, sorted(held), already_sent, changed)

    def _name(self, number: int, scan: int) -> str:
        if (number, scan) not in self._names:
            self._names[number, scan] = self._readers[number][1](scan)
        return self._names[number, scan]


class _Found(NamedTuple):
    already_sent: dict[int, str]
    unknown: dict[int, str]
    changed: dict[int, str]


def _without(found: dict[int, str], others: dict[int, str]) -> dict[int, str]:
    return {index: name for index, name in found.items() if index not in others}


def _indices(batch: Batch, leftover: Leftover | None) -> list[int] | None:
    if leftover is None or leftover.everything:
        return None
    meant = leftover.unknown | leftover.pending
    return [index for index, line in enumerate(batch.lines) if line in meant]


def _own_unknown(batch: Batch, leftover: Leftover | None) -> set[int]:
    if leftover is None:
        return set()
    if leftover.everything:
        return set(range(len(batch.lines)))
    return {index for index, line in enumerate(batch.lines) if line in leftover.unknown}
