"""Look up which records of one scan other scans have sent already."""

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
from miso_upload.ledger.content_keys.runs import Work
from miso_upload.records.keyed import Keyed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miso_upload.ledger.content_keys.store import ContentStore

_FEW_DAYS = 4
"""A batch with more days does not come from a source in order of time."""
_AHEAD = 3
"""So many batches of a day are expected from a source in order of time."""
_SMALL_PART = 256
_MOST_DAYS = 20_000
"""So many days are remembered to be of no other scan."""

_PARTS = " UNION ALL ".join(
    f"SELECT id, scan, records, {IN_DOUBT} FROM sent_parts AS part "
    f"WHERE day = :day AND scan {other} :scan"
    for other in "<>"
)


class Known(NamedTuple):
    """What other scans have of some records: the index of each, and a scan that has it.

    Attributes:
        already_sent: An accepted copy that this scan had not used up yet.
        unknown: No such copy, but one that may have been accepted.
        changed: The natural key is known, with other contents only.
    """

    already_sent: dict[int, int]
    unknown: dict[int, int]
    changed: dict[int, int]


class _Day:
    """What other scans have of one day."""

    def __init__(self, context: Context) -> None:
        self.edition = 0
        self.parts = Parts(context)
        self.runs: list[SortedRun] = []
        self.doubtful: dict[int, int] = {}
        """A scan of each record that may have been accepted or not, by its natural name."""
        self.waste: list[int] = []
        self.waste_runs: list[content_runs.Run] = []
        """Parts and runs of scans that are forgotten."""

    def copies(self) -> list[Parts | SortedRun]:
        """Return the accepted copies."""
        return [self.parts, *self.runs]


