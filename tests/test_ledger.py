import errno
import gc
import os
import sqlite3
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from delivery.stand_ins import batch, batch_of, record
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from miso_upload.accounting import Totals
from miso_upload.errors import LedgerError
from miso_upload.ledger import Ledger, Settlement
from miso_upload.ledger import database as database_module
from miso_upload.records import Leftover, Reason, Receipt, Rejection
from miso_upload.sources import Head

HEAD = Head(b'{"type":"like"}\n' * 10)
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
def entry(ledger):
    return ledger.register("history.jsonl", HEAD, "a recipe")


def settle(ledger, entry, sent, receipt, leftover=None, **options):
    """Settle as the pipeline does, and return the rejections that were new."""
    new = ledger.unseen(entry, sent, receipt, leftover)
    ledger.settle(entry, Settlement(sent, receipt, leftover, new, **options))
    return new


def rejection(line, by="schema"):
    return Rejection(line, BAD, {"row": line}, by=by)


def states(ledger, entry, *, hold_unknown=False):
    return [
        (span.start, span.state) for span in ledger.unfinished(entry, hold_unknown=hold_unknown)
    ]


# -- spans -----------------------------------------------------------------------------------------


def test_what_was_accepted_is_settled(ledger, entry):
    sent = batch(10)
    ledger.intend(entry, sent)

    settle(ledger, entry, sent, Receipt(accepted=10))

    assert ledger.totals(entry) == Totals(rows=10, accepted=10)
    assert states(ledger, entry) == []
    assert ledger.last_span(entry).end == sent.end


def test_rejections_of_both_judges_are_counted_and_kept(ledger, entry):
    sent = batch_of([record(1), record(3)], lines=[1, 3], rejections=(rejection(2),))
    ledger.intend(entry, sent)

    settle(ledger, entry, sent, Receipt(accepted=1, rejections=(rejection(3, by="miso"),)))

    assert ledger.totals(entry) == Totals(rows=3, accepted=1, rejected=2)
    assert [(each.line, each.by, each.reasons) for each in ledger.rejections(entry)] == [
        (2, "schema", BAD),
        (3, "miso", BAD),
    ]
    assert [span.start for span in ledger.spans_with_rejections(entry)] == [0]


def test_a_span_that_nothing_was_sent_of_is_settled_without_an_intent(ledger, entry):
    settle(ledger, entry, batch_of([], lines=[], rejections=(rejection(1),)), Receipt())

    assert ledger.totals(entry) == Totals(rows=1, rejected=1)


def test_an_intent_counts_as_unknown_from_the_start(ledger, entry):
    """A run that gives up waiting, and `status` after a crash, tell the truth."""
    ledger.intend(entry, batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),)))

    assert ledger.totals(entry) == Totals(rows=3, unknown=2, pending=1)
    assert ledger.open_unknown(entry) == 2


def test_what_a_crash_leaves_as_an_intent_is_unknown_to_the_next_run(reopen):
    ledger = reopen()
    entry = ledger.register("history.jsonl", HEAD, "")
    ledger.intend(entry, batch(5))

    ledger = reopen()

    (span,) = ledger.unfinished(entry, hold_unknown=False)
    assert (span.state, span.leftover) == ("unknown", Leftover(everything=True))
    assert ledger.totals(entry) == Totals(rows=5, unknown=5)


def test_an_intent_of_the_same_run_is_not_unfinished(ledger, entry):
    ledger.intend(entry, batch(5))

    assert states(ledger, entry) == []


def test_which_records_are_unknown_or_pending_is_kept(ledger, entry):
    ledger.intend(entry, batch(9))

    settle(ledger, entry, batch(9), Receipt(accepted=5, unknown=(2, 3, 4), pending=(9,)))

    (span,) = ledger.unfinished(entry, hold_unknown=False)
    assert span.leftover == Leftover(frozenset({2, 3, 4}), frozenset({9}))
    assert ledger.totals(entry) == Totals(rows=9, accepted=5, unknown=3, pending=1)


