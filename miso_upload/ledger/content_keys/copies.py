"""Finds the records of one day that other scans sent, and tracks which copies are used up."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from itertools import chain, count, repeat
from typing import TYPE_CHECKING

from miso_upload.ledger.content_keys import runs as content_runs
from miso_upload.ledger.content_keys.layout import stored_keys
from miso_upload.records.keyed_records import KeyedRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from miso_upload.ledger.content_keys.layout import Limits
    from miso_upload.ledger.content_keys.runs import Page, Run
    from miso_upload.ledger.database import Database

    Found = dict[int, int]
    Version = tuple[int, int, int]


_NO_PAGE: tuple[float, Page | None] = (float("inf"), None)


class Used:
    """The used entries: a bit for each, and a count for each entry with several copies."""

    def __init__(self) -> None:
        self.bits = bytearray()
        self.counts: dict[int, int] = {}

    def grow(self, entries: int) -> None:
        """Allocate bits for this many entries."""
        self.bits.extend(bytes((entries + 7 >> 3) - len(self.bits)))

    def take(self, rank: int, copies: int) -> bool:
        """Use up one copy of an entry; return False if none was left."""
        if copies > 1:
            used = self.counts.get(rank, 0)
            if used < copies:
                self.counts[rank] = used + 1
            return used < copies
        bits, byte, bit = self.bits, rank >> 3, 1 << (rank & 7)
        if bits[byte] & bit:
            return False
        bits[byte] |= bit
        return True

    def left(self, rank: int, copies: int) -> int:
        """Return how many copies of an entry are left."""
        if copies > 1:
            return copies - self.counts.get(rank, 0)
        return 1 - (self.bits[rank >> 3] >> (rank & 7) & 1)


class Loaded:
    """Some entries in memory, by name. The name is the key, or key and content.

    Args:
        entries: Keys, with contents if they are natural.
        scan_of: Returns the scan of the entry with a rank, or None if the entry is ignored; a
            number is the scan of all entries.
        counts: The number of copies, for entries with several.
        used: The used entries.
        partial: Whether some entries may be ignored.
    """

    def __init__(
        self,
        entries: KeyedRecords,
        scan_of: Callable[[int], int | None] | int,
        counts: dict[int, int],
        used: Used,
        *,
        partial: bool = False,
    ) -> None:
        self.entries = entries
        self._scan_of = scan_of
        self._counts = counts
        self._used = used
        self._versions: dict[int, list[Version]] | None = None
        names = names_of(entries, None, natural=entries.contents is not None)
        if partial and not isinstance(scan_of, int):
            self._ranks = {name: i for i, name in enumerate(names) if scan_of(i) is not None}
        else:
            self._ranks = dict(zip(names, range(len(names)), strict=True))
        self._several: dict[int, list[int]] = {}
        if counts or len(self._ranks) < len(names):
            self._find_several(names)

    def __len__(self) -> int:
        return len(self.entries.keys)

    def take(self, sent: KeyedRecords, wanted: Sequence[int], found: Found) -> Sequence[int]:
        """Use up a copy for each wanted record; return the records without a copy."""
        names = names_of(sent, wanted, natural=self.entries.contents is not None)
        if self._ranks.keys().isdisjoint(names):
            return wanted
        get, several, bits, scan_of = self._ranks.get, self._several, self._used.bits, self._scan_of
        missing = []
        for i, name in zip(wanted, names, strict=True):
            rank = get(name)
            if several and name in several:
                rank = self._take_one_of(several[name])
            elif rank is not None:
                byte, bit = rank >> 3, 1 << (rank & 7)
                if bits[byte] & bit:
                    rank = None
                else:
                    bits[byte] |= bit
            if rank is None:
                missing.append(i)
            else:
                found[i] = scan_of if isinstance(scan_of, int) else scan_of(rank)  # type: ignore[assignment]
        return missing

    def versions(self, keys: Iterable[int]) -> Iterator[Version]:
        """Yield key, content and scan of each entry with one of the keys."""
        if self._versions is None:
            self._versions = {}
            contents = self.entries.contents or repeat(0)
            for rank, (key, content) in enumerate(zip(self.entries.keys, contents, strict=False)):
                scan = self._scan(rank)
                if scan is not None:
                    self._versions.setdefault(key, []).append((key, content, scan))
        for key in keys:
            yield from self._versions.get(key, ())

    def _scan(self, rank: int) -> int | None:
        return self._scan_of if isinstance(self._scan_of, int) else self._scan_of(rank)

    def _find_several(self, names: Sequence[int]) -> None:
        for rank, name in enumerate(names):
            last = self._ranks.get(name)
            if last is None or self._scan(rank) is None:
                continue
            copies = self._counts.get(rank, 1)
            if rank != last or copies > 1 or name in self._several:
                left = [rank] * self._used.left(rank, copies)
                self._several.setdefault(name, []).extend(left)

    def _take_one_of(self, ranks: list[int]) -> int | None:
        if not ranks:
            return None
        rank = ranks.pop()
        self._used.take(rank, self._counts.get(rank, 1))
        return rank


class Context:
    """The state that all copies of one reader share; `own` is the reader's scan."""

    def __init__(self, db: Database, own: int, dead: frozenset[int], limits: Limits) -> None:
        self.db, self.own, self.dead, self.limits = db, own, dead, limits
        self.in_order = False
        """Whether the looked-up records seem to be sorted by day."""
        self.serials = count()
        # Keyed by serial, because a reference cycle would delay freeing a reader's memory.
        self._loaded: OrderedDict[int, Loaded] = OrderedDict()

    def loaded(self, copies: Parts | SortedRun) -> Loaded:
        """Return all entries of `copies`, from memory if they are loaded already."""
        loaded = self._loaded.get(copies.serial)
        if loaded is None:
            room = self.limits.cached - len(copies)
            while self._loaded and sum(map(len, self._loaded.values())) > room:
                self._loaded.popitem(last=False)
            loaded = self._loaded[copies.serial] = copies.load()
        self._loaded.move_to_end(copies.serial)
        return loaded

    def is_dense(self, copies: Parts | SortedRun, wanted: int) -> bool:
        """Return whether to look up this many records by loading all of `copies`."""
        limits, entries = self.limits, len(copies)
        return entries <= limits.loaded and (
            entries <= max(limits.small, wanted * limits.sparse) or copies.serial in self._loaded
        )

    def unload(self, copies: Parts | SortedRun) -> None:
        """Drop `copies` from memory; they are loaded again on use."""
        self._loaded.pop(copies.serial, None)

    def unload_all(self) -> None:
        """Drop everything from memory; it is loaded again on use."""
        self._loaded.clear()


