"""The store of content keys says what a plain multiset of records would say."""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from miso_upload.ledger.content_keys import store as contents_module
from miso_upload.ledger.content_keys.layout import Limits
from miso_upload.ledger.content_keys.mirror import ContentMirror
from miso_upload.ledger.content_keys.reader import open_reader
from miso_upload.ledger.content_keys.store import ContentStore
from miso_upload.ledger.database import Database
from miso_upload.records.keyed_records import KeyedRecords

EAGER = Limits(
    parts=2, sparse=1, page_bits=1, small=3, loaded=12, cached=20, fold=9, fold_early=4, chunk=5
)


def open_database(path):
    database = Database(path)
    with database.transaction():
        if not database.row("SELECT 1 FROM sqlite_master WHERE name = 'sent_parts'"):
            for statement in contents_module.SCHEMA.split(";"):
                database.change(statement)
    database.rows("PRAGMA synchronous = OFF")
    return database


def day_of(key):
    return key % 7 - 2


def key_of(number):
    """Return one of a few keys, whose first bits are spread."""
    return (number * 0x9E3779B97F4A7C15) % 2**64


def keyed(records):
    keys = [key for key, _ in records]
    natural = any(content for _, content in records)
    return KeyedRecords(
        array("Q", keys),
        array("i", map(day_of, keys)),
        array("Q", [content for _, content in records]) if natural else None,
    )


