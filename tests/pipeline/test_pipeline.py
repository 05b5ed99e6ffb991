import os
import signal
import threading
import weakref
from collections import Counter
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.delivery import DryRunDeliverer
from miso_upload.delivery.answers import Answer
from miso_upload.errors import (
    DamagedSourceError,
    DeliveryError,
    GoneSourceError,
    InterruptedRunError,
    KeyRefusedError,
    LedgerError,
    RejectRateError,
)
from miso_upload.ledger import Ledger
from miso_upload.ledger.rejects_file import RejectsFile
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.records import Batch, Receipt
from miso_upload.records.totals import Totals
from tests.helpers.desk import Crash, Desk, Loses, Moments, Mortal, ids, prepare, rows
from tests.helpers.doubles import ScriptedClient, record


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


# -- the way through -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json", "a.jsonl.gz"])
@pytest.mark.parametrize("concurrency", [0, 1, 4])
def test_every_row_arrives_once(desk, name, concurrency):
    summary = desk.run(desk.write(name, rows(23)), concurrency=concurrency)

    assert desk.held() == ids(23)
    assert summary.totals == Totals(rows=23, accepted=23)
    assert (summary.exit_code, summary.requests) == (0, 5)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json", "a.jsonl.gz"])
def test_the_same_command_again_sends_nothing(desk, name):
    name = desk.write(name, rows(23))
    desk.run(name)

    summary = desk.run(name)

    assert desk.held() == ids(23)
    assert (summary.totals, summary.before) == (Totals(rows=23, accepted=23),) * 2
    assert (summary.exit_code, summary.requests) == (0, 0)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz"])
def test_only_what_was_added_is_sent(desk, name):
    name = desk.write(name, rows(7))
    desk.run(name)
    desk.write(name, rows(12))

    desk.run(name)

    assert desk.held() == ids(12)
    assert desk.miso.requests[-1][0]["user_id"] == "u8"


def test_rejections_are_numbered_written_and_counted(desk):
    some = [*rows(4), {"user_id": ""}, *rows(4, start=6)]
    name = desk.write("a.jsonl", some)

    summary = desk.run(name)

    assert desk.rejected() == [(name, 5)]
    assert summary.totals == Totals(rows=9, accepted=8, rejected=1)
    assert (summary.exit_code, summary.sources[0].rejects_file) == (
        1,
        str(desk.path / "rejects.jsonl"),
    )


def test_what_miso_refused_is_written_with_the_rows_line(desk):
    desk.miso.bad = lambda each: each["user_id"] == "u7"
    name = desk.write("a.csv", rows(9))

    summary = desk.run(name)

    assert desk.rejected() == [(name, 8)]
    assert summary.totals == Totals(rows=9, accepted=8, rejected=1)


def test_two_sources_share_a_rejects_file_without_cutting_each_others_lines(desk):
    names = [
        desk.write(f"{letter}.jsonl", [record(letter), {"user_id": ""}] * 20) for letter in "ab"
    ]

    desk.run(*names, concurrency=3)
    desk.run(*names)

    assert sorted(desk.rejected()) == [(name, line) for name in names for line in range(2, 41, 2)]


def test_two_targets_share_a_rejects_file_without_cutting_each_others_lines(desk, tmp_path):
    other = Desk(tmp_path / "other")
    other.path.mkdir()
    shared = str(tmp_path / "rejects.jsonl")
    name = desk.write("a.jsonl", [record(1), {"user_id": ""}])
    later = desk.write("b.jsonl", [record(2), {"user_id": ""}])
    for each, what in ((desk, name), (other, name), (desk, later)):
        each.run(what, rejects=shared)

    assert desk.rejected(shared) == [(name, 2), (name, 2), (later, 2)]


def test_a_row_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(desk):
    some = [{"user_id": "x" * 5000}, *rows(9)]
    name = desk.write("a.jsonl", some)

    summary = desk.run(name, row_bytes=1000)
    again = desk.run(name, row_bytes=1000)

    assert desk.held() == ids(9)
    assert desk.rejected() == [(name, 1)]
    assert summary.totals == again.totals == Totals(rows=10, accepted=9, rejected=1)