class Reader:
    """Looks up the records of one scan, in their order. Its methods raise LedgerError.

    It must not be used within a transaction. What it finds to be already sent is used up: this
    reader does not find it again.
    """

    def __init__(
        self,
        store: ContentStore,
        scan: int,
        met: Keyed | None,
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
        self._edition = 0
        self._expired = True

    def look_up(self, sent: Keyed, indices: Iterable[int] | None = None) -> Known:
        """Return what other scans have of records, all or those at `indices`.

        Records that are unknown or new may be looked up again before they are sent: others may
        have been accepted meanwhile.
        """
        known = Known({}, {}, {})
        wanted = range(len(sent.keys)) if indices is None else list(indices)
        if not wanted:
            return known
        self._refresh()
        groups = self._groups(sent.days, wanted)
        self._clean(groups)
        self._context.in_order = len(groups) <= _FEW_DAYS
        ahead = _AHEAD * len(wanted) if self._context.in_order else 0
        self._tidy(
            day for day, group in groups.items() if self._is_untidy(day, ahead or len(group))
        )
        for day, group in groups.items():
            found = [each for each in (self._mixed, self._days.get(day)) if each is not None]
            self._look_up_day(found, sent, group, known)
        return known

    def shared(self, days: Iterable[int]) -> set[int]:
        """Return those of some days of which other scans may have records."""
        self._refresh()
        days = set(days)
        if self._mixed is not None:
            return days
        return {day for day in days if self._open(day) is not None}

    def expire(self) -> None:
        """Take note that other scans have sent or settled something."""
        self._expired = True

    def rest(self) -> None:
        """Give back the memory of loaded days, which are loaded again when they are needed."""
        self._context.unload_all()

    def lift(self, day: int) -> list[tuple[int, int]]:
        """Forget the parts of a day, which are about to be rewritten.

        Returns:
            Key and content of what was used up of them.
        """
        open_day = self._mixed if day == MIXED else self._days.pop(day, None)
        if day == MIXED:
            self._mixed, self._expired = None, True
        if open_day is None:
            return []
        lifted = list(open_day.parts.used_up())
        self._met.update(lifted)
        self._met_keys.update(key for key, _ in lifted)
        for copies in open_day.copies():
            self._context.unload(copies)
        return lifted

    def is_using(self, run: int) -> bool:
        """Whether something of a run is used up."""
        used = self._used.get(run)
        return used is not None and (bool(used.counts) or any(used.bits))

    # -- looking up --------------------------------------------------------------------------------

    def _groups(self, days: array[int], wanted: Sequence[int]) -> dict[int, Sequence[int]]:
        """Return the indices of records by day, for those days of which others have something."""
        whole = isinstance(wanted, range)
        if whole and days.count(days[0]) == len(days):
            return {days[0]: wanted} if self._has_others(days[0]) else {}
        met = {
            day: array("L")
            for day in (set(days) if whole else {days[i] for i in wanted})
            if self._has_others(day)
        }
        if met:
            for i in wanted:
                if days[i] in met:
                    met[days[i]].append(i)
        return dict(met)

    def _has_others(self, day: int) -> bool:
        return self._open(day) is not None or self._mixed is not None

    def _look_up_day(
        self, days: list[_Day], sent: Keyed, group: Sequence[int], known: Known
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

    def _met_among(self, sent: Keyed, group: Sequence[int]) -> list[tuple[int, int]]:
        contents = sent.contents
        pairs = {(sent.keys[i], contents[i] if contents is not None else 0) for i in group}
        return [pair for pair in pairs if pair in self._met]

    def _use_up(
        self, copies: Sequence[Parts | SortedRun], pairs: Iterable[tuple[int, int]]
    ) -> None:
        """Use up copies of what was met before."""
        met = [pair for pair in set(pairs) for _ in range(self._met.pop(pair, 0))]
        if not met:
            return
        self._met_keys.difference_update(key for key, content in met if not content)
        keys = array("Q", [key for key, _ in met])
        records = Keyed(keys, array("i"), array("Q", [content for _, content in met]))
        left: Sequence[int] = range(len(met))
        for each in copies:
            left = each.take(records, left, {})

    def _find_changed(
        self,
        copies: Sequence[Parts | SortedRun],
        sent: Keyed,
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
        """Look at what other scans have sent since, and at parts of mixed days."""
        if not self._expired:
            return
        self._edition += 1
        self._days = {day: found for day, found in self._days.items() if found is not None}
        unseen = self._store.dead | self._ignored
        if self._context.dead != unseen:
            self._context.dead = unseen
            self._context.unload_all()
            for day in (MIXED, *self._days):
                self.lift(day)
        self._mixed = self._found(MIXED, self._mixed)
        if self._mixed is not None and len(self._mixed.parts) > self._store.limits.fold_early:
            with self._store.db.transaction():
                self._store.fold()
            self._mixed = self._found(MIXED, None)
        self._expired = False

    def _open(self, day: int) -> _Day | None:
        if day in self._days:
            found = self._days[day]
            if found is None or found.edition == self._edition:
                return found
        elif len(self._days) > _MOST_DAYS:
            self._days = {day: found for day, found in self._days.items() if found is not None}
        self._days[day] = self._found(day, self._days.get(day))
        return self._days[day]

    def _found(self, day: int, known: _Day | None) -> _Day | None:
        """Return what other scans have of a day; add to what is known of it."""
        self._store.prepare(day)
        parts = self._store.db.rows(_PARTS, day=day, scan=self.scan)
        runs = content_runs.runs_of(self._store.db, day)
        runs = [run for run in runs if run.scan != self.scan]
        if not parts and not runs:
            return None
        found = known or _Day(self._context)
        found.edition = self._edition
        dead, forgotten = self._context.dead, self._store.dead
        seen = set(found.parts.ids)
        found.doubtful = {}
        found.waste = [part for part, scan, _, _ in parts if scan in forgotten]
        found.waste_runs = [run for run in runs if run.scan in forgotten]
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
        """Delete what forgotten scans sent on some days."""
        found = [self._days.get(day) for day in days]
        dirty = [day for day in found if day is not None and (day.waste or day.waste_runs)]
        if not dirty:
            return
        with self._store.db.transaction():
            for day in dirty:
                content_runs.delete(self._store.db, day.waste, day.waste_runs)
        for day in dirty:
            day.waste, day.waste_runs = [], []

    def _is_untidy(self, day: int, wanted: int) -> bool:
        found, limits = self._days.get(day), self._store.limits
        if found is None or not found.parts.ids:
            return False
        parts, records = len(found.parts.ids), len(found.parts)
        return (
            parts > limits.parts and records < parts * _SMALL_PART
        ) or not self._context.is_dense(found.parts, wanted)

    def _tidy(self, days: Iterable[int]) -> None:
        """Tidy some days, in transactions of a bounded number of records."""
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
        lifted = {}
        with store.db.transaction():
            for day in days:
                found = self._days[day]
                assert found is not None  # noqa: S101 -- such a day is not untidy
                parts = found.parts.ids
                for reader in store.readers:
                    was_used = reader.lift(day)
                    if reader is self:
                        lifted[day] = was_used
                runs = [
                    run
                    for run in content_runs.runs_of(store.db, day)
                    if not any(reader.is_using(run.id) for reader in store.readers)
                ]
                content_runs.tidy(store.db, day, parts, runs, Work(store.dead, store.limits))
        for day in days:
            found = self._open(day)
            if found is not None:
                self._use_up(found.copies(), lifted[day])


def _doubtful(
    doubtful: dict[int, int], sent: Keyed, group: Sequence[int], unknown: dict[int, int]
) -> list[int]:
    """Find records that may have been accepted; return the others."""
    rest = []
    for i, name in zip(group, names_of(sent, group, natural=True), strict=True):
        scan = doubtful.get(name)
        if scan is None:
            rest.append(i)
        else:
            unknown[i] = scan
    return rest


def open_reader(
    store: ContentStore,
    scan: int,
    met: Keyed | None = None,
    ignored: frozenset[int] = frozenset(),
) -> Reader:
    """Return a reader that looks up the records of a scan.

    Args:
        store: The content keys of a ledger.
        scan: The scan that is read; the reader never finds what this scan sent.
        met: Records of the scan that an earlier reader found to be already sent, for a scan that is
            resumed by position.
        ignored: Scans whose records are ignored.
    """
    for other in store.readers:
        other.rest()
    reader = Reader(store, scan, met, ignored)
    store.readers.add(reader)
    return reader
