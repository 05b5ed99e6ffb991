"""Selects the records of a batch to send: those whose content keys are not known at the target.

Each copy that was accepted from another scan cancels one record of this scan. So all copies within
one source are sent, while records that another source or an earlier version of this one has sent
are counted as already sent.
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


class LookupResult(Protocol):
    """What other scans have of some records: indices of records, with the scan that has each."""

    @property
    def already_sent(self) -> Mapping[int, int]:
        """The records of which a copy was accepted."""

    @property
    def unknown(self) -> Mapping[int, int]:
        """The records of which a copy has an unknown outcome, and none was accepted."""

    @property
    def changed(self) -> Mapping[int, int]:
        """The records whose natural key is known only with other content."""


class KeyReader(Protocol):
    """Looks up the records of one scan; each copy is found only once."""

    def shared_days(self, days: Iterable[int]) -> set[int]:
        """Return which of some days other scans may have records of."""

    def look_up(self, sent: KeyedRecords, indices: Iterable[int] | None = None) -> LookupResult:
        """Look up all records of a batch, or those at `indices`."""


def reader_of(
    ledger: Ledger, options: ResumeOptions, key: str, scan: int = 0, met: KeyedRecords | None = None
) -> tuple[KeyReader, Callable[[int], str]]:
    """Return a reader for the records of a source, and a function that names the source of a scan.

    Args:
        ledger: The ledger to look records up in.
        options: The resume options, which decide which scans are ignored.
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
        readers: A reader for each ledger, with a function that names the source of a scan.
        options: The resume options, which decide whether changed records are sent.
        hold_unknown: Whether records are held if a copy of them has an unknown outcome.
    """

    def __init__(
        self,
        readers: Sequence[tuple[KeyReader, Callable[[int], str]]],
        options: ResumeOptions,
        *,
        hold_unknown: bool = False,
    ) -> None:
        self._readers = readers
        self._send_changed = options.sends_changed
        self._hold_unknown = hold_unknown
        self._names: dict[tuple[int, int], str] = {}

    def close(self) -> None:
        """Free the memory used for other scans; no more batches are selected."""
        self._readers = ()

    def on_known_days(self, batch: Batch) -> int:
        """Return how many records of a batch are on days that other scans may have records of."""
        days = batch.keyed.days
        known = {day for reader, _ in self._readers for day in reader.shared_days(days) if day >= 0}
        return sum(day in known for day in days)

    def select(
        self, batch: Batch, leftover: Leftover | None, settle_others: Callable[[], bool]
    ) -> Selection:
        """Return which records of a batch to send.

        Args:
            batch: The batch.
            leftover: The records of it that are still to be sent; None for all.
            settle_others: Waits for all deliveries in flight; returns whether there were any.
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
