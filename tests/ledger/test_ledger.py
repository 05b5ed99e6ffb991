import errno
import gc
import os
import sqlite3
import stat
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from miso_upload.errors import LedgerError
from miso_upload.ledger import Ledger, Settlement
from miso_upload.ledger import database as database_module
from miso_upload.ledger.content_keys.reader import open_reader
from miso_upload.ledger.ledger import MAX_SHARED_KEYS
from miso_upload.ledger.migration import KEPT_SUFFIX, old_digest
from miso_upload.records import (
    Leftover,
    Reason,
    Receipt,
    Rejection,
    Selection,
    SourceIdentity,
    Stamp,
)
from miso_upload.records.totals import Totals
from tests.helpers.doubles import batch, batch_of, record
from tests.helpers.old_ledgers import write_old_ledger

ALL = Selection()
HERE = SourceIdentity("/data/history.jsonl", Stamp("1:2", "100:5:5"), b"head", b"preamble")
BAD = (Reason("type", "is missing"),)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "miso.ledger"


@pytest.fixture
def reopen(path):
    """Open the ledger as a new run would, whether or not the last one came to its end."""
    opened = []

    def open_again():
        while opened:
            opened.pop().close()
        opened.append(Ledger(path, {"server": "https://api.test"}))
        opened[-1].begin_run("1.0")
        return opened[-1]

    yield open_again
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(reopen):
    return reopen()


@pytest.fixture
def scan(ledger):
    return begin(ledger)


def begin(ledger, name="history.jsonl", job="a job", **changes):
    """Begin a scan of a file."""
    identity = HERE._replace(key=f"/data/{name}", **changes)
    return ledger.begin_scan(identity, name, job)


def settle(ledger, scan, sent, receipt, leftover=None, selection=ALL, **options):
    """Settle as the pipeline does, and return the rejections that were new."""
    new = ledger.unseen(scan, sent, receipt, leftover)
    ledger.settle(scan, Settlement(sent, selection, receipt, leftover, new, **options))
    return new


def already_sent_selection(sent, *indices, **more):
    """Select all records of a batch but those at some indices, which Miso has."""
    fresh = [index for index in range(len(sent.lines)) if index not in indices]
    return Selection(fresh, already_sent=dict.fromkeys(indices, "other.jsonl"), **more)


def rejection(line, by="schema"):
    return Rejection(line, BAD, {"row": line}, by=by)


def states(ledger, scan, *, hold_unknown=False):
    return [(span.start, span.state) for span in ledger.unfinished(scan, hold_unknown=hold_unknown)]


# -- spans -----------------------------------------------------------------------------------------


def test_an_accepted_batch_is_settled(ledger, scan):
    sent = batch(10)
    ledger.intend(scan, sent, ALL)

    settle(ledger, scan, sent, Receipt(accepted=10))

    assert ledger.totals(scan) == Totals(rows=10, accepted=10)
    assert states(ledger, scan) == []
    assert ledger.last_span(scan).end == sent.end


def test_rejections_by_schema_and_miso_are_counted_and_kept(ledger, scan):
    sent = batch_of([record(1), record(3)], lines=[1, 3], rejections=(rejection(2),))
    ledger.intend(scan, sent, ALL)

    settle(ledger, scan, sent, Receipt(accepted=1, rejections=(rejection(3, by="miso"),)))

    assert ledger.totals(scan) == Totals(rows=3, accepted=1, rejected=2)
    assert [(each.line, each.by, each.reasons) for each in ledger.rejections(scan)] == [
        (2, "schema", BAD),
        (3, "miso", BAD),
    ]
    assert [span.start for span in ledger.spans_with_rejections(scan)] == [0]


def test_a_span_without_sent_records_is_settled_without_an_intent(ledger, scan):
    settle(ledger, scan, batch_of([], lines=[], rejections=(rejection(1),)), Receipt())

    assert ledger.totals(scan) == Totals(rows=1, rejected=1)


def test_an_intent_counts_as_unknown_from_the_start(ledger, scan):
    """A run that gives up waiting, and `status` after a crash, tell the truth."""
    ledger.intend(
        scan, batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),)), ALL
    )

    assert ledger.totals(scan) == Totals(rows=3, unknown=2, pending=1)
    assert ledger.open_unknown(scan) == 2


def test_an_intent_left_by_a_crash_is_unknown_to_the_next_run(reopen):
    ledger = reopen()
    scan = begin(ledger, "history.jsonl")
    ledger.intend(scan, batch(5), ALL)

    ledger = reopen()

    (span,) = ledger.unfinished(scan, hold_unknown=False)
    assert (span.state, span.leftover) == ("unknown", Leftover(everything=True))
    assert ledger.totals(scan) == Totals(rows=5, unknown=5)