class _Histories(RuleBasedStateMachine):
    """A store, and beside it a list of what every scan sent."""

    @initialize(
        limits=st.builds(
            Limits,
            parts=st.integers(0, 3), sparse=st.integers(0, 2), page_bits=st.integers(0, 3),
            small=st.integers(0, 6), loaded=st.integers(0, 15), cached=st.integers(0, 20),
            fold=st.integers(1, 20), fold_early=st.integers(0, 10), chunk=st.integers(1, 20),
        ),
        spread=st.sampled_from([3, 12, 40]),
    )  # fmt: skip
    def begin(self, limits, spread):
        self.limits, self.spread = limits, spread
        self.directory = TemporaryDirectory()
        self.path = Path(self.directory.name) / "ledger"
        self.sent = Counter()  # (scan, start, record, state) -> copies
        self.scans = [1, 2, 3]
        self.last_start = 0
        self.used = {}  # scan -> records that its reader was told of
        self.open()

    def open(self):
        self.database = open_database(self.path)
        self.store = ContentStore(self.database, self.limits)
        self.readers = {}

    def teardown(self):
        if hasattr(self, "database"):
            self.database.close()
            self.directory.cleanup()

    def reader(self, scan):
        if scan not in self.readers:
            met = self.used.setdefault(scan, Counter())
            self.readers[scan] = open_reader(self.store, scan, keyed(list(met.elements())))
        return self.readers[scan]

    def others(self, scan, state):
        found = Counter()
        for (sender, _, record, now), copies in self.sent.items():
            if sender != scan and sender in self.scans and now == state:
                found[record] += copies
        return found

    def look_up(self, scan, records, **options):
        """Look up records, and hold the answer against the multiset."""
        known = self.reader(scan).look_up(keyed(records), **options)
        accepted, unknown = self.others(scan, "accepted"), self.others(scan, "unknown")
        expected = {}
        for i in options.get("indices", range(len(records))):
            record = records[i]
            versions = {content for key, content in +accepted if key == record[0]}
            if accepted[record] > self.used[scan][record]:
                self.used[scan][record] += 1
                expected[i] = "already sent"
            elif unknown[record]:
                expected[i] = "unknown"
            elif record[1] and versions and record[1] not in versions:
                expected[i] = "changed"
        told = dict.fromkeys(known.already_sent, "already sent")
        told |= dict.fromkeys(known.unknown, "unknown") | dict.fromkeys(known.changed, "changed")
        assert told == expected
        assert len(told) == sum(map(len, known))
        return [i for i in range(len(records)) if i not in known.already_sent]

    def records(self, data):
        numbers = st.integers(0, self.spread)
        natural = data.draw(st.booleans(), "natural")
        content = st.integers(1, 2) if natural else st.just(0)
        pairs = st.tuples(numbers, content)
        drawn = data.draw(st.lists(pairs, min_size=1, max_size=14), "records")
        # Keys of natural and other records never meet.
        return [(key_of(2 * number + natural + 1), content) for number, content in drawn]

    @rule(data=st.data())
    def send_a_span(self, data):
        scan = data.draw(st.sampled_from(self.scans))
        records = self.records(data)
        new = self.look_up(scan, records)
        self.last_start += 1
        self.deliver(data, scan, self.last_start, [records[i] for i in new])

    @rule(data=st.data())
    def read_known_records(self, data):
        scan = data.draw(st.sampled_from(self.scans))
        self.look_up(scan, self.records(data))

    @rule(data=st.data())
    def repeat_lookups(self, data):
        scan = data.draw(st.sampled_from(self.scans))
        records = self.records(data)
        new = self.look_up(scan, records)
        if new:
            self.look_up(scan, records, indices=sorted(data.draw(st.sets(st.sampled_from(new)))))

    def deliver(self, data, scan, start, records):
        with self.database.transaction():
            self.store.note(scan, start, keyed(records))
        released = Counter(records)
        for record, copies in released.items():
            before = self.sent[scan, start, record, "unknown"]
            self.sent[scan, start, record, "unknown"] = max(before, copies)
        self.settle(data, scan, start, records)

    def settle(self, data, scan, start, records):
        outcome = data.draw(st.sampled_from(["settled", "partly", "in doubt"]))
        if outcome == "in doubt":
            return
        self.sent.subtract(
            {(scan, start, record, "unknown"): n for record, n in Counter(records).items()}
        )
        states = st.sampled_from(
            ["accepted"] if outcome == "settled" else ["accepted", "unknown", "free"]
        )
        became = [data.draw(states) for _ in records]
        self.sent.update((scan, start, *pair) for pair in zip(records, became, strict=True))
        with self.database.transaction():
            if outcome == "settled":
                self.store.settle(scan, start)
            else:
                told = [
                    keyed(
                        [
                            record
                            for record, state in zip(records, became, strict=True)
                            if state == name
                        ]
                    )
                    for name in ("accepted", "unknown")
                ]
                self.store.settle_partly(scan, start, *told)

    def doubtful_spans(self):
        return sorted(
            {each[:2] for each in +self.sent if each[3] == "unknown" and each[0] in self.scans}
        )

    @precondition(lambda self: self.doubtful_spans())
    @rule(data=st.data())
    def resend_a_leftover(self, data):
        scan, start = data.draw(st.sampled_from(self.doubtful_spans()))
        left = [
            each[2]
            for each, copies in self.sent.items()
            if each[:2] == (scan, start) and each[3] == "unknown"
            for _ in range(copies)
        ]
        chosen = data.draw(st.lists(st.sampled_from(range(len(left))), unique=True))
        self.deliver(data, scan, start, [left[i] for i in chosen])

    @rule()
    def kill(self):
        self.database.close()
        self.open()

    @rule()
    def kill_while_writing(self):
        with suppress(KeyboardInterrupt), self.database.transaction():
            self.store.note(self.scans[0], 10_000, keyed([(key_of(1), 0)]))
            raise KeyboardInterrupt

    @rule(data=st.data())
    def look_up_in_a_dry_run(self, data):
        before = list(self.database._db.iterdump())
        with self.database.snapshot():
            mirror = ContentMirror(self.database, self.limits)
            store, readers, self.store, self.readers = self.store, self.readers, mirror, {}
            try:
                for _ in range(3):
                    self.look_up(0, self.records(data))
            finally:
                self.store, self.readers = store, readers
                self.used.pop(0, None)
                mirror.close()
        assert list(self.database._db.iterdump()) == before

    @rule(data=st.data())
    def forget_a_scan(self, data):
        scan = data.draw(st.sampled_from(self.scans))
        with self.database.transaction():
            self.store.forget(scan)
        self.scans[self.scans.index(scan)] = max(self.scans) + 1
        self.used = {}
        self.readers = {}

    @precondition(lambda self: len(self.scans) < 7)
    @rule()
    def start_a_scan(self):
        self.scans.append(max(self.scans) + 1)