@pytest.mark.parametrize(
    ("name", "text"), [("a.jsonl", ""), ("a.csv", "user_id\n"), ("a.json", "[]")]
)
def test_a_source_without_rows_is_recognised_in_no_other(desk, name, text):
    """Daily exports begin alike, and some day has no rows."""
    (desk.path / name).write_text(text)
    ending = name.partition(".")[2]
    others = [desk.write(f"{n}.{ending}", rows(9, start=10 * n)) for n in (1, 2)]

    for _ in range(2):
        summary = desk.run(str(desk.path / name), *others)

    assert desk.held() == ids(9, start=10) + ids(9, start=20)
    assert summary.exit_code == 0
    assert [each.totals.rows for each in summary.sources] == [0, 9, 9]


def test_a_dry_run_says_what_would_be_sent(desk):
    summary = desk.run(
        desk.write("a.jsonl", rows(12)), delivers=DryRunDeliverer(2**20), dry_run=True
    )

    assert desk.miso.requests == []
    assert summary.totals == Totals(rows=12, pending=12)
    assert summary.requests == 3


def test_few_batches_are_in_memory_at_a_time(desk):
    alive, most = 0, []

    class Watched(Batch):
        def __init__(self, *args, **options):
            nonlocal alive
            super().__init__(*args, **options)
            alive += 1
            weakref.finalize(self, gone)

    def gone():
        nonlocal alive
        alive -= 1

    class Counts:
        def deliver(self, batch, selection=None):
            most.append(alive)
            return Receipt(accepted=len(batch.lines))

    def watched(source):
        transform = prepare(source)

        def watch(block):
            made = transform(block)
            return Watched(**{field.name: getattr(made, field.name) for field in fields(made)})

        return watch

    desk.run(desk.write("a.jsonl", rows(200)), delivers=Counts(), concurrency=2, prepare=watched)

    assert len(most) == 40
    assert max(most) <= 4


# -- outcomes that nobody knows --------------------------------------------------------------------


def test_what_is_sent_again_is_counted_as_possible_duplicates(desk):
    desk.miso = Loses(2)

    summary = desk.run(desk.write("a.jsonl", rows(12)))

    assert desk.held() == ids(12) + ids(5, start=6)
    assert summary.totals == Totals(rows=12, accepted=12, duplicates=5)
    assert desk.doubted() == {6, 7, 8, 9, 10}


def test_what_is_held_stays_unknown_until_the_user_decides(desk):
    desk.miso = Loses(2)
    name = desk.write("a.jsonl", rows(12))

    first = desk.run(name, on_unknown="hold")
    second = desk.run(name, on_unknown="hold")
    held = desk.held()
    third = desk.run(name)

    assert first.totals == second.totals == Totals(rows=12, accepted=7, unknown=5)
    assert (first.exit_code, second.exit_code) == (1, 1)
    assert held == ids(12)
    assert third.totals == Totals(rows=12, accepted=12, duplicates=5)
    assert third.exit_code == 0


def test_what_is_skipped_is_given_up_for_good(desk):
    desk.miso = Loses(2)
    name = desk.write("a.jsonl", rows(12))

    first = desk.run(name, on_unknown="skip")
    second = desk.run(name)

    assert first.totals == second.totals == Totals(rows=12, accepted=7, unknown=5)
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert desk.held() == ids(12)


# -- stopping --------------------------------------------------------------------------------------


def test_a_refused_key_stops_the_run_and_the_next_one_goes_on(desk):
    name = desk.write("a.jsonl", rows(23))
    refusing = Desk(desk.path, ScriptedClient(desk.miso._answer, then=Answer(401)))
    refusing.miso.sizes = desk.miso.sizes = [0]

    first = refusing.run(name)
    desk.run(name)

    assert isinstance(first.stopped_by, KeyRefusedError)
    assert (first.exit_code, len(refusing.miso.requests)) == (4, 2)
    assert first.totals == Totals(rows=10, accepted=5, pending=5)
    assert desk.held() == ids(23)