def test_an_intent_of_the_same_run_is_not_unfinished(ledger, scan):
    ledger.intend(scan, batch(5), ALL)

    assert states(ledger, scan) == []


def test_unknown_and_pending_lines_are_stored(ledger, scan):
    ledger.intend(scan, batch(9), ALL)

    settle(ledger, scan, batch(9), Receipt(accepted=5, unknown=(2, 3, 4), pending=(9,)))

    (span,) = ledger.unfinished(scan, hold_unknown=False)
    assert span.leftover == Leftover(frozenset({2, 3, 4}), frozenset({9}))
    assert ledger.totals(scan) == Totals(rows=9, accepted=5, unknown=3, pending=1)


def test_a_leftovers_counts_are_added_to_the_span(ledger, scan):
    ledger.intend(scan, batch(9), ALL)
    settle(ledger, scan, batch(9), Receipt(accepted=5, unknown=(2, 3), pending=(8, 9)))
    (span,) = ledger.unfinished(scan, hold_unknown=False)
    ledger.intend(scan, batch(9), ALL)

    settle(ledger, scan, batch(9), Receipt(accepted=4, possible_duplicates=2), span.leftover)

    assert ledger.totals(scan) == Totals(rows=9, accepted=9, duplicates=2)
    assert states(ledger, scan) == []


def test_a_crash_while_sending_a_leftover_makes_only_the_leftover_unknown(reopen):
    ledger = reopen()
    scan = begin(ledger, "history.jsonl")
    settle(ledger, scan, batch(9), Receipt(accepted=6, unknown=(2,), pending=(8, 9)))
    ledger.intend(scan, batch(9), ALL)

    ledger = reopen()

    (span,) = ledger.unfinished(scan, hold_unknown=False)
    assert span.leftover == Leftover(unknown=frozenset({2, 8, 9}))
    assert ledger.totals(scan) == Totals(rows=9, accepted=6, unknown=3)


def test_held_unknown_records_need_work_only_after_a_crash(reopen):
    ledger = reopen()
    scan = begin(ledger, "history.jsonl")
    ledger.intend(scan, batch(3), ALL)
    settle(ledger, scan, batch(3, start=30), Receipt(accepted=1, unknown=(1, 2)))
    settle(ledger, scan, batch(3, start=60), Receipt(accepted=1, unknown=(1,), pending=(2,)))
    ledger = reopen()

    assert states(ledger, scan) == [(0, "unknown"), (30, "unknown"), (60, "pending")]
    assert states(ledger, scan, hold_unknown=True) == [(0, "unknown"), (60, "pending")]
    assert ledger.open_unknown(scan) == 6


def test_abandoned_records_stay_unknown_and_are_finished(ledger, scan):
    receipt = Receipt(accepted=1, unknown=(1, 2))

    settle(ledger, scan, batch(3), receipt, abandon_unknown=True)

    assert states(ledger, scan) == []
    assert ledger.open_unknown(scan) == 0
    assert ledger.totals(scan) == Totals(rows=3, accepted=1, unknown=2)


def test_abandoning_keeps_pending_records(ledger, scan):
    settle(ledger, scan, batch(3), Receipt(unknown=(1, 2), pending=(3,)), abandon_unknown=True)

    assert states(ledger, scan) == [(0, "pending")]


def test_rejections_of_a_resent_span_are_stored_once(ledger, scan):
    sent = batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),))
    settle(ledger, scan, sent, Receipt(accepted=1, pending=(2,)))
    leftover = Leftover(pending=frozenset({2}))

    new = settle(ledger, scan, sent, Receipt(rejections=(rejection(2, by="miso"),)), leftover)

    assert [each.line for each in new] == [2]
    assert ledger.totals(scan) == Totals(rows=3, accepted=1, rejected=2)


def test_a_changed_mapping_may_reject_or_skip_a_leftover(ledger, scan):
    settle(ledger, scan, batch(4), Receipt(accepted=1, pending=(2, 3, 4)))
    now = batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),))

    settle(ledger, scan, now, Receipt(accepted=1), Leftover(pending=frozenset({2, 3, 4})))

    assert ledger.totals(scan) == Totals(rows=4, accepted=2, rejected=1, skipped=1)


def test_a_span_resent_after_a_crash_replaces_its_counts(reopen):
    ledger = reopen()
    scan = begin(ledger, "history.csv")
    ledger.intend(scan, batch(3), ALL)
    ledger = reopen()

    settle(ledger, scan, batch(4), Receipt(accepted=4), Leftover(everything=True))

    assert ledger.totals(scan) == Totals(rows=4, accepted=4)


def test_sources_are_counted_separately(ledger, scan):
    other = begin(ledger, "other.jsonl")

    settle(ledger, other, batch(5), Receipt(accepted=5))

    assert ledger.totals(scan) == Totals()
    assert [each.name for each in ledger.scans.all()] == ["history.jsonl", "other.jsonl"]