def test_a_leftover_is_added_to_what_was_accepted_before(ledger, entry):
    ledger.intend(entry, batch(9))
    settle(ledger, entry, batch(9), Receipt(accepted=5, unknown=(2, 3), pending=(8, 9)))
    (span,) = ledger.unfinished(entry, hold_unknown=False)
    ledger.intend(entry, batch(9))

    settle(ledger, entry, batch(9), Receipt(accepted=4, possible_duplicates=2), span.leftover)

    assert ledger.totals(entry) == Totals(rows=9, accepted=9, duplicates=2)
    assert states(ledger, entry) == []


def test_a_crash_while_a_leftover_is_sent_makes_all_of_it_unknown_and_nothing_else(reopen):
    ledger = reopen()
    entry = ledger.register("history.jsonl", HEAD, "")
    settle(ledger, entry, batch(9), Receipt(accepted=6, unknown=(2,), pending=(8, 9)))
    ledger.intend(entry, batch(9))

    ledger = reopen()

    (span,) = ledger.unfinished(entry, hold_unknown=False)
    assert span.leftover == Leftover(unknown=frozenset({2, 8, 9}))
    assert ledger.totals(entry) == Totals(rows=9, accepted=6, unknown=3)


def test_held_unknown_records_need_no_work_but_to_find_out_which_they_are(reopen):
    ledger = reopen()
    entry = ledger.register("history.jsonl", HEAD, "")
    ledger.intend(entry, batch(3))
    settle(ledger, entry, batch(3, start=30), Receipt(accepted=1, unknown=(1, 2)))
    settle(ledger, entry, batch(3, start=60), Receipt(accepted=1, unknown=(1,), pending=(2,)))
    ledger = reopen()

    assert states(ledger, entry) == [(0, "unknown"), (30, "unknown"), (60, "pending")]
    assert states(ledger, entry, hold_unknown=True) == [(0, "unknown"), (60, "pending")]
    assert ledger.open_unknown(entry) == 6


def test_abandoned_records_stay_unknown_and_wait_for_nobody(ledger, entry):
    receipt = Receipt(accepted=1, unknown=(1, 2))

    settle(ledger, entry, batch(3), receipt, abandon_unknown=True)

    assert states(ledger, entry) == []
    assert ledger.open_unknown(entry) == 0
    assert ledger.totals(entry) == Totals(rows=3, accepted=1, unknown=2)


def test_abandoning_does_not_forget_what_is_pending(ledger, entry):
    settle(ledger, entry, batch(3), Receipt(unknown=(1, 2), pending=(3,)), abandon_unknown=True)

    assert states(ledger, entry) == [(0, "pending")]


def test_rejections_of_a_span_that_is_sent_again_are_not_doubled(ledger, entry):
    sent = batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),))
    settle(ledger, entry, sent, Receipt(accepted=1, pending=(2,)))
    leftover = Leftover(pending=frozenset({2}))

    new = settle(ledger, entry, sent, Receipt(rejections=(rejection(2, by="miso"),)), leftover)

    assert [each.line for each in new] == [2]
    assert ledger.totals(entry) == Totals(rows=3, accepted=1, rejected=2)


def test_a_changed_mapping_may_reject_or_skip_what_was_left_over(ledger, entry):
    settle(ledger, entry, batch(4), Receipt(accepted=1, pending=(2, 3, 4)))
    now = batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),))

    settle(ledger, entry, now, Receipt(accepted=1), Leftover(pending=frozenset({2, 3, 4})))

    assert ledger.totals(entry) == Totals(rows=4, accepted=2, rejected=1, skipped=1)


def test_a_span_sent_whole_after_a_crash_counts_its_rows_as_they_are_now(reopen):
    ledger = reopen()
    entry = ledger.register("history.csv", HEAD, "")
    ledger.intend(entry, batch(3))
    ledger = reopen()

    settle(ledger, entry, batch(4), Receipt(accepted=4), Leftover(everything=True))

    assert ledger.totals(entry) == Totals(rows=4, accepted=4)


def test_starting_over_forgets_all_but_how_much_miso_had(ledger, entry):
    sent = batch_of([record(1), record(2)], lines=[1, 2], rejections=(rejection(3),))
    settle(ledger, entry, sent, Receipt(accepted=2))

    ledger.start_over(entry)
    again = ledger.meet_again(entry, "history.jsonl", HEAD, "another recipe")

    assert ledger.totals(again) == Totals()
    assert list(ledger.rejections(again)) == []
    assert ledger.last_span(again) is None
    assert (again.superseded, again.recipe) == (2, "another recipe")