def test_a_server_that_will_not_answer_stops_the_run_with_the_position_kept(desk):
    name = desk.write("a.jsonl", rows(23))
    busy = Desk(desk.path, ScriptedClient(then=Answer(503)))

    first = busy.run(name, concurrency=3)
    desk.run(name)

    assert isinstance(first.stopped_by, DeliveryError)
    assert first.exit_code == 3
    assert desk.held() == ids(23)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_with_the_position_kept(desk, number):
    name = desk.write("a.jsonl", rows(23))
    stop = StopSignal()

    def interrupt(records):
        os.kill(os.getpid(), number)
        return desk.miso._answer(records)

    with stop.on_signals():
        desk.miso.script = [desk.miso._answer, interrupt]
        first = desk.run(name, stop=stop)
    desk.run(name)

    assert isinstance(first.stopped_by, InterruptedRunError)
    assert first.exit_code == 128 + number
    assert first.totals == Totals(rows=10, accepted=10)
    assert desk.held() == ids(23)


def test_a_stop_from_another_thread_is_an_interruption_too(desk):
    name = desk.write("a.jsonl", rows(23))
    stop = StopSignal()
    desk.miso.script = [lambda records: (stop.set(), desk.miso._answer(records))[1]]

    first = desk.run(name, stop=stop)

    assert (first.exit_code, first.totals) == (130, Totals(rows=5, accepted=5))


def test_a_stop_before_the_start_sends_nothing(desk):
    stop = StopSignal()
    stop.set()

    summary = desk.run(desk.write("a.jsonl", rows(23)), stop=stop)

    assert desk.miso.requests == []
    assert summary.exit_code == 130


def test_what_does_not_end_in_time_is_left_as_unknown(desk, monkeypatch):
    monkeypatch.setattr("miso_upload.pipeline.loop._SECONDS_TO_FINISH", 0.05)
    never = threading.Event()
    name = desk.write("a.jsonl", rows(5))
    stop = StopSignal()

    class Hangs:
        def deliver(self, batch, selection=None):
            stop.set()
            never.wait(30)
            return Receipt(accepted=len(batch.lines))

    first = desk.run(name, stop=stop, delivers=Hangs(), concurrency=1)
    never.set()
    second = desk.run(name)

    assert first.totals == Totals(rows=5, unknown=5)
    assert first.exit_code == 130
    assert second.totals == Totals(rows=5, accepted=5, duplicates=5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name is needed")
@pytest.mark.parametrize("opened", [True, False])
def test_a_read_that_waits_for_input_is_interrupted(desk, opened):
    """Before anybody writes to the pipe, and while somebody does."""
    path = desk.path / "pipe.jsonl"
    os.mkfifo(path)
    stop = StopSignal()
    writer = os.open(path, os.O_RDWR) if opened else None
    if opened:
        os.write(writer, b'{"user_id":"u1"}\n')
    alarm = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    alarm.start()

    with stop.on_signals():
        summary = desk.run(str(path), stop=stop)

    assert summary.exit_code == 143
    if opened:
        os.close(writer)


@pytest.mark.parametrize("concurrency", [0, 2])
def test_a_defect_in_a_delivery_is_not_swallowed_and_nothing_hangs(desk, concurrency):
    class Broken:
        def deliver(self, batch, selection=None):
            raise ZeroDivisionError

    name = desk.write("a.jsonl", rows(23))
    with pytest.raises(ZeroDivisionError):
        desk.run(name, delivers=Broken(), concurrency=concurrency)

    summary = desk.run(name)

    assert summary.totals.accepted == 23
    assert 5 <= summary.totals.duplicates <= 15


# -- inputs without rows, damaged or gone ----------------------------------------------------------


def test_a_new_input_of_which_nothing_was_read_is_not_remembered(desk):
    desk.run(desk.write("a.jsonl", [{"visitor": "v"}] * 12))

    assert desk.stored() == [[], [], [], []]


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.jsonl", ""), ("a.csv", "user_id\n"), ("a.jsonl", "\n\n"), ("a.json", "[]")],
)
def test_an_input_without_rows_is_told_each_time(desk, name, text, golden):
    (desk.path / name).write_text(text)

    for _ in range(2):
        summary = desk.run(str(desk.path / name))
        assert summary.exit_code == 0
        assert desk.notes == golden


def test_a_damaged_source_is_delivered_up_to_the_damage_and_the_others_go_on(desk):
    name = desk.write("a.jsonl.gz", [record(n, noise=os.urandom(50).hex()) for n in range(1, 3000)])
    path = desk.path / "a.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-50_000])

    summary = desk.run(name, desk.write("b.jsonl", rows(5, start=5000)), rows=100)

    assert [type(problem) for problem in summary.problems] == [DamagedSourceError]
    assert summary.exit_code == 3
    assert summary.totals.balanced
    assert desk.held()["u1"] == desk.held()["u5000"] == 1