# -- records of other scans ------------------------------------------------------------------------


def test_records_that_miso_has_are_counted_as_already_sent(ledger, scan):
    sent = batch(5)
    selection = already_sent_selection(sent, 0, 3)
    ledger.intend(scan, sent, selection)

    settle(ledger, scan, sent, Receipt(accepted=3), selection=selection)

    assert ledger.totals(scan) == Totals(rows=5, accepted=3, already_sent=2)
    assert states(ledger, scan) == []


def test_records_of_a_known_key_with_other_content_are_counted_as_changed_too(ledger, scan):
    selection = Selection([0, 1], already_sent={2: "a"}, changed={3: "b", 4: "b"})

    settle(ledger, scan, batch(5), Receipt(accepted=2), selection=selection)

    assert ledger.totals(scan) == Totals(rows=5, accepted=2, already_sent=3, changed=2)


def test_held_records_are_unknown_and_stored_by_line(ledger, scan):
    selection = Selection([0, 1, 2], held=[3, 4])

    settle(ledger, scan, batch(5), Receipt(accepted=3), selection=selection)

    (span,) = ledger.unfinished(scan, hold_unknown=False)
    assert span.leftover == Leftover(unknown=frozenset({4, 5}))
    assert ledger.totals(scan) == Totals(rows=5, accepted=3, unknown=2)
    assert ledger.unfinished(scan, hold_unknown=True) == []


def test_a_scan_finds_records_of_another_scan_as_already_sent(ledger, scan):
    sent = batch(5)
    ledger.intend(scan, sent, ALL)
    other = begin(ledger, "other.jsonl")
    reader = open_reader(ledger.contents, other.id)

    assert reader.look_up(sent.keyed).unknown == dict.fromkeys(range(5), scan.id)
    settle(ledger, scan, sent, Receipt(accepted=5))
    assert reader.look_up(sent.keyed).already_sent == dict.fromkeys(range(5), scan.id)
    assert ledger.scans.name_of(scan.id) == "history.jsonl"


def test_rejected_and_pending_records_are_not_found_by_other_scans(ledger, scan):
    sent = batch(6)
    ledger.intend(scan, sent, ALL)
    receipt = Receipt(accepted=2, rejections=(rejection(3, "miso"),), unknown=(4,), pending=(5, 6))

    settle(ledger, scan, sent, receipt)

    found = open_reader(ledger.contents, begin(ledger, "other.jsonl").id).look_up(sent.keyed)
    assert (set(found.already_sent), set(found.unknown)) == ({0, 1}, {3})


def test_pending_records_count_for_the_inputs_that_follow_in_a_dry_run(ledger, scan):
    sent = batch(3)
    ledger.intend(scan, sent, ALL)

    settle(ledger, scan, sent, Receipt(pending=(1, 2, 3)), forecasts=True)

    found = open_reader(ledger.contents, begin(ledger, "other.jsonl").id).look_up(sent.keyed)
    assert len(found.already_sent) == 3
    assert ledger.totals(scan) == Totals(rows=3, pending=3)


def test_keys_shared_with_other_scans_are_stored(ledger, scan):
    sent = batch(5)
    settle(ledger, scan, sent, Receipt(accepted=3), selection=already_sent_selection(sent, 0, 3))

    assert ledger.shared_keys(scan) == sent.keyed.pick([0, 3])


def test_more_than_4096_shared_keys_are_not_stored(ledger, scan):
    assert MAX_SHARED_KEYS == 4096
    for number, count in enumerate((4096, 1)):
        sent = batch(count, start=100_000 * number)
        selection = already_sent_selection(sent, *range(count))
        known = ledger.shared_keys(scan)
        settle(ledger, scan, sent, Receipt(), selection=selection)

    assert len(known.keys) == 4096
    assert ledger.shared_keys(scan) is None


@pytest.mark.parametrize("bad", [(), (rejection(9),)], ids=["all good", "one rejected"])
def test_a_span_with_already_sent_records_is_reset_after_a_crash(reopen, bad):
    ledger = reopen()
    scan = begin(ledger)
    sent = batch_of([record(n) for n in range(5)], rejections=bad)
    ledger.intend(scan, sent, already_sent_selection(sent, 0, 3))
    assert ledger.totals(scan) == Totals(rows=5 + len(bad), already_sent=2, unknown=3,
                                         pending=len(bad))  # fmt: skip

    ledger = reopen()
    (span,) = ledger.unfinished(scan, hold_unknown=False)
    assert span.leftover == Leftover(everything=True)
    assert ledger.totals(scan).balanced
    assert len(ledger.shared_keys(scan).keys) == 0
    selection = Selection([], [1, 2, 4], already_sent={0: "other", 3: "other"})
    ledger.intend(scan, sent, selection)
    settle(ledger, scan, sent, Receipt(accepted=3, possible_duplicates=3), span.leftover,
           selection=selection)  # fmt: skip

    assert ledger.totals(scan) == Totals(
        rows=5 + len(bad), accepted=3, already_sent=2, rejected=len(bad), duplicates=3
    )
    assert len(list(ledger.rejections(scan))) == len(bad)
    assert len(ledger.shared_keys(scan).keys) == 2