class Parts:
    """The settled parts of a day, as they were written."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.serial = next(context.serials)
        self.ids: list[int] = []
        self.used = Used()
        self._scans: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def add(self, part_id: int, scan: int, records: int) -> None:
        """Append a part."""
        self.ids.append(part_id)
        self._scans.append(scan)
        self._ends.append(len(self) + records)
        self.used.grow(len(self))
        self._context.unload(self)

    def load(self) -> Loaded:
        """Return all entries."""
        entries = self._entries()
        scans, ends = self._scans, self._ends
        if len(set(scans)) == 1:
            return Loaded(entries, scans[0], {}, self.used)
        return Loaded(entries, lambda rank: scans[bisect_right(ends, rank)], {}, self.used)

    def take(self, sent: KeyedRecords, wanted: Sequence[int], found: Found) -> Sequence[int]:
        """Use up a copy for each wanted record; return the records without a copy."""
        return self._context.loaded(self).take(sent, wanted, found) if self.ids else wanted

    def versions(self, keys: Iterable[int]) -> Iterator[Version]:
        """Yield key, content and scan of each entry with one of the keys."""
        return self._context.loaded(self).versions(keys) if self.ids else iter(())

    def used_up(self) -> Iterator[tuple[int, int]]:
        """Yield key and content of each used entry, unless its scan was forgotten since."""
        if not any(self.used.bits):
            return
        begin = 0
        for part_id, scan, end in zip(self.ids, self._scans, self._ends, strict=True):
            # Another reader may have deleted the parts of forgotten scans.
            if scan not in self._context.dead:
                part = read_part(self._context.db, part_id)
                for rank, pair in enumerate(part.pairs(), begin):
                    if not self.used.left(rank, 1):
                        yield pair
            begin = end

    def _entries(self) -> KeyedRecords:
        parts = [read_part(self._context.db, part_id) for part_id in self.ids]
        return parts[0] if len(parts) == 1 else joined(parts)


class SortedRun:
    """A run of a day, read page by page if only a few of its keys are looked up."""

    def __init__(self, context: Context, run: Run, used: Used) -> None:
        self._context = context
        self.serial = next(context.serials)
        self.run = run
        self.used = used
        self._looked_up = 0

    def __len__(self) -> int:
        return self.run.entries

    def load(self) -> Loaded:
        """Return all entries."""
        read = list(content_runs.pages(self._context.db, self.run))
        parts = [KeyedRecords(page.keys, array("i"), page.contents) for page in read]
        counts = {
            page.first + i: count
            for page in read
            for i, count in enumerate(page.counts or ())
            if count > 1
        }
        scans = array("q", chain.from_iterable(page.scans or () for page in read))
        scan_of = self.run.scan if self.run.scan is not None else self._scans_of(scans)
        return Loaded(joined(parts), scan_of, counts, self.used, partial=True)

    def take(self, sent: KeyedRecords, wanted: Sequence[int], found: Found) -> Sequence[int]:
        """Use up a copy for each wanted record; return the records without a copy."""
        self.used.grow(self.run.entries)
        if self._is_dense(len(wanted)):
            return self._context.loaded(self).take(sent, wanted, found)
        contents = sent.contents
        missing = []
        for i, page, index in self._located(sent.keys, wanted):
            content = contents[i] if contents is not None else 0
            scan = self._take_one(page, index, content) if page is not None else None
            if scan is None:
                missing.append(i)
            else:
                found[i] = scan
        return missing

    def versions(self, keys: Sequence[int]) -> Iterator[Version]:
        """Yield key, content and scan of each entry with one of the keys."""
        if self._is_dense(len(keys)):
            yield from self._context.loaded(self).versions(keys)
            return
        for i, page, index in self._located(keys, range(len(keys))):
            if page is not None:
                for j in _equal(page.keys, index):
                    scan = self._scan(page, j)
                    if scan is not None:
                        yield keys[i], page.contents[j] if page.contents else 0, scan

    def _is_dense(self, wanted: int) -> bool:
        if self._context.in_order:
            # More records of the day will follow, so load it once reading pages cost as much.
            wanted = self._looked_up = self._looked_up + wanted
        return self._context.is_dense(self, wanted)

    def _located(
        self, keys: Sequence[int], wanted: Sequence[int]
    ) -> Iterator[tuple[int, Page | None, int]]:
        """Yield each wanted index with the page that has its key, and the key's index in the page.

        The order is that of the pages, so that each page is read once.
        """
        ordered = sorted(wanted, key=keys.__getitem__)
        ids = self.run.pages_of(map(keys.__getitem__, ordered))
        pages = content_runs.chosen_pages(self._context.db, dict.fromkeys(ids))
        page_id, page = next(pages, _NO_PAGE)
        for i, wanted_id in zip(ordered, ids, strict=True):
            while page_id < wanted_id:
                page_id, page = next(pages, _NO_PAGE)
            if page is not None and page_id == wanted_id:
                key, page_keys = keys[i], page.keys
                index = bisect_left(page_keys, key)
                if index < len(page_keys) and page_keys[index] == key:
                    yield i, page, index
                    continue
            yield i, None, 0

    def _take_one(self, page: Page, index: int, content: int) -> int | None:
        if page.scans is page.contents is page.counts is None:
            free = not content and self.used.take(page.first + index, 1)
            return self.run.scan if free else None
        for j in _equal(page.keys, index):
            if content == (page.contents[j] if page.contents else 0):
                scan = self._scan(page, j)
                copies = page.counts[j] if page.counts else 1
                if scan is not None and self.used.take(page.first + j, copies):
                    return scan
        return None

    def _scan(self, page: Page, index: int) -> int | None:
        scan = page.scans[index] if page.scans else self.run.scan
        return None if scan == self._context.own or scan in self._context.dead else scan

    def _scans_of(self, scans: Sequence[int]) -> Callable[[int], int | None]:
        own, dead = self._context.own, self._context.dead

        def scan_of(rank: int) -> int | None:
            scan = scans[rank]
            return None if scan == own or scan in dead else scan

        return scan_of


def names_of(sent: KeyedRecords, wanted: Sequence[int] | None, *, natural: bool) -> Sequence[int]:
    """Return the names of records in `Loaded`: the key, or key and content if `natural`.

    A record with a content cannot be among entries that are not natural; its name is -1.
    """
    keys, contents = sent.keys, sent.contents
    if wanted is None or (isinstance(wanted, range) and len(wanted) == len(keys)):
        wanted = range(len(keys))
        if not natural and contents is None:
            return keys
    if contents is None:
        return [keys[i] << 64 for i in wanted] if natural else [keys[i] for i in wanted]
    if natural:
        return [keys[i] << 64 | contents[i] for i in wanted]
    return [-1 if contents[i] else keys[i] for i in wanted]


def joined(parts: Sequence[KeyedRecords]) -> KeyedRecords:
    """Return the concatenated parts."""
    keys, contents = array("Q"), array("Q")
    for part in parts:
        keys += part.keys
    if all(part.contents is None for part in parts):
        return KeyedRecords(keys, array("i"))
    for part in parts:
        contents += part.contents or array("Q", bytes(8 * len(part.keys)))
    return KeyedRecords(keys, array("i"), contents)


def read_part(db: Database, part_id: int) -> KeyedRecords:
    """Return the records of a part."""
    row = db.row("SELECT day, keys, days, contents FROM sent_parts WHERE id = :part", part=part_id)
    return stored_keys(*row)


def _equal(keys: Sequence[int], index: int) -> Iterator[int]:
    """Yield the indices of equal keys; the first of them is at `index`."""
    key = keys[index]
    while index < len(keys) and keys[index] == key:
        yield index
        index += 1