def test_sources_do_not_mix(ledger, entry):
    other = ledger.register("other.jsonl", Head(b"another"), "")

    settle(ledger, other, batch(5), Receipt(accepted=5))

    assert ledger.totals(entry) == Totals()
    assert [each.name for each in ledger.entries()] == ["history.jsonl", "other.jsonl"]


# -- recognising -----------------------------------------------------------------------------------


def test_a_source_is_recognised_whatever_it_is_called(ledger, entry):
    assert ledger.recognise(HEAD) == entry


def test_a_source_is_recognised_when_it_has_grown(ledger, entry):
    assert ledger.recognise(Head(HEAD.data + b"and more")) == entry


def test_a_source_that_has_grown_is_known_by_more_of_it(ledger, entry):
    grown = Head(HEAD.data + b"and more")

    ledger.meet_again(entry, "history.jsonl.1", grown, "a recipe")

    assert ledger.recognise(grown).name == "history.jsonl.1"
    assert ledger.recognise(Head(HEAD.data + b"something else")) is None


def test_a_source_that_begins_differently_is_another(ledger, entry):
    assert ledger.recognise(Head(b"x" + HEAD.data)) is None
    assert ledger.recognise(Head(HEAD.data[:-1])) is None


def test_of_two_beginnings_the_longer_counts(ledger, entry):
    longer = ledger.register("longer.jsonl", Head(HEAD.data + b"1"), "")

    assert ledger.recognise(Head(HEAD.data + b"123")) == longer
    assert ledger.recognise(Head(HEAD.data + b"456")) == entry


def test_an_empty_source_is_recognised_in_no_other(ledger):
    ledger.register("empty.jsonl", Head(b""), "")

    assert ledger.recognise(HEAD) is None
    assert ledger.recognise(Head(b"")) is None


def test_a_name_need_not_be_utf8(ledger):
    name = os.fsdecode(b"caf\xe9.jsonl")

    entry = ledger.register(name, HEAD, "")

    assert entry.name == name
    assert ledger.recognise(HEAD).name == name


# -- the rejects file ------------------------------------------------------------------------------


def test_of_a_rejects_file_what_a_dead_run_did_not_commit_does_not_stay(reopen, tmp_path):
    ledger, rejects = reopen(), tmp_path / "rejects"
    entry = ledger.register("history.jsonl", HEAD, "")

    settle(ledger, entry, batch(1), Receipt(accepted=1), rejects_file=(rejects, 120))

    assert reopen().rejects_length(rejects) == 120


def test_of_a_rejects_file_all_stays_after_a_run_that_came_to_its_end(reopen, tmp_path):
    """Somebody else may have added to it since: the upload to another target, say."""
    ledger, rejects = reopen(), tmp_path / "rejects"
    entry = ledger.register("history.jsonl", HEAD, "")
    settle(ledger, entry, batch(1), Receipt(accepted=1), rejects_file=(rejects, 120))

    ledger.end_run(0)

    assert reopen().rejects_length(rejects) > 10**9


def test_a_rejects_file_can_be_unknown_or_forgotten(ledger, entry, tmp_path):
    rejects = tmp_path / os.fsdecode(b"caf\xe9")
    assert ledger.rejects_length(rejects) is None
    settle(ledger, entry, batch(1), Receipt(accepted=1), rejects_file=(rejects, 120))

    ledger.forget_rejects_file(rejects)

    assert ledger.rejects_length(rejects) is None


# -- the file --------------------------------------------------------------------------------------


def test_only_the_owner_may_read_it(ledger, entry, path):
    files = list(path.parent.iterdir())

    assert len(files) > 1  # the write-ahead log, too
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_it_says_of_its_target_is_kept_from_the_first_run(path):
    Ledger(path, {"server": "https://api.test"}).close()
    ledger = Ledger(path, {"server": "another"})

    assert ledger.about() == {"server": "https://api.test"}
    ledger.close()