# -- the states of a scan --------------------------------------------------------------------------


def test_a_new_scan_has_read_nothing(ledger, scan):
    assert (scan.key, scan.name, scan.job) == ("/data/history.jsonl", "history.jsonl", "a job")
    assert (scan.stamp, scan.preamble) == (HERE.stamp, HERE.preamble)
    assert (scan.complete, scan.keyless, scan.superseded) == (False, False, 0)
    assert (ledger.last_span(scan), ledger.totals(scan)) == (None, Totals())


def test_a_scan_that_is_being_read_is_not_complete(ledger, scan):
    settle(ledger, scan, batch(5), Receipt(accepted=5))

    (found,) = ledger.scans.all()
    assert not found.complete
    assert ledger.last_span(found).end == batch(5).end


def test_a_scan_that_reached_the_end_of_its_input_is_complete(ledger, scan):
    ledger.complete(scan)

    assert ledger.scans.of(scan.id).complete


def test_the_next_run_finds_an_interrupted_scan(reopen):
    ledger = reopen()
    scan = begin(ledger)
    settle(ledger, scan, batch(5), Receipt(accepted=5))

    (found,) = reopen().scans.all()

    assert (found.id, found.complete) == (scan.id, False)


def test_a_continued_scan_gets_its_new_name_and_state(ledger, scan):
    settle(ledger, scan, batch(5), Receipt(accepted=5))
    ledger.complete(scan)
    now = SourceIdentity("/data/history.jsonl.1", Stamp("1:2", "200:6:6"), None, b"another")

    found = ledger.continue_scan(scan, now, "history.jsonl.1", "another job")

    assert (found.id, found.key, found.name) == (scan.id, now.key, "history.jsonl.1")
    assert (found.stamp, found.job, found.complete) == (now.stamp, "another job", False)
    assert found.preamble == HERE.preamble
    assert ledger.totals(found) == Totals(rows=5, accepted=5)


def test_a_superseded_scan_keeps_its_totals_but_no_positions(ledger, scan):
    sent = batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),))
    ledger.intend(scan, sent, ALL)
    settle(ledger, scan, sent, Receipt(accepted=2))

    again = begin(ledger)

    assert again.id > scan.id
    assert again.source_id == scan.source_id
    assert ledger.scans.all() == [again]
    assert (ledger.spans(scan), list(ledger.rejections(scan))) == ([], [])
    found = open_reader(ledger.contents, again.id).look_up(sent.keyed)
    assert found.already_sent == {0: scan.id, 1: scan.id}


def test_the_total_of_possible_duplicates_never_decreases(ledger, scan):
    settle(ledger, scan, batch(5), Receipt(accepted=5, possible_duplicates=2))

    begin(ledger)

    assert ledger.duplicates_total() == 2


def test_the_total_of_accepted_rows_never_decreases(ledger, scan):
    settle(ledger, scan, batch(5), Receipt(accepted=5))
    totals = [ledger.accepted_total()]

    again = begin(ledger)
    totals.append(ledger.accepted_total())
    settle(ledger, again, batch(3), Receipt(accepted=3))
    totals.append(ledger.accepted_total())
    ledger.forget([again], restart=True)
    totals.append(ledger.accepted_total())

    assert totals == [5, 5, 8, 8]


def test_a_scan_that_has_read_nothing_can_be_dropped(ledger, scan):
    ledger.drop_empty(scan)

    assert ledger.scans.all() == []


def test_a_restart_keeps_only_the_number_of_accepted_rows(ledger, scan):
    sent = batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),))
    ledger.intend(scan, sent, ALL)
    settle(ledger, scan, sent, Receipt(accepted=2))
    newer = begin(ledger)
    ledger.intend(newer, batch(1), ALL)
    settle(ledger, newer, batch(1), Receipt(accepted=1))

    accepted = ledger.forget([newer], restart=True)
    again = begin(ledger, job="another job")

    assert accepted == 3
    assert (again.superseded, again.job) == (3, "another job")
    assert (ledger.totals(again), ledger.last_span(again)) == (Totals(), None)
    found = open_reader(ledger.contents, again.id).look_up(sent.keyed)
    assert (found.already_sent, found.unknown) == ({}, {})


def test_forgotten_rows_are_counted_once(ledger, scan):
    settle(ledger, scan, batch(5), Receipt(accepted=5))
    first = ledger.forget([scan], restart=True)
    again = begin(ledger)
    settle(ledger, again, batch(5), Receipt(accepted=5))

    assert (first, ledger.forget([again], restart=True)) == (5, 5)


