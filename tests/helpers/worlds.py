"""A small world in which the real upload runs: rows, Miso, threads, a clock, and death.

Stand-ins are only what cannot be hurried or foreseen: Miso itself, the threads that deliver (which
finish in an order that is drawn), the clock by which the age of a file is told, and the moment at
which the run is killed.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from random import Random
from types import SimpleNamespace
from unittest.mock import patch

from miso_upload.delivery.answers import Answer
from miso_upload.delivery.client import UnknownOutcomeError
from miso_upload.ledger import Ledger, spans
from miso_upload.ledger.content_keys import store as contents
from miso_upload.ledger.content_keys.layout import Limits
from miso_upload.ledger.database import Database
from miso_upload.pipeline import loop as pipeline
from miso_upload.pipeline import run as assembly
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.sources import checksums, watching
from miso_upload.transform import validation

MARKS = {
    "": None,
    "1": "11111111-1111-1111-1111-111111111111",
    "2": "22222222-2222-2222-2222-222222222222",
}
"""Mappings, by the mark that they leave in each record."""
OF_MARK = {value: mark for mark, value in MARKS.items()}
NUMBER = re.compile(rb'"user_id": ?"(u|bad)(\d+)"')
SERVER = "http://localhost:1"
SECOND = 10**9


class Killed(BaseException):
    """The process is gone."""


# -- rows ------------------------------------------------------------------------------------------


def line_of(number, spelling=0, *, user="u"):
    """Return the line of a record; the spellings of one number are the same record."""
    hour, offset = ("12", "+02:00") if spelling == 1 else ("10", "Z")
    record = {
        "type": "product_detail_page_view",
        "timestamp": f"2024-05-{number % 5 + 1:02}T{hour}:00:00{offset}",
        "user_id": f"{user}{number}",
        "product_ids": ["p"],
        "duration": 1.0 if spelling == 2 else 1,
    }
    if spelling:
        record = dict(reversed(record.items()))
    return json.dumps(record).encode()


def draw_line(draw, numbers):
    """Draw a line: mostly a record, sometimes one that is rejected, here or by Miso."""
    kind = draw.random()
    if kind < 0.04:
        return b'{"type": "product_detail_page_view"}'
    if kind < 0.06:
        return b"no JSON"
    if kind < 0.1:
        return line_of(draw.randrange(2), user="bad")
    return line_of(draw.randrange(numbers), draw.choice((0, 0, 0, 0, 1, 2)))


def counts_of(path, *, growing=False):
    """Return how often each record stands in a file, and how many rows are rejected and there.

    In a growing file, a last row without its end may wait.
    """
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    return counts_of_text(data[: data.rfind(b"\n") + 1] if growing else data)


def counts_of_text(data):
    lines = [line for line in data.split(b"\n") if line.strip()]
    found = [NUMBER.search(line) for line in lines]
    valid = Counter(int(each[2]) for each in found if each and each[1] == b"u")
    return SimpleNamespace(valid=valid, rejected=len(lines) - valid.total(), rows=len(lines))


# -- Miso, threads, clock and death ----------------------------------------------------------------


class World:
    """Files, a ledger, and Miso as it is; all that the stand-ins share."""

    def __init__(self, folder):
        self.folder = folder / "files"
        self.state = folder / "state"
        self.folder.mkdir(parents=True)
        self.clock = 1_700_000_000 * SECOND
        self.grain = 1
        """What the file system's clock moves by; two seconds is the coarsest there is."""
        self.changed_at = {}
        self.stored = Counter()
        """What Miso has: number and mark of each record."""
        self.in_the_dark = Counter()
        """Copies that it stored without anybody being told."""
        self.counted = Counter()
        """Records of requests of which extra copies were counted."""
        self.draw = Random(0)
        self.faults = no_faults()
        self.ticks = 0
        self.is_dead = False
        self.stop = None
        self.unsettled = []
        self.lost = False
        self.during = lambda: None
        self.limits = Limits()
        self.max_shared_keys = spans.MAX_SHARED_KEYS

    # -- files: each change is noted with the time that no program can set

    def touch(self, path):
        """Note that a file has changed now."""
        self.changed_at[path.stat().st_ino] = self.coarse(self.clock)

    def coarse(self, moment):
        """Return a time as the file system notes it."""
        return moment // self.grain * self.grain

    def stamp_of(self, found, now_ns=None):
        """Stand in for `checksums.stamp_of`, with the times of this world."""
        changed = self.changed_at.get(found.st_ino, 0)
        state = SimpleNamespace(
            st_mtime_ns=found.st_mtime_ns, st_ctime_ns=changed, st_size=found.st_size,
            st_dev=found.st_dev, st_ino=found.st_ino,
        )  # fmt: skip
        return _stamp_of(state, self.clock if now_ns is None else now_ns)

    def count_copies(self, settlement):
        """Take note of which records copies may have been counted: all of the batch, at most."""
        receipt = settlement.receipt
        if receipt.possible_duplicates or receipt.extra_copies:
            for record in json.loads(b"[" + b",".join(settlement.batch.slices) + b"]"):
                self.counted[record["user_id"], OF_MARK[record.get("miso_id")]] += 1

    # -- death

    def tick(self):
        """Die if it is time."""
        self.ticks += 1
        if self.is_dead or self.ticks == self.faults.kill_at:
            self.is_dead = True
            raise Killed

    # -- Miso

    def post(self, body):
        """Take a request as Miso does, or as it is drawn."""
        self.tick()
        self.during()
        records = [(r["user_id"], OF_MARK[r.get("miso_id")]) for r in json.loads(body)["data"]]
        fate = self._fate()
        if fate == "stop":
            self.stop.set()
        if fate == "refused key":
            return Answer(401, {"message": "invalid api key."})
        if fate == "busy":
            return Answer(429, {"message": "busy"})
        bad = [at for at, (user, _) in enumerate(records) if user.startswith("bad")]
        numbered = [(int(user[1:]), mark) for user, mark in records if user.startswith("u")]
        if bad and fate not in ("lost", "500"):
            lines = [f"data.{at}.user_id is invalid. It is bad." for at in bad]
            return Answer(422, {"errors": True, "message": "None were inserted", "data": lines})
        # With --on-unknown skip, all copies of a record are given up if one is unknown.
        self.lost = self.lost or fate.startswith(("lost", "500"))
        if fate not in ("lost", "500"):
            self.stored.update(numbered if not bad else ())
        return self._answer(fate, numbered)

    def _answer(self, fate, numbered):
        if fate in ("lost", "500", "lost after all", "500 after all"):
            if fate.endswith("after all"):
                self.in_the_dark.update(numbered)
            self.tick()
            if fate.startswith("500"):
                return Answer(500, {"message": "Something went wrong."})
            raise UnknownOutcomeError("the connection was lost")
        self.unsettled[-1][1].update(numbered) if self.unsettled else None
        self.tick()
        return Answer(200, {"message": "success"})

    def _fate(self):
        drawn = self.draw.random()
        for fate, rate in self.faults.rates.items():
            drawn -= rate
            if drawn < 0:
                return fate
        return "stored"