TestHistories = _Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


# -- examples ------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path):
    database = open_database(tmp_path / "ledger")
    yield database
    database.close()


@pytest.fixture
def store(database):
    return ContentStore(database)


def plain(*numbers):
    return keyed([(key_of(number), 0) for number in numbers])


def natural(*pairs):
    return keyed([(key_of(number), content) for number, content in pairs])


NOTHING = plain()


def note(store, scan, records, start=0):
    with store.db.transaction():
        store.note(scan, start, records)


def send(store, scan, records, start=0):
    note(store, scan, records, start)
    with store.db.transaction():
        store.settle(scan, start)


def test_a_record_that_another_scan_sent_is_already_sent(store):
    send(store, 1, plain(7, 8))

    known = open_reader(store, 2).look_up(plain(8, 9))

    assert known == ({0: 1}, {}, {})


def test_a_scan_never_finds_its_own_records(store):
    send(store, 1, plain(7, 7))

    assert open_reader(store, 1).look_up(plain(7, 7)) == ({}, {}, {})


def test_as_many_copies_are_already_sent_as_others_sent(store):
    send(store, 1, plain(7, 7))
    send(store, 2, plain(7))

    known = open_reader(store, 3).look_up(plain(7, 7, 7, 7))

    assert sorted(known.already_sent.values()) == [1, 1, 2]


def test_copies_are_used_up_across_batches(store):
    send(store, 1, plain(7, 7))
    reader = open_reader(store, 2)

    told = [len(reader.look_up(plain(7)).already_sent) for _ in range(3)]

    assert told == [1, 1, 0]


def test_a_resumed_scan_does_not_use_copies_up_twice(store):
    send(store, 1, plain(7, 7))

    reader = open_reader(store, 2, met=plain(7))

    assert len(reader.look_up(plain(7, 7)).already_sent) == 1


def test_records_in_flight_are_unknown_until_they_are_settled(store):
    note(store, 1, plain(7))
    reader = open_reader(store, 2)
    assert reader.look_up(plain(7)).unknown == {0: 1}

    with store.db.transaction():
        store.settle(1, 0)

    assert reader.look_up(plain(7), indices=[0]).already_sent == {0: 1}


def test_records_noted_by_a_killed_run_are_unknown(store, database, tmp_path):
    note(store, 1, plain(7))
    database.close()

    again = open_database(tmp_path / "ledger")

    assert open_reader(ContentStore(again), 2).look_up(plain(7)).unknown == {0: 1}
    again.close()


def test_rejected_records_are_removed_and_unknown_ones_stay_unknown(store):
    note(store, 1, plain(7, 8, 9))
    with store.db.transaction():
        store.settle_partly(1, 0, accepted=plain(7), unknown=plain(8))

    assert open_reader(store, 2).look_up(plain(7, 8, 9)) == ({0: 1}, {1: 1}, {})


def test_a_resent_leftover_counts_once(store):
    note(store, 1, plain(7, 8, 9))
    with store.db.transaction():
        store.settle_partly(1, 0, accepted=plain(7), unknown=plain(8))
    send(store, 1, plain(8, 9))

    known = open_reader(store, 2).look_up(plain(7, 8, 9, 7, 8, 9))

    assert known == ({0: 1, 1: 1, 2: 1}, {}, {})


def test_unknown_records_of_a_leftover_that_are_held_stay_unknown(store):
    note(store, 1, plain(7, 8))
    with store.db.transaction():
        store.settle_partly(1, 0, accepted=NOTHING, unknown=plain(7))
    send(store, 1, plain(8))

    assert open_reader(store, 2).look_up(plain(7, 8)) == ({1: 1}, {0: 1}, {})


def test_records_of_a_forgotten_scan_are_ignored_and_their_space_is_reused(store):
    send(store, 1, plain(7))
    reader = open_reader(store, 2)
    with store.db.transaction():
        store.forget(1)

    assert reader.look_up(plain(7)) == ({}, {}, {})
    assert store.db.rows("SELECT * FROM sent_parts") == []