def test_a_forgotten_source_is_gone(ledger, scan):
    settle(ledger, scan, batch(5), Receipt(accepted=5))

    assert ledger.forget([scan]) == 5
    assert ledger.scans.all() == []


def test_a_job_under_which_miso_accepted_a_row_is_proven(ledger, scan):
    other = begin(ledger, "other.jsonl", job="another job")
    settle(ledger, scan, batch(5), Receipt(accepted=5))
    settle(ledger, other, batch_of([], lines=[], rejections=(rejection(1),)), Receipt())

    assert ledger.has_proven("a job")
    assert not ledger.has_proven("another job")
    assert not ledger.has_proven("no job")


# -- candidates ------------------------------------------------------------------------------------

ELSEWHERE = SourceIdentity("/other/path", Stamp("9:9", None), b"other head", b"")


@pytest.mark.parametrize("shared", ["key", "stamp", "head"])
def test_an_input_may_continue_a_scan_of_its_file_path_or_beginning(ledger, scan, shared):
    identity = ELSEWHERE._replace(**{shared: getattr(HERE, shared)})

    assert ledger.scans.candidates(identity, "other", b"") == [scan]


def test_an_input_that_shares_nothing_with_a_scan_is_no_candidate(ledger, scan):
    identity = ELSEWHERE._replace(preamble=scan.preamble)

    assert ledger.scans.candidates(identity, scan.name, b"") == []


def test_an_input_without_stamp_and_head_is_found_by_its_path(ledger, scan):
    identity = SourceIdentity(scan.key, None, None, b"")

    assert ledger.scans.candidates(identity, "other", b"") == [scan]


def test_the_scan_of_the_same_file_comes_first(ledger):
    of_path = begin(ledger, "a.jsonl", stamp=Stamp("1:1", None), head=b"1")
    of_head = begin(ledger, "b.jsonl", stamp=Stamp("2:2", None), head=b"2")
    of_file = begin(ledger, "c.jsonl", stamp=Stamp("3:3", None), head=b"3")
    identity = SourceIdentity(of_path.key, Stamp("3:3", None), b"2", b"")

    assert ledger.scans.candidates(identity, "a", b"") == [of_file, of_head, of_path]


def test_a_superseded_scan_is_no_candidate(ledger, scan):
    again = begin(ledger, stamp=Stamp("5:5", None), head=b"new head")

    assert ledger.scans.candidates(HERE, "history.jsonl", b"") == [again]


def test_a_name_need_not_be_utf8(ledger):
    name = os.fsdecode(b"caf\xe9.jsonl")

    scan = begin(ledger, name)

    assert (scan.name, scan.key) == (name, f"/data/{name}")
    assert ledger.scans.candidates(HERE._replace(key=scan.key), "x", b"") == [scan]
    assert ledger.scans.name_of(scan.id) == name


# -- ledgers of version 0.1 ------------------------------------------------------------------------

LINES = b"".join(b'{"row":%d}\n' % number for number in range(30))
OLD_SPANS = [
    (10, {}),
    (10, {"accepted": 7, "rejected": 3, "rejected_lines": (11, 12, 13)}),
    (5, {"accepted": 0, "unknown": 5, "state": "unknown"}),
    (5, {"accepted": 2, "pending": 2, "unknown": 1, "state": "pending", "unknown_lines": "26",
         "pending_lines": "27-28"}),
]  # fmt: skip


@pytest.fixture
def old(path):
    write_old_ledger(
        path,
        [("a.jsonl", LINES, OLD_SPANS), ("b.jsonl", b"other\n", [(1, {})])],
        about={"server": "https://api.test"},
    )
    return path


def test_a_ledger_of_version_0_1_keeps_its_sources_spans_and_counts(old):
    with closing(Ledger(old)) as ledger:
        first, second = ledger.scans.all()

        assert (first.name, first.job, first.keyless) == ("a.jsonl", "a job", True)
        assert second.name == "b.jsonl"
        assert ledger.totals(first) == Totals(
            rows=30, accepted=19, rejected=3, unknown=6, pending=2
        )
        assert [each.line for each in ledger.rejections(first)] == [11, 12, 13]
        assert ledger.accepted_total() == 20
        assert ledger.about() == {"server": "https://api.test"}
        assert states(ledger, first)[0][1] == "unknown"
        assert [span.checksum for span in ledger.spans(second)] == [old_digest(b"other\n")]


def dumped(path):
    """Return all that stands in a SQLite file."""
    with closing(sqlite3.connect(path)) as db:
        return [db.execute("PRAGMA user_version").fetchone(), *db.iterdump()]