def test_a_source_that_is_gone_does_not_keep_the_others_from_going_on(desk):
    summary = desk.run(str(desk.path / "gone.jsonl"), desk.write("b.jsonl", rows(5)))

    assert [type(problem) for problem in summary.problems] == [GoneSourceError]
    assert desk.held() == ids(5)


# -- junk ------------------------------------------------------------------------------------------


def test_a_first_block_without_a_good_row_stops_the_run_before_anything_is_remembered(desk, golden):
    name = desk.write("a.jsonl", [{"visitor": "v"}] * 12)

    summary = desk.run(name)

    assert isinstance(summary.stopped_by, RejectRateError)
    assert str(summary.stopped_by) == golden
    assert summary.totals == Totals()
    assert desk.rejected() == []


def test_a_later_block_may_be_all_bad(desk):
    name = desk.write("a.jsonl", rows(5) + [{"user_id": ""}] * 5 + rows(5, start=11))

    summary = desk.run(name)

    assert summary.totals == Totals(rows=15, accepted=10, rejected=5)
    assert summary.exit_code == 1


def test_a_known_source_may_go_on_with_bad_rows(desk):
    name = desk.write("a.jsonl", rows(5))
    desk.run(name)
    desk.write("a.jsonl", rows(5) + [{"user_id": ""}] * 5)

    assert desk.run(name).totals == Totals(rows=10, accepted=5, rejected=5)


def mixed(good, bad):
    return [record(n) if n % (good + bad) < good else {"user_id": ""} for n in range(12_000)]


def test_too_many_rejections_stop_the_run(desk, golden):
    summary = desk.run(desk.write("a.jsonl", mixed(4, 1)), rows=1000)

    assert isinstance(summary.stopped_by, RejectRateError)
    assert str(summary.stopped_by) == golden
    assert summary.totals == Totals(rows=9000, accepted=7200, rejected=1800)


def test_rejections_by_miso_count_too(desk):
    desk.miso.bad = lambda each: each["user_id"].endswith(("1", "2"))

    summary = desk.run(desk.write("a.jsonl", rows(12_000)), rows=1000)

    assert isinstance(summary.stopped_by, RejectRateError)


@pytest.mark.parametrize(("good", "most"), [(20, 0.1), (1, 0.6), (4, 1)])
def test_as_many_rejections_as_the_user_allows_are_no_reason_to_stop(desk, good, most):
    summary = desk.run(desk.write("a.jsonl", mixed(good, 1)), rows=1000, max_reject_rate=most)

    assert summary.stopped_by is None
    assert summary.totals.rows == 12_000


def test_a_dry_run_goes_on_and_says_that_an_upload_would_stop(desk, golden):
    summary = desk.run(
        desk.write("a.jsonl", [{"visitor": "v"}] * 12),
        delivers=DryRunDeliverer(2**20),
        dry_run=True,
    )

    (advice,) = summary.advice
    assert advice == golden
    assert summary.totals == Totals(rows=12, rejected=12)


# -- files that cannot be written ------------------------------------------------------------------


class Fails:
    """Stands before a part; some of its methods fail from some call on."""

    def __init__(self, part, error, **after):
        self.part, self.error, self.after = part, error, after

    def __getattr__(self, name):
        """Return a method that counts down, or whatever else the part has."""
        found = getattr(self.part, name)
        if name not in self.after:
            return found

        def call(*args, **options):
            self.after[name] -= 1
            if self.after[name] < 0:
                raise self.error
            return found(*args, **options)

        return call


def test_rejects_that_cannot_be_written_stop_the_run_but_what_miso_took_is_noted(desk):
    name = desk.write("a.jsonl", [record(1), {"user_id": ""}] * 10)
    full = LedgerError("the rejects file cannot be written")

    summary = desk.run(
        name, wrap=lambda part: Fails(part, full, add=1) if isinstance(part, RejectsFile) else part
    )
    again = desk.run(name)

    assert summary.stopped_by is full
    assert summary.totals == Totals(rows=10, accepted=5, rejected=5)
    assert again.totals == Totals(rows=20, accepted=10, rejected=10)
    assert sum(desk.held().values()) == 10
    assert Counter(desk.rejected()).most_common(1)[0][1] == 1