def test_forgetting_a_scan_while_another_is_read_does_not_give_copies_back(store):
    send(store, 1, plain(7, 7))
    send(store, 2, plain(7, 8))
    reader = open_reader(store, 3)
    reader.look_up(plain(7, 7, 7, 8))

    with store.db.transaction():
        store.forget(1)

    assert reader.look_up(plain(7, 8)) == ({}, {}, {})


def test_a_scan_is_forgotten_while_several_others_are_read(store):
    send(store, 1, plain(7, 7))
    send(store, 2, plain(14, 14))
    readers = [open_reader(store, 3), open_reader(store, 4)]
    for reader in readers:
        reader.look_up(plain(7, 14))

    with store.db.transaction():
        store.forget(1)

    told = [reader.look_up(plain(7, 14, 14)).already_sent for reader in readers]
    assert told == [{1: 2}, {1: 2}]


def test_a_natural_key_with_other_content_is_changed(store):
    send(store, 1, natural((7, 1), (8, 1)))

    known = open_reader(store, 2).look_up(natural((7, 1), (8, 2), (9, 1)))

    assert known == ({0: 1}, {}, {1: 1})


def test_an_older_version_of_a_natural_key_is_already_sent(store):
    send(store, 1, natural((7, 1)))
    send(store, 2, natural((7, 2)))

    known = open_reader(store, 3).look_up(natural((7, 1), (7, 2), (7, 3), (7, 1)))

    assert known == ({0: 1, 1: 2}, {}, {2: 2})


@pytest.mark.parametrize("scans", [1, 2])
def test_merging_a_day_during_reading_keeps_used_copies(database, scans):
    store = ContentStore(database, EAGER)
    reader = open_reader(store, 9)
    told = 0
    for start in range(12):
        send(store, 1 + start % scans, plain(7 * start, 7 * start + 7, 70), start)
        told += len(reader.look_up(plain(70, *range(0, 100, 7))).already_sent)

    assert told == 36
    assert store.db.rows("SELECT * FROM sent_runs")


def test_many_records_of_mixed_days_are_split_by_day(database):
    store = ContentStore(database, EAGER)
    for start in range(4):
        send(store, 1, plain(*range(10 * start, 10 * start + 10)), start)

    assert len(store.db.rows("SELECT * FROM sent_parts WHERE days IS NOT NULL")) == 1
    assert len(open_reader(store, 2).look_up(plain(*range(50))).already_sent) == 40


def test_shared_days_are_days_of_other_scans(store):
    send(store, 1, plain(7))
    send(store, 2, plain(8))

    shared = open_reader(store, 2).shared_days(map(day_of, [key_of(7), key_of(8)]))

    assert shared == {day_of(key_of(7))}


def test_a_mirror_notes_records_of_a_dry_run_without_changing_the_ledger(store):
    send(store, 1, plain(7))
    mirror = ContentMirror(store.db)
    send(mirror, 2, plain(8))

    assert open_reader(mirror, 3).look_up(plain(7, 8)).already_sent == {0: 1, 1: 2}
    assert open_reader(store, 3).look_up(plain(7, 8)).already_sent == {0: 1}
    mirror.close()


SENDER = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from tests.ledger.test_contents import EAGER, ContentStore, open_database, open_reader, plain, send

store = ContentStore(open_database(Path({ledger!r})), EAGER)
scan = {scan}
reader = open_reader(store, scan)
for start in range(10_000):
    reader.look_up(plain(*range(40)))
    send(store, scan, plain(*range(100 * start, 100 * start + 9)), start)
    print(start, flush=True)
"""


def test_a_killed_run_loses_no_settled_record(tmp_path):
    ledger = tmp_path / "ledger"
    open_database(ledger).close()
    sent = Counter()
    for scan in range(1, 5):
        code = SENDER.format(path=sys.path, ledger=str(ledger), scan=scan)
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
            settled = [int(next(child.stdout)) for _ in range(5 * scan)]
            child.kill()
            settled += [int(line) for line in child.stdout if line.endswith(b"\n")]
        sent.update(n for start in settled for n in range(100 * start, 100 * start + 9))

    database = open_database(ledger)
    known = open_reader(ContentStore(database, EAGER), 9).look_up(plain(*sent.elements()))
    database.close()

    assert len(known.already_sent) == sent.total()