def test_migration_keeps_a_copy_for_the_old_version(old):
    before = dumped(old)

    Ledger(old).close()

    kept = old.with_name(old.name + KEPT_SUFFIX)
    assert dumped(kept) == before
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_ledger_is_migrated_once(old):
    Ledger(old).close()
    kept = old.with_name(old.name + KEPT_SUFFIX)
    kept.write_bytes(b"untouched")

    Ledger(old).close()

    assert kept.read_bytes() == b"untouched"


def test_a_ledger_is_not_migrated_if_its_copy_cannot_be_written(old, golden):
    old.with_name(old.name + KEPT_SUFFIX).mkdir()
    before = old.read_bytes()

    with pytest.raises(LedgerError) as caught:
        Ledger(old)
    assert str(caught.value) == golden

    assert old.read_bytes() == before


def test_a_dry_run_cannot_use_a_ledger_of_version_0_1(old):
    before = old.read_bytes()

    assert Ledger.to_read(old) is None
    assert old.read_bytes() == before


def test_a_source_of_version_0_1_is_found_by_name_and_by_start(old):
    with closing(Ledger(old)) as ledger:
        first, second = ledger.scans.all()
        identity = ELSEWHERE._replace(head=None)

        def candidates(name, beginning):
            return ledger.scans.candidates(identity, name, beginning)

        assert candidates("b.jsonl", b"x") == [second]
        assert candidates("renamed", LINES + b"more") == [first]
        assert candidates("renamed", LINES[:-1]) == []


def test_content_keys_of_a_span_of_version_0_1_are_added_for_sent_records(old):
    made = batch_of([record(n) for n in range(26, 31)], lines=range(26, 31))
    with closing(Ledger(old)) as ledger:
        ledger.begin_run("1.0")
        first, _ = ledger.scans.all()
        span = ledger.spans(first)[-1]
        ledger.remember_keys(first, replace(made, start=span.start), span)
        ledger.fill_in(first)
        found = open_reader(ledger.contents, begin(ledger, "new.jsonl").id).look_up(made.keyed)

        assert (set(found.already_sent), set(found.unknown)) == ({3, 4}, {0})
        assert not ledger.scans.of(first.id).keyless
        assert ledger.spans(first)[-1].checksum == made.checksum


# -- the rejects file ------------------------------------------------------------------------------


def test_uncommitted_rejects_of_a_killed_run_are_not_kept(reopen, tmp_path):
    ledger, rejects = reopen(), tmp_path / "rejects"
    scan = begin(ledger, "history.jsonl")

    settle(ledger, scan, batch(1), Receipt(accepted=1), rejects_file=(rejects, 120))

    assert reopen().rejects_length(rejects) == 120


def test_all_rejects_are_kept_after_a_run_that_ended(reopen, tmp_path):
    """Somebody else may have added to it since: the upload to another target, say."""
    ledger, rejects = reopen(), tmp_path / "rejects"
    scan = begin(ledger, "history.jsonl")
    settle(ledger, scan, batch(1), Receipt(accepted=1), rejects_file=(rejects, 120))

    ledger.end_run(0)

    assert reopen().rejects_length(rejects) > 10**9


def test_a_rejects_file_can_be_unknown_or_forgotten(ledger, scan, tmp_path):
    rejects = tmp_path / os.fsdecode(b"caf\xe9")
    assert ledger.rejects_length(rejects) is None
    settle(ledger, scan, batch(1), Receipt(accepted=1), rejects_file=(rejects, 120))

    ledger.forget_rejects_file(rejects)

    assert ledger.rejects_length(rejects) is None


# -- the file --------------------------------------------------------------------------------------


def test_only_the_owner_may_read_it(ledger, scan, path):
    files = list(path.parent.iterdir())

    assert len(files) > 1  # the write-ahead log, too
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_label_of_a_ledger_comes_from_its_first_run(path):
    Ledger(path, {"server": "https://api.test"}).close()
    ledger = Ledger(path, {"server": "another"})

    assert ledger.about() == {"server": "https://api.test"}
    ledger.close()


def test_a_ledger_without_a_file_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(None)
    scan = begin(ledger, "history.jsonl")
    settle(ledger, scan, batch(3), Receipt(accepted=3))

    assert ledger.totals(scan).accepted == 3
    ledger.close()
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_of_a_newer_version_is_refused(path, ledger, golden):
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()

    with pytest.raises(LedgerError) as caught:
        Ledger(path)
    assert str(caught.value) == golden

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_ledger_is_reported_with_a_remedy_and_not_changed(path, content, golden):
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(LedgerError) as caught:
        Ledger(path)
    assert str(caught.value) == golden

    assert path.read_bytes() == content


def test_a_damaged_page_is_reported_when_it_is_read(path, ledger, scan, golden):
    for start in range(0, 50_000, 100):
        settle(ledger, scan, batch(10, start=start), Receipt(accepted=10))
    ledger.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))

    with pytest.raises(LedgerError) as caught:  # noqa: PT012 -- wherever it is met
        damaged = Ledger(path)
        try:
            damaged.totals(scan)
        finally:
            damaged.close()
    assert str(caught.value) == golden


