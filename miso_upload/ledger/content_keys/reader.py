"""Looks up which records of a scan other scans have sent already."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from miso_upload.ledger.content_keys import runs as content_runs
from miso_upload.ledger.content_keys.copies import (
    Context,
    Parts,
    SortedRun,
    Used,
    names_of,
    read_part,
)
from miso_upload.ledger.content_keys.layout import IN_DOUBT, MIXED
from miso_upload.ledger.content_keys.runs import TidyContext
from miso_upload.records.keyed_records import KeyedRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.ledger.content_keys.store import ContentStore

_FEW_DAYS = 4
"""A batch with more days than this comes from a source that is not sorted by time."""
_BATCHES_AHEAD = 3
"""How many more batches of a day to expect from a source that is sorted by time."""
_SMALL_PART = 256
_MAX_DAYS = 20_000
"""How many days are remembered as not shared with other scans."""

_PARTS = " UNION ALL ".join(
    f"SELECT id, scan, records, {IN_DOUBT} FROM sent_parts AS part "
    f"WHERE day = :day AND scan {other} :scan"
    for other in "<>"
)


class Known(NamedTuple):
    """Records that other scans have sent, by index, each with one of those scans.

    Attributes:
        already_sent: Records with an accepted copy that this scan had not used up yet.
        unknown: Records without such a copy, but with one that may have been accepted.
        changed: Records whose natural key is known, but only with other contents.
    """

    already_sent: dict[int, int]
    unknown: dict[int, int]
    changed: dict[int, int]


class _Day:
    """The records of one day that other scans have sent."""

    def __init__(self, context: Context) -> None:
        self.generation = 0
        self.parts = Parts(context)
        self.runs: list[SortedRun] = []
        self.doubtful: dict[int, int] = {}
        """One scan for each record that may have been accepted, by its natural name."""
        self.dead_parts: list[int] = []
        self.dead_runs: list[content_runs.Run] = []
        """Parts and runs of forgotten scans."""

    def copies(self) -> list[Parts | SortedRun]:
        """Return the accepted copies."""
        return [self.parts, *self.runs]


class Reader:
    """Looks up the records of one scan, in their order. Its methods raise LedgerError.

    It must not be used within a transaction. Each copy that it finds as already sent is used up,
    and not found again by this reader.
    """

    def __init__(
        self,
        store: ContentStore,
        scan: int,
        met: KeyedRecords | None,
        ignored: frozenset[int] = frozenset(),
    ) -> None:
        self.scan = scan
        self._store = store
        self._ignored = ignored
        self._context = Context(store.db, scan, store.dead | ignored, store.limits)
        self._days: dict[int, _Day | None] = {}
        self._mixed: _Day | None = None
        self._used: dict[int, Used] = {}
        self._met = Counter(met.pairs() if met is not None else ())
        self._met_keys = {key for key, _ in self._met}
        self._generation = 0
        self._is_stale = True

    def look_up(self, sent: KeyedRecords, indices: Iterable[int] | None = None) -> Known:
        """Return which records other scans have sent.

        Unknown and new records may be looked up again before they are sent, because copies of them
        may have been accepted meanwhile.

        Args:
            sent: The records.
            indices: The indices of the records to look up; None for all.
        """
        known = Known({}, {}, {})
        wanted = range(len(sent.keys)) if indices is None else list(indices)
        if not wanted:
            return known
        self._refresh()
        groups = self._groups(sent.days, wanted)
        self._clean(groups)
        self._context.in_order = len(groups) <= _FEW_DAYS
        ahead = _BATCHES_AHEAD * len(wanted) if self._context.in_order else 0
        self._tidy(
            day for day, group in groups.items() if self._is_untidy(day, ahead or len(group))
        )
        for day, group in groups.items():
            found = [each for each in (self._mixed, self._days.get(day)) if each is not None]
            self._look_up_day(found, sent, group, known)
        return known

    def shared_days(self, days: Iterable[int]) -> set[int]:
        """Return the days on which other scans may have sent records."""
        self._refresh()
        days = set(days)
        if self._mixed is not None:
            return days
        return {day for day in days if self._open(day) is not None}

    def mark_stale(self) -> None:
        """Note that other scans have sent or settled records."""
        self._is_stale = True

    def release_memory(self) -> None:
        """Drop loaded days from memory; they are loaded again on use."""
        self._context.unload_all()

    def close_day(self, day: int) -> list[tuple[int, int]]:
        """Close a day whose parts are about to be rewritten.

        Returns:
            Key and content of the used entries of these parts.
        """
        open_day = self._mixed if day == MIXED else self._days.pop(day, None)
        if day == MIXED:
            self._mixed, self._is_stale = None, True
        if open_day is None:
            return []
        used = list(open_day.parts.used_up())
        self._met.update(used)
        self._met_keys.update(key for key, _ in used)
        for copies in open_day.copies():
            self._context.unload(copies)
        return used

    def is_using(self, run: int) -> bool:
        """Return whether any entry of a run is used up."""
        used = self._used.get(run)
        return used is not None and (bool(used.counts) or any(used.bits))

    # -- looking up --------------------------------------------------------------------------------

    def _groups(self, days: array[int], wanted: Sequence[int]) -> dict[int, Sequence[int]]:
        """Return the wanted indices by day, for days on which other scans have sent records."""
        whole = isinstance(wanted, range)
        if whole and days.count(days[0]) == len(days):
            return {days[0]: wanted} if self._has_others(days[0]) else {}
        groups = {
            day: array("L")
            for day in (set(days) if whole else {days[i] for i in wanted})
            if self._has_others(day)
        }
        if groups:
            for i in wanted:
                if days[i] in groups:
                    groups[days[i]].append(i)
        return dict(groups)

    def _has_others(self, day: int) -> bool:
        return self._open(day) is not None or self._mixed is not None

    def _look_up_day(
        self, days: list[_Day], sent: KeyedRecords, group: Sequence[int], known: Known
    ) -> None:
        copies = [each for day in days for each in day.copies()]
        if not self._met_keys.isdisjoint(map(sent.keys.__getitem__, group)):
            self._use_up(copies, self._met_among(sent, group))
        for each in copies:
            if group:
                group = each.take(sent, group, known.already_sent)
        for day in days:
            if day.doubtful:
                group = _doubtful(day.doubtful, sent, group, known.unknown)
        if sent.contents is not None and group:
            self._find_changed(copies, sent, group, known.changed)

    def _met_among(self, sent: KeyedRecords, group: Sequence[int]) -> list[tuple[int, int]]:
        contents = sent.contents
        pairs = {(sent.keys[i], contents[i] if contents is not None else 0) for i in group}
        return [pair for pair in pairs if pair in self._met]

    def _use_up(
        self, copies: Sequence[Parts | SortedRun], pairs: Iterable[tuple[int, int]]
    ) -> None:
        """Use up copies of the records that an earlier reader of this scan found."""
        met = [pair for pair in set(pairs) for _ in range(self._met.pop(pair, 0))]
        if not met:
            return
        self._met_keys.difference_update(key for key, content in met if not content)
        keys = array("Q", [key for key, _ in met])
        records = KeyedRecords(keys, array("i"), array("Q", [content for _, content in met]))
        left: Sequence[int] = range(len(met))
        for each in copies:
            left = each.take(records, left, {})

    def _find_changed(
        self,
        copies: Sequence[Parts | SortedRun],
        sent: KeyedRecords,
        group: Sequence[int],
        changed: dict[int, int],
    ) -> None:
        versions: defaultdict[int, dict[int, int]] = defaultdict(dict)
        keys = array("Q", {sent.keys[i] for i in group})
        for each in copies:
            for key, content, scan in each.versions(keys):
                versions[key][content] = scan
        contents = sent.contents or ()
        for i in group:
            found = versions.get(sent.keys[i])
            if found and contents[i] not in found:
                changed[i] = max(found.values())

    # -- opening days ------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Update the view of the store if other scans have changed it."""
        if not self._is_stale:
            return
        self._generation += 1
        self._days = {day: found for day, found in self._days.items() if found is not None}
        unseen = self._store.dead | self._ignored
        if self._context.dead != unseen:
            self._context.dead = unseen
            self._context.unload_all()
            for day in (MIXED, *self._days):
                self.close_day(day)
        self._mixed = self._found(MIXED, self._mixed)
        if self._mixed is not None and len(self._mixed.parts) > self._store.limits.fold_early:
            with self._store.db.transaction():
                self._store.fold()
            self._mixed = self._found(MIXED, None)
        self._is_stale = False

    def _open(self, day: int) -> _Day | None:
        if day in self._days:
            found = self._days[day]
            if found is None or found.generation == self._generation:
                return found
        elif len(self._days) > _MAX_DAYS:
            self._days = {day: found for day, found in self._days.items() if found is not None}
        self._days[day] = self._found(day, self._days.get(day))
        return self._days[day]

    def _found(self, day: int, known: _Day | None) -> _Day | None:
        """Return the records that other scans have sent on a day, updating what is known of it."""
        self._store.prepare(day)
        parts = self._store.db.rows(_PARTS, day=day, scan=self.scan)
        runs = content_runs.runs_of(self._store.db, day)
        runs = [run for run in runs if run.scan != self.scan]
        if not parts and not runs:
            return None
        found = known or _Day(self._context)
        found.generation = self._generation
        dead, forgotten = self._context.dead, self._store.dead
        seen = set(found.parts.ids)
        found.doubtful = {}
        found.dead_parts = [part for part, scan, _, _ in parts if scan in forgotten]
        found.dead_runs = [run for run in runs if run.scan in forgotten]
        for part, scan, records, doubtful in parts:
            if scan in dead or part in seen:
                continue
            if doubtful:
                names = names_of(read_part(self._store.db, part), None, natural=True)
                found.doubtful.update(zip(names, repeat(scan), strict=False))
            else:
                found.parts.add(part, scan, records)
        if known is None:
            found.runs = [
                SortedRun(self._context, run, self._used.setdefault(run.id, Used()))
                for run in runs
                if run.scan not in dead
            ]
        return found

    # -- tidying -----------------------------------------------------------------------------------

    def _clean(self, days: Iterable[int]) -> None:
        """Delete the records of forgotten scans on some days."""
        found = [self._days.get(day) for day in days]
        dirty = [day for day in found if day is not None and (day.dead_parts or day.dead_runs)]
        if not dirty:
            return
        with self._store.db.transaction():
            for day in dirty:
                content_runs.delete(self._store.db, day.dead_parts, day.dead_runs)
        for day in dirty:
            day.dead_parts, day.dead_runs = [], []

    def _is_untidy(self, day: int, wanted: int) -> bool:
        found, limits = self._days.get(day), self._store.limits
        if found is None or not found.parts.ids:
            return False
        parts, records = len(found.parts.ids), len(found.parts)
        return (
            parts > limits.parts and records < parts * _SMALL_PART
        ) or not self._context.is_dense(found.parts, wanted)

    def _tidy(self, days: Iterable[int]) -> None:
        """Merge the parts of some days, in transactions of a bounded number of records."""
        batch: list[int] = []
        records = 0
        for day in days:
            found = self._days[day]
            batch.append(day)
            records += len(found.parts) if found is not None else 0
            if records > self._store.limits.chunk:
                self._tidy_batch(batch)
                batch, records = [], 0
        self._tidy_batch(batch)

    def _tidy_batch(self, days: list[int]) -> None:
        if not days:
            return
        store = self._store
        used = {}
        with store.db.transaction():
            for day in days:
                found = self._days[day]
                assert found is not None  # noqa: S101 -- a day without records is never untidy
                parts = found.parts.ids
                for reader in store.readers:
                    used_by_reader = reader.close_day(day)
                    if reader is self:
                        used[day] = used_by_reader
                runs = [
                    run
                    for run in content_runs.runs_of(store.db, day)
                    if not any(reader.is_using(run.id) for reader in store.readers)
                ]
                content_runs.tidy(store.db, day, parts, runs, TidyContext(store.dead, store.limits))
        for day in days:
            found = self._open(day)
            if found is not None:
                self._use_up(found.copies(), used[day])


def _doubtful(
    doubtful: dict[int, int], sent: KeyedRecords, group: Sequence[int], unknown: dict[int, int]
) -> list[int]:
    """Add records that may have been accepted to `unknown`, and return the others."""
    others = []
    for i, name in zip(group, names_of(sent, group, natural=True), strict=True):
        scan = doubtful.get(name)
        if scan is None:
            others.append(i)
        else:
            unknown[i] = scan
    return others


def open_reader(
    store: ContentStore,
    scan: int,
    met: KeyedRecords | None = None,
    ignored: frozenset[int] = frozenset(),
) -> Reader:
    """Return a reader that looks up the records of a scan.

    Args:
        store: The content keys of a ledger.
        scan: The scan that is being read; the reader never finds the records that it sent itself.
        met: Records of the scan that an earlier reader found as already sent, if the scan is
            resumed by position.
        ignored: Scans whose records are ignored.
    """
    for other in store.readers:
        other.release_memory()
    reader = Reader(store, scan, met, ignored)
    store.readers.add(reader)
    return reader