@pytest.mark.parametrize("method", ["intend", "settle"])
@pytest.mark.parametrize("concurrency", [0, 3])
def test_a_ledger_that_cannot_be_written_stops_the_run_and_nothing_is_lost(
    desk, method, concurrency
):
    name = desk.write("a.jsonl", [record(1), {"user_id": ""}, *rows(30, start=2)])
    full = LedgerError("the disk is full")

    summary = desk.run(
        name,
        concurrency=concurrency,
        wrap=lambda part: Fails(part, full, **{method: 2}) if isinstance(part, Ledger) else part,
    )
    again = desk.run(name)

    assert summary.stopped_by is full
    assert summary.exit_code == 3
    assert again.totals.balanced
    assert again.totals.accepted == 31
    assert set(desk.held()) == set(ids(31))
    assert sum(desk.held().values()) - 31 <= again.totals.duplicates
    assert desk.rejected() == [(name, 2)]


def test_rejects_that_the_ledger_could_not_commit_are_not_written_twice(desk):
    name = desk.write("a.jsonl", [record(1), {"user_id": ""}] * 10)
    full = LedgerError("the disk is full")

    desk.run(
        name, wrap=lambda part: Fails(part, full, settle=1) if isinstance(part, Ledger) else part
    )
    desk.run(name)

    assert sorted(desk.rejected()) == [(name, line) for line in range(2, 21, 2)]


# -- the program dies ------------------------------------------------------------------------------


def history(count):
    """Return rows of which some are bad, and some are bad in Miso's opinion only."""
    return [
        record(n) if n % 7 else {"user_id": ""} if n % 2 else {"user_id": f"refused-{n}"}
        for n in range(1, count + 1)
    ]


def check_that_nothing_was_lost(desk, name, summary, count):
    header = name.endswith(".csv")
    good = {f"u{n}": n + header for n in range(1, count + 1) if n % 7}
    bad = [(name, n + header) for n in range(7, count + 1, 7)]
    held, doubted = desk.held(), desk.doubted()
    assert set(held) == set(good)
    assert {good[each] for each, times in held.items() if times > 1} <= doubted
    assert sum(times > 1 for times in held.values()) <= summary.totals.duplicates
    assert sorted(desk.rejected()) == bad
    assert summary.totals == Totals(
        rows=count, accepted=len(good), rejected=len(bad), duplicates=summary.totals.duplicates
    )


def run_until_it_is_through(desk, name, deaths, **options):
    """Run again and again; the first runs die at the given steps. Return how many died."""
    died = 0
    for last in deaths:
        moments = Moments(last)
        try:
            desk.run(name, wrap=lambda part, m=moments: Mortal(part, m), **options)
        except Crash:
            died += 1
    return died, desk.run(name, **options)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_nothing_is_lost_at_whichever_step_it_dies(tmp_path, name):
    count, last = 24, 0
    died = True
    while died:
        last += 1
        (tmp_path / str(last)).mkdir()
        desk = Desk(tmp_path / str(last), Loses(3, bad=lambda each: "refused" in each["user_id"]))
        path = desk.write(name, history(count))

        died, summary = run_until_it_is_through(desk, path, [last])

        check_that_nothing_was_lost(desk, path, summary, count)
    assert last > 40


@settings(max_examples=60, deadline=None)
@given(
    deaths=st.lists(st.integers(1, 60), max_size=6),
    lost=st.lists(st.integers(1, 20), max_size=4),
    concurrency=st.integers(0, 3),
    name=st.sampled_from(["a.jsonl", "a.csv", "a.json", "a.jsonl.gz"]),
)
def test_nothing_is_lost_however_often_it_dies(tmp_path_factory, deaths, lost, concurrency, name):
    desk = Desk(
        tmp_path_factory.mktemp("deaths"),
        Loses(*lost, bad=lambda each: "refused" in each["user_id"]),
    )
    path = desk.write(name, history(40))

    _, summary = run_until_it_is_through(desk, path, deaths, concurrency=concurrency)

    check_that_nothing_was_lost(desk, path, summary, 40)