def test_a_state_directory_that_is_a_file_is_reported(tmp_path, golden):
    (tmp_path / "state").touch()

    with pytest.raises(LedgerError) as caught:
        Ledger(tmp_path / "state" / "miso.ledger")
    assert str(caught.value) == golden


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_an_unwritable_state_directory_is_reported(path, monkeypatch, number):
    def refuse(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(database_module.os, "open", refuse)

    with pytest.raises(LedgerError, match=os.strerror(number)):
        Ledger(path)


def fill(ledger):
    """Let the disk be full from here on."""
    (pages,) = ledger._db.row("PRAGMA page_count")
    ledger._db.row(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_reported_and_changes_nothing(path, reopen, golden):
    ledger = reopen()
    scan = begin(ledger, "history.jsonl")
    sent = batch_of([record(1)], lines=[1], rejections=tuple(map(rejection, range(2, 2000))))
    ledger.intend(scan, sent, ALL)
    fill(ledger)

    with pytest.raises(LedgerError) as caught:
        settle(ledger, scan, sent, Receipt(accepted=1))
    assert str(caught.value) == golden

    assert ledger.totals(scan) == Totals(rows=1999, unknown=1, pending=1998)
    assert list(ledger.rejections(scan)) == []


def test_a_ledger_works_again_once_there_is_space(reopen):
    ledger = reopen()
    scan = begin(ledger, "history.jsonl")
    sent = batch_of([record(1)], lines=[1], rejections=tuple(map(rejection, range(2, 2000))))
    fill(ledger)
    with pytest.raises(LedgerError):
        settle(ledger, scan, sent, Receipt(accepted=1))
    ledger._db.row("PRAGMA max_page_count = 1000000")

    settle(ledger, scan, sent, Receipt(accepted=1))

    assert ledger.totals(scan) == Totals(rows=1999, accepted=1, rejected=1998)


def test_a_ledger_that_cannot_be_opened_leaves_nothing_open(path, recwarn):
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(LedgerError):
        Ledger(path)
    gc.collect()

    assert [warning for warning in recwarn if warning.category is ResourceWarning] == []


# -- any order of events ---------------------------------------------------------------------------


class Runs(RuleBasedStateMachine):
    """Any order of intents, settlements and crashes, with any receipt and any mapping.

    The model has the outcome of each row of each span: `accepted`, `already_sent`, `changed`,
    `rejected`, `skipped`, `unknown` or `pending`.
    """

    ROWS = 8

    def __init__(self):
        super().__init__()
        self.file = Path(mkdtemp()) / "miso.ledger"
        self.ledger = Ledger(self.file)
        self.ledger.begin_run("1.0")
        self.scan = begin(self.ledger)
        self.spans = []
        self.in_flight = {}
        self.duplicates = 0

    def teardown(self):
        """Close and remove the file."""
        self.ledger.close()
        for file in self.file.parent.iterdir():
            file.unlink()
        self.file.parent.rmdir()

    def _batch(self, data, span_index):
        """Return the batch of a span under a random mapping."""
        outcomes = data.draw(
            st.lists(
                st.sampled_from(["record", "record", "record", "rejected", "skipped"]),
                min_size=self.ROWS,
                max_size=self.ROWS,
            )
        )
        lines = [line for line, outcome in enumerate(outcomes, 1) if outcome == "record"]
        rejections = tuple(
            rejection(line) for line, outcome in enumerate(outcomes, 1) if outcome == "rejected"
        )
        made = batch_of([record(line) for line in lines], lines=lines, rejections=rejections)
        return replace(
            made, start=100 * span_index, rows=self.ROWS, skipped=outcomes.count("skipped")
        )

    def _select(self, data, sent, leftover):
        """Return a selection as if other scans had sent some of the records."""
        rows_to_send = _rows_to_send(leftover, sent)
        outcomes = {"send": [], "already_sent": [], "changed": [], "held": []}
        for i, line in enumerate(sent.lines):
            if line in rows_to_send:
                outcome = st.sampled_from(
                    ["send", "send", "send", "already_sent", "changed", "held"]
                )
                outcomes[data.draw(outcome)].append(i)
        if len(outcomes["send"]) == self.ROWS:
            return ALL
        return Selection(
            outcomes["send"],
            held=outcomes["held"],
            already_sent=dict.fromkeys(outcomes["already_sent"], "other.jsonl"),
            changed=dict.fromkeys(outcomes["changed"], "other.jsonl"),
        )

    def _send(self, span_index, sent, leftover, selection):
        """Note an intent, or settle at once if nothing is sent."""
        if not selection.sends(sent):
            self._settle(span_index, sent, leftover, selection, Receipt())
            return
        self.ledger.intend(self.scan, sent, selection)
        self.in_flight[span_index] = (sent, leftover, selection)
        if leftover is None:
            for line in range(1, self.ROWS + 1):
                self.spans[span_index][line] = "unknown" if line in sent.lines else "pending"
            self._note_already_sent(span_index, sent, selection)
        elif not leftover.everything:
            for line, outcome in self.spans[span_index].items():
                if outcome == "pending":
                    self.spans[span_index][line] = "unknown"

    def _note_already_sent(self, span_index, sent, selection):
        for outcome in ("already_sent", "changed"):
            for i in getattr(selection, outcome):
                self.spans[span_index][sent.lines[i]] = outcome

    @precondition(lambda self: len(self.spans) < 6)
    @rule(data=st.data())
    def resume(self, data):
        """Send the next span."""
        span_index = len(self.spans)
        self.spans.append({})
        sent = self._batch(data, span_index)
        self._send(span_index, sent, None, self._select(data, sent, None))

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def answer(self, data):
        """Settle a delivery with random outcomes."""
        span_index = data.draw(st.sampled_from(sorted(self.in_flight)))
        sent, leftover, selection = self.in_flight.pop(span_index)
        indices = range(len(sent.lines)) if selection.fresh is None else selection.fresh
        outcomes = {
            sent.lines[i]: data.draw(
                st.sampled_from(["accepted", "accepted", "rejected", "unknown", "pending"])
            )
            for i in indices
        }
        accepted = [line for line, outcome in outcomes.items() if outcome == "accepted"]
        receipt = Receipt(
            accepted=len(accepted),
            rejections=tuple(
                rejection(n, by="miso") for n, outcome in outcomes.items() if outcome == "rejected"
            ),
            unknown=tuple(line for line, outcome in outcomes.items() if outcome == "unknown"),
            pending=tuple(line for line, outcome in outcomes.items() if outcome == "pending"),
            possible_duplicates=data.draw(st.integers(0, len(accepted))),
        )
        self.duplicates += receipt.possible_duplicates
        self._settle(
            span_index, sent, leftover, selection, receipt, abandon=data.draw(st.booleans())
        )
        self.spans[span_index].update(outcomes)

    @precondition(lambda self: not self.in_flight)
    @rule(data=st.data(), hold=st.booleans())
    def resend_leftovers(self, data, hold):
        """Resend the leftovers of earlier runs, with the same mapping or another."""
        for span in self.ledger.unfinished(self.scan, hold_unknown=hold):
            span_index = span.start // 100
            sent = self._batch(data, span_index)
            self._send(span_index, sent, span.leftover, self._select(data, sent, span.leftover))

    @rule()
    def crash(self):
        """Open the ledger again, as the run after a crash does."""
        self.ledger.close()
        self.ledger = Ledger(self.file)
        self.ledger.begin_run("1.0")
        for span_index, (_, leftover, _) in self.in_flight.items():
            if leftover is None:
                for line, outcome in self.spans[span_index].items():
                    if outcome in ("already_sent", "changed"):
                        self.spans[span_index][line] = "unknown"
        self.in_flight.clear()

    def _settle(self, span_index, sent, leftover, selection, receipt, *, abandon=False):
        settle(self.ledger, self.scan, sent, receipt, leftover, selection, abandon_unknown=abandon)
        rejected = {each.line for each in sent.rejections}
        for line in _rows_to_send(leftover, sent):
            if line not in sent.lines:
                self.spans[span_index][line] = "rejected" if line in rejected else "skipped"
        self._note_already_sent(span_index, sent, selection)
        for i in selection.held:
            self.spans[span_index][sent.lines[i]] = "unknown"

    @invariant()
    def rows_match_the_model(self):
        """The totals balance, and equal those of the model."""
        outcomes = Counter(outcome for span in self.spans for outcome in span.values())
        outcomes["already_sent"] += outcomes["changed"]
        totals = self.ledger.totals(self.scan)

        assert totals.balanced
        assert totals == Totals(
            rows=self.ROWS * len(self.spans), duplicates=self.duplicates, **outcomes
        )

    @invariant()
    def rejections_are_stored_once(self):
        """No rejection is lost or duplicated."""
        kept = Counter(each.line for each in self.ledger.rejections(self.scan))
        expected = Counter(
            line for span in self.spans for line, outcome in span.items() if outcome == "rejected"
        )

        assert kept == expected

    @invariant()
    def shared_keys_are_stored_once(self):
        """A further copy can be distinguished from the copy that Miso has."""
        kept = self.ledger.shared_keys(self.scan)

        assert kept is not None
        assert len(kept.keys) == self.ledger.totals(self.scan).already_sent


def _rows_to_send(leftover, sent):
    if leftover is None or leftover.everything:
        return set(range(1, sent.rows + 1))
    return leftover.unknown | leftover.pending


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
