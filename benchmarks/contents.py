"""What the store of content keys costs: CPU and bytes a record, and the most memory.

    contents.py [WORKLOAD ...] [--records 2000000] [--days 1095] [--ledger 5000000]

Each workload runs in a process of its own; the keys are synthetic (the finalizer of splitmix64).
Memory is how much the most resident memory grew after the imports; CPU is user and system.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import time
from array import array
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from miso_upload.ledger.contents import SCHEMA, ContentStore
from miso_upload.ledger.database import Database
from miso_upload.ledger.keyed import Keyed

SPAN = 10_000
FIRST_DAY = 19_000


def open_store(path: Path) -> ContentStore:
    database = Database(path, {})
    with database.transaction():
        if not database.row("SELECT 1 FROM sqlite_master WHERE name = 'sent_parts'"):
            for statement in SCHEMA.split(";"):
                database.change(statement)
    return ContentStore(database)


def key_of(number: int) -> int:
    number = (number + 1) * 0x9E3779B97F4A7C15 & 2**64 - 1
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & 2**64 - 1
    number = (number ^ number >> 27) * 0x94D049BB133111EB & 2**64 - 1
    return number ^ number >> 31


class Clock:
    """CPU seconds of look-ups and of writing; making the keys is not counted."""

    def __init__(self) -> None:
        self.look_up = self.write = self.records = self.known = 0

    def pass_over(self, store: ContentStore, scan: int, numbers, day_of, span: int = SPAN) -> None:
        """Read numbers as one scan: look up, and send what is new."""
        reader = store.reader(scan)
        numbers = iter(numbers)
        start = 0
        while batch := list(islice(numbers, span)):
            sent = Keyed(array("Q", map(key_of, batch)), array("i", map(day_of, batch)))
            begun = time.process_time()
            known = reader.look_up(sent)
            looked = time.process_time()
            self.look_up += looked - begun
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
    """Yield numbers below `count` in an order without locality, without holding them all."""
    step = random.Random(seed).randrange(count // 3, count) | 1
    while count % step == 0 or step % 5 == 0 or step % 2 == 0:
        step += 1
    place = 0
    for _ in range(count):
        place = (place + step) % count
        yield place


def in_time_order(args, path):
    per_day = max(1, args.records // args.days)
    def day_of(number): return FIRST_DAY + number // per_day
    store = open_store(path)
    yield "W1 time order, empty", path, store, lambda clock: clock.pass_over(store, 1, range(args.records), day_of)
    yield "W1b time order, all known", path, store, lambda clock: clock.pass_over(store, 2, range(args.records), day_of)
    other = lambda number: day_of(number - args.records)
    yield "W1c time order, all new on known days", path, store, lambda clock: clock.pass_over(store, 3, range(args.records, 2 * args.records), other)


def in_random_order(args, path):
    def day_of(number): return FIRST_DAY + number % args.days
    store = open_store(path)
    yield "W2 random, empty", path, store, lambda clock: clock.pass_over(store, 1, shuffled(args.records, 1), day_of)
    yield "W2b random, all known", path, store, lambda clock: clock.pass_over(store, 2, shuffled(args.records, 2), day_of)
    again = lambda clock: clock.pass_over(store, 3, shuffled(args.records, 3), day_of)
    yield "W2c random, all known, tidied before", path, store, again


def one_day(args, path):
    store = open_store(path)
    day_of = lambda number: FIRST_DAY
    yield "one day, empty", path, store, lambda clock: clock.pass_over(store, 1, range(args.records), day_of)
    yield "one day, all known", path, store, lambda clock: clock.pass_over(store, 2, shuffled(args.records, 2), day_of)


def nightly(args, path):
    """Two known days of 150,000 rows are looked up by a night of 300,000, half of them known."""
    rows = 300_000
    def night(store):
        def day_of(number): return 30_000 + number // rows
        def run(clock):
            clock.pass_over(store, 10, range(10**9, 10**9 + 2 * rows, 2), lambda n: day_of((n - 10**9)))
            clock.look_up = clock.write = clock.records = clock.known = 0
            clock.pass_over(store, 11, range(10**9 + rows, 10**9 + 2 * rows), lambda n: day_of((n - 10**9)))
        return run
    store = open_store(path)
    yield "W3 a night on an empty ledger", path, store, night(store)
    big = path.with_name("big")
    store = open_store(big)
    per_day = max(1, args.ledger // args.days)
    yield f"building {args.ledger:,}", big, store, lambda clock: clock.pass_over(store, 1, range(args.ledger), lambda n: FIRST_DAY + n // per_day)
    store.db.close()
    def opening(clock):
        again = open_store(big)
        again.reader(5)
        again.db.close()
        clock.records = 1
    yield "opening it (us)", big, None, opening
    store = open_store(big)
    yield "W3 a night on that ledger", big, store, night(store)


def identical(args, path):
    store = open_store(path)
    for rows in (30_000, 300_000):
        for scan in (1, 2):
            yield f"{rows:,} identical rows, scan {scan}", path, store, (
                lambda clock, scan=scan, rows=rows: clock.pass_over(store, scan + rows, [rows] * rows, lambda n: FIRST_DAY + rows)
            )


def small_files(args, path):
    store = open_store(path)
    def run(files, first):
        def of(clock):
            for file in range(files):
                begin = (first + file) * 20
                clock.pass_over(store, 1 + first + file, range(begin, begin + 20), lambda n: FIRST_DAY)
        return of
    yield "2,500 scans of 20 rows in one day", path, store, run(2_500, 0)
    yield "7,500 more", path, store, run(7_500, 2_500)


WORKLOADS = {f.__name__: f for f in (in_time_order, in_random_order, one_day, nightly, identical, small_files)}


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, args) -> None:
    with TemporaryDirectory(dir=args.directory) as directory:
        before = memory()
        for title, path, store, work in WORKLOADS[name](args, Path(directory) / "ledger"):
            clock = Clock()
            begun = time.perf_counter()
            work(clock)
            wall = time.perf_counter() - begun
            if store is not None:
                store.db.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            n = clock.records
            cpu = clock.look_up + clock.write
            if cpu == 0:
                cpu = wall
            print(
                f"{title:42} {n:>11,} look up {clock.look_up / n * 1e6:6.2f}  write "
                f"{clock.write / n * 1e6:6.2f}  all {cpu / n * 1e6:6.2f} us  "
                f"known {clock.known:>11,}  {os.path.getsize(path) / 1e6:8.1f} MB  "
                f"memory +{memory() - before:5.0f} MB",
                flush=True,
            )


def main() -> None:
    """Run workloads, each in a process of its own."""
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
        subprocess.run([sys.executable, __file__, name, *sys.argv[1 + len(args.workloads):]], check=True)


if __name__ == "__main__":
    main()
