"""Measures the store of content keys: CPU time and bytes per record, and peak memory.

    contents.py [WORKLOAD ...] [--records 2000000] [--days 1095] [--ledger 5000000]

Each workload runs in its own process; the keys are synthetic (the finalizer of splitmix64). Memory
is the growth of the peak resident memory after the imports; CPU time is user and system time.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import subprocess
import sys
import time
from array import array
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from miso_upload.ledger.content_keys.reader import open_reader
from miso_upload.ledger.content_keys.store import SCHEMA, ContentStore
from miso_upload.ledger.database import Database
from miso_upload.records.keyed_records import KeyedRecords

SPAN = 10_000
FIRST_DAY = 19_000


def open_store(path: Path) -> ContentStore:
    """Open a ledger; create it if it does not exist."""
    database = Database(path)
    with database.transaction():
        if not database.row("SELECT 1 FROM sqlite_master WHERE name = 'sent_parts'"):
            for statement in SCHEMA.split(";"):
                database.change(statement)
    return ContentStore(database)


def key_of(number: int) -> int:
    """Return a number that looks like a hash."""
    number = (number + 1) * 0x9E3779B97F4A7C15 & 2**64 - 1
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & 2**64 - 1
    number = (number ^ number >> 27) * 0x94D049BB133111EB & 2**64 - 1
    return number ^ number >> 31


class Clock:
    """Measures the CPU time of look-ups and writes, without the creation of keys."""

    def __init__(self) -> None:
        self.look_up = self.write = self.records = self.known = 0

    def scan(self, store: ContentStore, scan: int, numbers, day_of) -> None:
        """Read numbers as one scan: look them up, and write the new ones."""
        reader = open_reader(store, scan)
        numbers = iter(numbers)
        start = 0
        while batch := list(islice(numbers, SPAN)):
            sent = KeyedRecords(array("Q", map(key_of, batch)), array("i", map(day_of, batch)))
            started = time.process_time()
            known = reader.look_up(sent)
            looked = time.process_time()
            self.look_up += looked - started
            self.records += len(batch)
            self.known += len(known.already_sent)
            start += 1
            if len(known.already_sent) < len(batch):
                if known.already_sent:
                    sent = sent.pick(i for i in range(len(batch)) if i not in known.already_sent)
                looked = time.process_time()
                with store.db.transaction():
                    store.note(scan, start, sent)
                with store.db.transaction():
                    store.settle(scan, start)
                self.write += time.process_time() - looked


def shuffled(count: int, seed: int):
    """Yield the numbers below `count` in an order without locality, in constant memory."""
    step = random.Random(seed).randrange(count // 3, count) | 1
    while count % step == 0 or step % 5 == 0 or step % 2 == 0:
        step += 1
    number = 0
    for _ in range(count):
        number = (number + step) % count
        yield number


def in_time_order(args, path):
    """Read sources in time order: a source, the same again, and new rows of the same days."""
    per_day = max(1, args.records // args.days)
    store = open_store(path)

    def scan(number, first):
        numbers = range(first, first + args.records)
        return lambda clock: clock.scan(
            store, number, numbers, lambda n: FIRST_DAY + (n - first) // per_day
        )

    yield "W1 time order, empty", path, scan(1, 0)
    yield "W1b time order, all known", path, scan(2, 0)
    yield "W1c time order, all new, known days", path, scan(3, args.records)


def in_random_order(args, path):
    """Read the same records in three orders."""
    store = open_store(path)

    def scan(number):
        numbers = shuffled(args.records, number)
        return lambda clock: clock.scan(store, number, numbers, lambda n: FIRST_DAY + n % args.days)

    yield "W2 random, empty", path, scan(1)
    yield "W2b random, all known", path, scan(2)
    yield "W2c random, all known, tidied", path, scan(3)


def one_day(args, path):
    """Read records of a single day, twice."""
    store = open_store(path)

    def scan(number):
        numbers = shuffled(args.records, number)
        return lambda clock: clock.scan(store, number, numbers, lambda _: FIRST_DAY)

    yield "one day, empty", path, scan(1)
    yield "one day, all known", path, scan(2)


def nightly(args, path):
    """Read 300,000 rows, half of them known, on two days, with an empty and with a big ledger."""
    rows = 300_000
    first = 10**9
    big = path.with_name("big")

    def night(where):
        store = open_store(where)
        clock = Clock()
        clock.scan(store, 10, range(first, first + rows), lambda n: (n - first) // (rows // 2))
        half = range(first + rows // 2, first + rows + rows // 2)
        return lambda clock: clock.scan(store, 11, half, lambda n: (n - first) // (rows // 2))

    def build(clock):
        store = open_store(big)
        per_day = max(1, args.ledger // args.days)
        clock.scan(store, 1, range(args.ledger), lambda n: FIRST_DAY + n // per_day)
        store.db.close()

    yield f"building a ledger of {args.ledger:,}", big, build
    started = time.perf_counter()
    open_reader(open_store(big), 5)
    print(f"opening it takes {(time.perf_counter() - started) * 1e3:.1f} ms")
    for i in range(5):
        yield "W3 a night on an empty ledger", path, night(path.with_name(f"empty{i}"))
        copy = path.with_name(f"copy{i}")
        shutil.copy(big, copy)
        yield "W3 a night on that ledger", copy, night(copy)
        copy.unlink()


def identical(_, path):
    """Read identical rows, twice."""
    store = open_store(path)
    for rows in (30_000, 300_000):
        for number in (1, 2):
            same = [rows] * rows
            yield (
                f"{rows:,} identical rows, scan {number}",
                path,
                lambda clock, number=number, same=same: clock.scan(
                    store, number, same, lambda n: FIRST_DAY + n
                ),
            )


def small_files(_, path):
    """Read many files of 20 rows on one day."""
    store = open_store(path)

    def scans(first, last):
        def work(clock):
            for number in range(first, last):
                rows = range(20 * number, 20 * number + 20)
                clock.scan(store, number, rows, lambda _: FIRST_DAY)

        return work

    yield "2,500 scans of 20 rows in one day", path, scans(1, 2_501)
    yield "7,500 more", path, scans(2_501, 10_001)


WORKLOADS = {
    work.__name__: work
    for work in (in_time_order, in_random_order, one_day, nightly, identical, small_files)
}


def memory() -> float:
    """Return the peak resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, args) -> None:
    """Run one workload in this process."""
    with TemporaryDirectory(dir=args.directory) as directory:
        before = memory()
        for title, path, work in WORKLOADS[name](args, Path(directory) / "ledger"):
            clock = Clock()
            work(clock)
            open_store(path).db.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            size = path.stat().st_size / 1e6
            print(
                f"{title:38} {clock.records:>11,} rows, {clock.known:>11,} known; us: look up "
                f"{clock.look_up / clock.records * 1e6:6.2f}, write "
                f"{clock.write / clock.records * 1e6:6.2f}; "
                f"{size:8.1f} MB; memory +{memory() - before:.0f} MB",
                flush=True,
            )


def main() -> None:
    """Run workloads, each in its own process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workloads", nargs="*", default=[])
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--ledger", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=1_095)
    parser.add_argument("--directory")
    args = parser.parse_args()
    if len(args.workloads) == 1:
        measure(args.workloads[0], args)
        return
    for name in args.workloads or WORKLOADS:
        subprocess.run(
            [sys.executable, __file__, name, *sys.argv[1 + len(args.workloads) :]], check=True
        )


if __name__ == "__main__":
    main()