class _Client:
    """Stands in for the HTTP client."""

    host = "miso"
    world = None

    def __init__(self, *_, **__):
        pass

    def post(self, body):
        return self.world.post(body)


class _Pool:
    """Stands in for the threads: what is in flight is done, and is finished, when it is drawn."""

    world = None

    def __init__(self, concurrency):
        self._most = concurrency
        self._jobs = []

    def __len__(self):
        return len(self._jobs)

    @property
    def full(self):
        return len(self._jobs) >= max(self._most, 1)

    def start(self, job, deliver):
        entry = [job, deliver, None, Counter()]
        self._jobs.append(entry)
        if not self._most or self.world.draw.random() < 0.5:
            self._deliver(entry)

    def finished(self, timeout=0.0):
        while self._jobs:
            if self._most and not timeout and self.world.draw.random() < 0.6:
                return
            timeout = 0.0
            entry = self._jobs.pop(self.world.draw.randrange(len(self._jobs)))
            self._deliver(entry)
            self.world.settling = entry
            yield entry[0], entry[2]

    def close(self):
        pass

    def _deliver(self, entry):
        if entry[2] is None:
            self.world.unsettled.append((entry[0], entry[3]))
            entry[2] = entry[1]()
            # What was stored meanwhile is this delivery's; others come before or after.
            self.world.unsettled.remove((entry[0], entry[3]))
            self.world.unsettled.insert(0, (entry[0], entry[3]))


class Stop(StopSignal):
    """A stop signal with which nobody waits."""

    def wait(self, timeout=None):
        """Return at once."""
        return self.is_set()


_stamp_of = checksums.stamp_of
_transaction, _close, _settle = Database.transaction, Database.close, Ledger.settle


@contextmanager
def stand_ins(world):
    """Let `world` stand in for Miso, the threads, the clock, and what ends a process."""

    @contextmanager
    def transaction(self):
        world.tick()
        with _transaction(self):
            yield
        world.committed = True
        world.tick()

    def close(self):
        if world.is_dead:
            # A process that is gone marks nothing as done, and leaves its -wal.
            self._at_work, self._had_wal = False, True
        try:
            _close(self)
        except Killed:
            self._at_work, self._had_wal = False, True
            _close(self)
            raise

    def settle(self, scan, settlement):
        world.committed = False
        entry, world.settling = getattr(world, "settling", None), None
        try:
            _settle(self, scan, settlement)
        finally:
            if world.committed and self._db.path is not None:
                world.count_copies(settlement)
                if entry is not None:
                    entry[3].clear()

    with ExitStack() as stack:
        for where, name, what in (
            (assembly, "Client", type("Client", (_Client,), {"world": world})),
            (pipeline, "DeliveryPool", _PoolOf(world)),
            (checksums, "stamp_of", world.stamp_of),
            (watching, "stamp_of", world.stamp_of),
            (checksums, "_HEAD_BYTES_COMPARED", 200),
            (spans, "MAX_SHARED_KEYS", world.max_shared_keys),
            (contents, "Limits", lambda: world.limits),
            (validation, "_compiled", _compiled_once),
            (Database, "transaction", transaction),
            (Database, "close", close),
            (Ledger, "settle", settle),
        ):
            stack.enter_context(patch.object(where, name, what))
        yield


def _compiled_once(conditions, document, source):
    """Return the compiled schema, which is always the shipped one; to compile it takes long."""
    known = json.dumps(conditions, sort_keys=True)
    if known not in _SCHEMAS:
        _SCHEMAS[known] = _compiled(conditions, document, source)
    return _SCHEMAS[known]


_SCHEMAS = {}
_compiled = validation._compiled


class _PoolOf:
    """What makes pools in a world, in the place of the class."""

    def __init__(self, world):
        self._class = type("Pool", (_Pool,), {"world": world})

    def __getitem__(self, _):
        return self._class

    def __call__(self, concurrency):
        return self._class(concurrency)


@contextmanager
def standard_input(text):
    if text is None:
        yield
        return
    stdin = SimpleNamespace(buffer=io.BytesIO(text), isatty=lambda: False)
    with patch.object(sys, "stdin", stdin):
        yield


def no_faults():
    return SimpleNamespace(rates={}, kill_at=0)