def test_a_ledger_without_a_file_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(None)
    entry = ledger.register("history.jsonl", HEAD, "")
    settle(ledger, entry, batch(3), Receipt(accepted=3))

    assert ledger.totals(entry).accepted == 3
    ledger.close()
    assert list(tmp_path.iterdir()) == []


def test_a_newer_version_is_left_alone(path, ledger):
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()

    with pytest.raises(LedgerError, match="written by a newer miso-upload"):
        Ledger(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_said_with_a_way_out_and_left_alone(path, content):
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(LedgerError, match="can be moved away"):
        Ledger(path)

    assert path.read_bytes() == content


def test_a_damaged_page_is_said_where_it_is_met(path, ledger, entry):
    for start in range(0, 50_000, 100):
        settle(ledger, entry, batch(10, start=start), Receipt(accepted=10))
    ledger.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(path.stat().st_size - 8192))

    with pytest.raises(LedgerError, match="cannot be used"):  # noqa: PT012 -- wherever it is met
        damaged = Ledger(path)
        try:
            damaged.totals(entry)
        finally:
            damaged.close()


def test_a_state_directory_that_is_a_file_is_said(tmp_path):
    (tmp_path / "state").touch()

    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(tmp_path / "state" / "miso.ledger")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_directory_that_cannot_be_written_is_said(path, monkeypatch, number):
    def refuse(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(database_module.os, "open", refuse)

    with pytest.raises(LedgerError, match=os.strerror(number)):
        Ledger(path)


def fill(ledger):
    """Let the disk be full from here on."""
    (pages,) = ledger._db.row("PRAGMA page_count")
    ledger._db.row(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_said_and_leaves_nothing_half_done(path, reopen):
    ledger = reopen()
    entry = ledger.register("history.jsonl", HEAD, "")
    sent = batch_of([record(1)], lines=[1], rejections=tuple(map(rejection, range(2, 2000))))
    ledger.intend(entry, sent)
    fill(ledger)

    with pytest.raises(LedgerError, match="disk is full") as caught:
        settle(ledger, entry, sent, Receipt(accepted=1))

    assert "free some space" in str(caught.value)
    assert ledger.totals(entry) == Totals(rows=1999, unknown=1, pending=1998)
    assert list(ledger.rejections(entry)) == []


def test_a_ledger_goes_on_once_there_is_space_again(reopen):
    ledger = reopen()
    entry = ledger.register("history.jsonl", HEAD, "")
    sent = batch_of([record(1)], lines=[1], rejections=tuple(map(rejection, range(2, 2000))))
    fill(ledger)
    with pytest.raises(LedgerError):
        settle(ledger, entry, sent, Receipt(accepted=1))
    ledger._db.row("PRAGMA max_page_count = 1000000")

    settle(ledger, entry, sent, Receipt(accepted=1))

    assert ledger.totals(entry) == Totals(rows=1999, accepted=1, rejected=1998)


def test_a_ledger_that_cannot_be_opened_leaves_nothing_open(path, recwarn):
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(LedgerError):
        Ledger(path)
    gc.collect()

    assert [warning for warning in recwarn if warning.category is ResourceWarning] == []


# -- whatever happens ------------------------------------------------------------------------------


class Runs(RuleBasedStateMachine):
    """Any order of intents, settlements and crashes, with any receipt and any mapping.

    The model knows of each row of each span where it is: `accepted`, `rejected`, `skipped`,
    `unknown` or `pending`, and which were rejected when.
    """

    ROWS = 8

    def __init__(self):
        super().__init__()
        self.file = Path(mkdtemp()) / "miso.ledger"
        self.ledger = Ledger(self.file)
        self.ledger.begin_run("1.0")
        self.entry = self.ledger.register("history.jsonl", HEAD, "")
        self.spans = []
        self.under_way = {}
        self.duplicates = 0

    def teardown(self):
        """Close and remove the file."""
        self.ledger.close()
        for file in self.file.parent.iterdir():
            file.unlink()
        self.file.parent.rmdir()

    def _batch(self, data, place):
        """Return the batch of a span under some mapping."""
        fates = data.draw(
            st.lists(
                st.sampled_from(["record", "record", "record", "rejected", "skipped"]),
                min_size=self.ROWS,
                max_size=self.ROWS,
            )
        )
        lines = [line for line, fate in enumerate(fates, 1) if fate == "record"]
        rejections = tuple(
            rejection(line) for line, fate in enumerate(fates, 1) if fate == "rejected"
        )
        made = batch_of([record(line) for line in lines], lines=lines, rejections=rejections)
        return replace(made, start=100 * place, rows=self.ROWS, skipped=fates.count("skipped"))

    @precondition(lambda self: len(self.spans) < 6)
    @rule(data=st.data())
    def go_on(self, data):
        """Send the next span."""
        place = len(self.spans)
        self.spans.append({})
        sent = self._batch(data, place)
        if sent.lines:
            self.ledger.intend(self.entry, sent)
            self.under_way[place] = (sent, None)
            self.spans[place] = {
                line: "unknown" if line in sent.lines else "pending"
                for line in range(1, self.ROWS + 1)
            }
        else:
            self._settle(place, sent, None, Receipt())

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def answer(self, data):
        """Let some delivery come to its end, whichever way."""
        place = data.draw(st.sampled_from(sorted(self.under_way)))
        sent, leftover = self.under_way.pop(place)
        meant = [line for line in sent.lines if line in _meant(leftover, sent)]
        ends = {
            line: data.draw(
                st.sampled_from(["accepted", "accepted", "rejected", "unknown", "pending"])
            )
            for line in meant
        }
        accepted = [line for line, end in ends.items() if end == "accepted"]
        receipt = Receipt(
            accepted=len(accepted),
            rejections=tuple(
                rejection(n, by="miso") for n, end in ends.items() if end == "rejected"
            ),
            unknown=tuple(line for line, end in ends.items() if end == "unknown"),
            pending=tuple(line for line, end in ends.items() if end == "pending"),
            possible_duplicates=data.draw(st.integers(0, len(accepted))),
        )
        self.duplicates += receipt.possible_duplicates
        self._settle(place, sent, leftover, receipt, abandon=data.draw(st.booleans()))
        self.spans[place].update(ends)

    @precondition(lambda self: not self.under_way)
    @rule(data=st.data(), hold=st.booleans())
    def take_up_what_is_left(self, data, hold):
        """Send again what an earlier run left, with the same mapping or another."""
        for span in self.ledger.unfinished(self.entry, hold_unknown=hold):
            place = span.start // 100
            sent = self._batch(data, place)
            leftover = span.leftover
            if not sent.lines:
                self._settle(place, sent, leftover, Receipt())
                continue
            self.ledger.intend(self.entry, sent)
            self.under_way[place] = (sent, leftover)
            for line, fate in self.spans[place].items():
                if fate == "pending" and not leftover.everything:
                    self.spans[place][line] = "unknown"

    @rule()
    def crash(self):
        """Open the ledger anew, as the run after a crash does."""
        self.ledger.close()
        self.ledger = Ledger(self.file)
        self.ledger.begin_run("1.0")
        self.under_way.clear()

    def _settle(self, place, sent, leftover, receipt, *, abandon=False):
        settle(self.ledger, self.entry, sent, receipt, leftover, abandon_unknown=abandon)
        rejected = {each.line for each in sent.rejections}
        for line in _meant(leftover, sent):
            if line not in sent.lines:
                self.spans[place][line] = "rejected" if line in rejected else "skipped"

    @invariant()
    def each_row_is_where_the_model_has_it(self):
        """The equation holds, and each term of it is right."""
        fates = Counter(fate for span in self.spans for fate in span.values())
        totals = self.ledger.totals(self.entry)

        assert totals.balanced
        assert totals == Totals(
            rows=self.ROWS * len(self.spans), duplicates=self.duplicates, **fates
        )

    @invariant()
    def each_rejection_is_there_once(self):
        """Neither lost nor doubled."""
        kept = Counter(each.line for each in self.ledger.rejections(self.entry))
        expected = Counter(
            line for span in self.spans for line, fate in span.items() if fate == "rejected"
        )

        assert kept == expected


def _meant(leftover, sent):
    if leftover is None or leftover.everything:
        return set(range(1, sent.rows + 1))
    return leftover.unknown | leftover.pending


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
