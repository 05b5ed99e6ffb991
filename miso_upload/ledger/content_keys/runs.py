"""Stores the content keys of a day as runs, sorted by key and split into pages by the first bits.

A day may have several runs, each several times larger than the next one, so that adding records
rewrites each record only a few times.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import groupby, islice, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from miso_upload.ledger.content_keys.layout import DELETE_PART
from miso_upload.records.keyed_records import from_bytes, to_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from miso_upload.ledger.content_keys.layout import Limits
    from miso_upload.ledger.database import Database

_MOST_BITS = 24
_GROWTH = 8
_ROWS = 1_000
_AT_ONCE = 64
# Statements by the number of ids, which is a power of two, so that only a few are prepared.
_CHOSEN_PAGES = {
    2**bits: "SELECT id, first, keys, scans, contents, counts FROM sent_pages "
    f"WHERE id IN ({', '.join('?' * 2**bits)}) ORDER BY id"
    for bits in range(_AT_ONCE.bit_length())
}
# During sorting, a record is one integer of key, scan and content. These are the bit offsets.
_SCAN = 64
_KEY = 64 + 40
_LOW = 2**64 - 1


class Run(NamedTuple):
    """A run, whose entries are sorted by key, scan and content.

    Attributes:
        id: The id of the run.
        bits: How many of the key's first bits select the page.
        entries: How many different triples of key, scan and content it has.
        records: How many records it has, including copies.
        scan: The scan of all entries; None if the pages have the scan of each entry.
    """

    id: int
    bits: int
    entries: int
    records: int
    scan: int | None

    def pages_of(self, keys: Iterable[int]) -> list[int]:
        """Return the ids of the pages that have these keys, if the run has them."""
        first, shift = self.id << _MOST_BITS, 64 - self.bits
        return [first | key >> shift for key in keys]


class Page(NamedTuple):
    """Consecutive entries of a run; `first` is the rank of the first entry."""

    first: int
    keys: array[int]
    scans: array[int] | None
    contents: array[int] | None
    counts: array[int] | None


def runs_of(db: Database, day: int) -> list[Run]:
    """Return the runs of a day."""
    rows = db.rows(
        "SELECT id, bits, entries, records, scan FROM sent_runs WHERE day = :day ORDER BY entries",
        day=day,
    )
    return list(map(Run._make, rows))


def chosen_pages(db: Database, ids: Iterable[int]) -> Iterator[tuple[int, Page]]:
    """Yield the existing pages among `ids`, which are sorted, each with its id."""
    ids = iter(ids)
    while some := list(islice(ids, _AT_ONCE)):
        size = 1 << (len(some) - 1).bit_length()
        some += some[-1:] * (size - len(some))
        for page_id, *row in db.listed(_CHOSEN_PAGES[size], some):
            yield page_id, _page(row)


def pages(db: Database, run: Run, low: int = 0, high: int | None = None) -> Iterator[Page]:
    """Yield the pages of a run with numbers from `low` to below `high`, in order."""
    for _, *row in stored_pages(db, run, low, high):
        yield _page(row)


def stored_pages(
    db: Database, run: Run, low: int = 0, high: int | None = None
) -> Iterator[Sequence[Any]]:
    """Yield the database rows of `pages`."""
    first = run.id << _MOST_BITS
    return db.each(
        "SELECT id, first, keys, scans, contents, counts FROM sent_pages "
        "WHERE id >= :first AND id < :end ORDER BY id",
        first=first + low,
        end=first + (2**run.bits if high is None else high),
    )


def tidy(
    db: Database, day: int, parts: Sequence[int], runs: Collection[Run], context: TidyContext
) -> None:
    """Merge parts of a day, and runs that are not much larger, into one run.

    The caller opens the transaction.

    Args:
        db: The ledger's database.
        day: The day of the parts.
        parts: The ids of settled parts.
        runs: The runs of the day that may be merged.
        context: The forgotten scans, and the thresholds.
    """
    dead = context.dead
    sources = [_Part(db, part) for part in parts]
    alive = [source for source in sources if source.scan not in dead]
    total = sum(source.records for source in alive)
    merged = []
    for run in sorted(runs, key=lambda run: run.entries):
        if run.scan in dead or run.entries <= _GROWTH * total:
            merged.append(run)
            total += run.records * (run.scan not in dead)
    if total:
        alive_runs = [run for run in merged if run.scan not in dead]
        _Merge(db, day, alive, alive_runs, context).write(total)
    delete(db, parts, merged)


def delete(db: Database, parts: Iterable[int], runs: Iterable[Run]) -> None:
    """Delete parts and runs. The caller opens the transaction."""
    db.change_many(DELETE_PART, [{"part": part} for part in parts])
    for run in runs:
        low, high = run.id << _MOST_BITS, run.id + 1 << _MOST_BITS
        db.change("DELETE FROM sent_pages WHERE id >= :low AND id < :high", low=low, high=high)
        db.change("DELETE FROM sent_runs WHERE id = :run", run=run.id)


class TidyContext(NamedTuple):
    """The forgotten scans, and the thresholds of the store."""

    dead: frozenset[int]
    limits: Limits


class _Part:
    """A part to merge, which is read by ranges of keys."""

    def __init__(self, db: Database, part_id: int) -> None:
        self.id = part_id
        self._db = db
        self.scan: int
        self.scan, self.records, self.natural = db.row(
            "SELECT scan, records, contents IS NOT NULL FROM sent_parts WHERE id = :part",
            part=part_id,
        )

    def sort(self) -> None:
        """Sort the part in the database."""
        keys, contents = self.read()
        if contents is None:
            keys, contents_blob = array("Q", sorted(keys)), None
        else:
            pairs = sorted(zip(keys, contents, strict=True))
            keys = array("Q", [key for key, _ in pairs])
            contents_blob = to_bytes(array("Q", [content for _, content in pairs]))
        self._db.change(
            "UPDATE sent_parts SET keys = :keys, contents = :contents WHERE id = :part",
            keys=to_bytes(keys),
            contents=contents_blob,
            part=self.id,
        )

    def read(self) -> tuple[array[int], array[int] | None]:
        """Return keys and contents."""
        keys, contents = self._db.row(
            "SELECT keys, contents FROM sent_parts WHERE id = :part", part=self.id
        )
        return from_bytes("Q", keys), None if contents is None else from_bytes("Q", contents)

    def between(self, low: int, high: int) -> tuple[array[int], array[int] | None]:
        """Return keys and contents of a sorted part with `low` <= key < `high`."""
        keys, contents = self.read()
        first, last = bisect_left(keys, low), bisect_left(keys, high)
        return keys[first:last], contents[first:last] if contents is not None else None


class _Merge:
    """Merges parts and runs of one day into one run."""

    def __init__(
        self, db: Database, day: int, parts: list[_Part], runs: list[Run], context: TidyContext
    ) -> None:
        self._db, self._day, self._parts, self._runs = db, day, parts, runs
        self._context = context
        scans: set[int | None] = {run.scan for run in runs}
        scans.update(part.scan for part in parts)
        self._natural = any(part.natural for part in parts) or any(map(self._is_natural, runs))
        self._scan = scans.pop() if len(scans) == 1 else None
        self._plain = self._scan is not None and not self._natural
        self._rank = self._records = 0

    def write(self, total: int) -> None:
        """Write the run, whose records are `total`."""
        limits = self._context.limits
        bits = min(_MOST_BITS, max(0, (total - 1).bit_length() - limits.page_bits))
        run_id = self._db.change(
            "INSERT INTO sent_runs (day, bits, entries, records, scan) "
            "VALUES (:day, :bits, 0, 0, :scan)",
            day=self._day,
            bits=bits,
            scan=self._scan,
        )
        passes = min(bits, (total * (1 if self._plain else 3) // limits.chunk).bit_length())
        if passes:
            for part in self._parts:
                part.sort()
        width = bits - passes
        for number in range(2**passes):
            self._write_pages(Run(run_id, bits, 0, 0, None), number << width, number + 1 << width)
        if not self._rank:
            self._db.change("DELETE FROM sent_runs WHERE id = :run", run=run_id)
        self._db.change(
            "UPDATE sent_runs SET entries = :entries, records = :records WHERE id = :run",
            entries=self._rank,
            records=self._records,
            run=run_id,
        )

    def _is_natural(self, run: Run) -> bool:
        found = self._db.row(
            "SELECT contents IS NOT NULL FROM sent_pages WHERE id >= :first LIMIT 1",
            first=run.id << _MOST_BITS,
        )
        return bool(found[0])

    def _write_pages(self, run: Run, low: int, high: int) -> None:
        shift = 64 - run.bits
        entries, counts = _counted(*self._read(low, high, run.bits))
        scale = shift if self._plain else shift + _KEY
        first = self._rank
        rows, begin = [], 0
        for number in range(low, high):
            end = bisect_left(entries, number + 1 << scale, begin)
            if end > begin:
                part = entries[begin:end]
                row = self._row(part, [counts.get(entry, 1) for entry in part] if counts else None)
                rows.append((run.id << _MOST_BITS | number, first + begin, *row))
            begin = end
            if len(rows) == _ROWS or number == high - 1:
                # Tuples: a run of a large day has many thousands of pages.
                self._db.change_many("INSERT INTO sent_pages VALUES (?, ?, ?, ?, ?, ?)", rows)
                rows = []
        self._rank += len(entries)
        self._records += len(entries) + sum(counts.values()) - len(counts)

    def _row(self, part: list[int], counts: list[int] | None) -> tuple[bytes | None, ...]:
        copies = to_bytes(array("Q", counts)) if counts and max(counts) > 1 else None
        if self._plain:
            return to_bytes(array("Q", part)), None, None, copies
        scans = [entry >> _SCAN & 2**40 - 1 for entry in part]
        return (
            to_bytes(array("Q", [entry >> _KEY for entry in part])),
            _scans_bytes(scans) if self._scan is None else None,
            to_bytes(array("Q", [entry & _LOW for entry in part])) if self._natural else None,
            copies,
        )

    def _read(self, low: int, high: int, bits: int) -> tuple[list[int], dict[int, int]]:
        """Return the entries of some pages, unsorted, and the extra copies of some entries."""
        first, last = low << 64 - bits, high << 64 - bits
        whole = last - first == 2**64
        entries: list[int] = []
        more: dict[int, int] = {}
        for part in self._parts:
            keys, contents = part.read() if whole else part.between(first, last)
            entries += self._entries(keys, repeat(part.scan), contents)
        for run in self._runs:
            self._read_run(run, first, last, entries, more)
        return entries, more

    def _read_run(
        self, run: Run, first: int, last: int, entries: list[int], more: dict[int, int]
    ) -> None:
        shift = 64 - run.bits
        for page in pages(self._db, run, first >> shift, (last - 1 >> shift) + 1):
            begin, end = bisect_left(page.keys, first), bisect_left(page.keys, last)
            if run.scan is None:
                assert page.scans is not None  # noqa: S101 -- all pages of this run have scans
                scans: Sequence[int] = page.scans[begin:end]
            else:
                scans = [run.scan] * (end - begin) if not self._plain else ()
            contents = page.contents[begin:end] if page.contents is not None else None
            found = self._entries(page.keys[begin:end], scans, contents)
            counts = page.counts[begin:end] if page.counts is not None else ()
            more.update({entry: n - 1 for entry, n in zip(found, counts, strict=False) if n > 1})
            dead = self._context.dead
            if run.scan is None and not dead.isdisjoint(scans):
                found = [e for e, scan in zip(found, scans, strict=True) if scan not in dead]
            entries += found

    def _entries(
        self, keys: Sequence[int], scans: Iterable[int], contents: Sequence[int] | None
    ) -> Sequence[int]:
        if self._plain:
            return keys
        if contents is None:
            return [key << _KEY | scan << _SCAN for key, scan in zip(keys, scans, strict=False)]
        return [
            key << _KEY | scan << _SCAN | content
            for key, scan, content in zip(keys, scans, contents, strict=False)
        ]


def _counted(entries: list[int], more: dict[int, int]) -> tuple[list[int], dict[int, int]]:
    """Sort and deduplicate entries; return them, and the number of copies if it exceeds one."""
    entries.sort()
    repeated = any(a == b for a, b in zip(entries, islice(entries, 1, None), strict=False))
    if not repeated and not more:
        return entries, {}
    counts: dict[int, int] = {}
    single = []
    for entry, copies in groupby(entries):
        single.append(entry)
        count = sum(1 for _ in copies) + more.get(entry, 0)
        if count > 1:
            counts[entry] = count
    return single, counts


def _scans_bytes(scans: list[int]) -> bytes:
    """Return scans as bytes; the first byte is the type code of the others."""
    code = "I" if max(scans) < 2**32 else "Q"
    return code.encode() + to_bytes(array(code, scans))


def _page(row: Sequence[Any]) -> Page:
    first, keys, scans, contents, counts = row
    return Page(
        first,
        from_bytes("Q", keys),
        from_bytes(chr(scans[0]), scans[1:]) if scans is not None else None,
        from_bytes("Q", contents) if contents is not None else None,
        from_bytes("Q", counts) if counts is not None else None,
    )
