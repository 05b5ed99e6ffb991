"""The same command every night, over a log that is written and rotated: each row is sent once."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload import Settings, upload
from miso_upload.pipeline import run as assembly
from miso_upload.report.listener import Listener
from miso_upload.sandbox import Sandbox
from tests.helpers.doubles import Miso, deliverer
from tests.helpers.processes import started_program
from tests.helpers.rotating import KINDS, Site
from tests.helpers.rows import row, write_rows

KINDS_BY_NAME = pytest.mark.parametrize("rows", KINDS, ids=lambda rows: rows.name)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="an open log cannot be renamed there")


class Hears(Listener):
    """Keeps what is noted."""

    def __init__(self):
        self.notes = []

    def noted(self, text):
        """Keep it."""
        self.notes.append(text)


def numbers(site, records):
    """Return how often each row's number is among the records."""
    return Counter(map(site.rows.number, records))


# -- real processes --------------------------------------------------------------------------------


class Nights:
    """The nightly command, as a process, against one sandbox."""

    def __init__(self, site, sandbox, place, form):
        self.site = site
        self.sandbox = sandbox
        self.inputs = f"{site.directory}/{site.name}*" if form == "pattern" else site.directory
        self.report = place / "report.json"
        self.rows = 0

    def command(self, *more):
        """Return the arguments of every night."""
        return [
            *(self.inputs, "--growing", "--quiet", "--server", self.sandbox.url),
            *("--chunk-size", 50, "--report", self.report, *self.site.rows.options, *more),
        ]

    def start(self, *more):
        """Start the run of a night."""
        return started_program(
            *self.command(*more),
            env={**os.environ, "MISO_API_KEY": self.sandbox.key},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *more):
        """Run to the end, and return the exit code and everything that was printed."""
        with self.start(*more) as process:
            shown, _ = process.communicate(timeout=120)
        return process.returncode, shown

    def run_well(self):
        """Run as on a night on which nothing happens, and see that the numbers add up.

        Without workers, which would start for each compressed log: its size is not known.
        """
        assert self.run("--workers", 0) == (0, "")
        report = json.loads(self.report.read_text())
        now, total = report["this_run"], report["totals"]
        assert now["rows"] == now["accepted"] + now["already_sent"]
        assert now["accepted"] == len(self.site.complete) - self.rows
        assert total["rows"] == sum(
            total[part]
            for part in ("accepted", "already_sent", "rejected", "skipped", "unknown", "pending")
        )
        self.rows = len(self.site.complete)
        assert numbers(self.site, self.sandbox.records()) == Counter(self.site.complete)


WEEKS = {
    "numbers": {},
    "numbers, compressed at once": {"delayed": False},
    "numbers, three kept": {"kept": 3},
    "dates": {"dated": True},
    "copied and truncated": {"copies": True},
    "copied and truncated, dates": {"copies": True, "dated": True},
}


@POSIX
@KINDS_BY_NAME
@pytest.mark.parametrize("form", ["pattern", "directory"])
@pytest.mark.parametrize("week", WEEKS)
def test_a_week_of_nights_sends_each_row_once(tmp_path, rows, form, week):
    draw = random.Random(week)
    with (
        closing(Site(tmp_path / "logs", rows, **WEEKS[week])) as site,
        Sandbox(store=tmp_path / "store.sqlite") as sandbox,
    ):
        nights = Nights(site, sandbox, tmp_path, form)
        for night in range(7):
            site.write(draw.randrange(1, 200))
            if night % 2:
                site.begin_row(draw.random())
            # On some nights the log is rotated before the run, on others after it.
            if night in (1, 2, 5):
                site.rotate()
                site.write(draw.randrange(3))
            nights.run_well()
            if night in (3, 4):
                site.write(draw.randrange(100))
                site.rotate()
        site.finish()
        nights.run_well()
        nights.run_well()


@POSIX
@KINDS_BY_NAME
def test_nights_that_are_killed_are_caught_up_with(tmp_path, rows):
    draw = random.Random(7)
    killed = 0
    with (
        closing(Site(tmp_path / "logs", rows)) as site,
        Sandbox(store=tmp_path / "store.sqlite") as sandbox,
    ):
        nights = Nights(site, sandbox, tmp_path, "directory")
        for _ in range(7):
            site.write(1500)
            with nights.start("--json") as process:
                process.stdout.readline()
                time.sleep(draw.random() * 0.2)
                process.send_signal(signal.SIGKILL)
                process.communicate()
            killed += process.returncode == -signal.SIGKILL
            site.begin_row()
            site.rotate()
        site.finish()
        assert nights.run()[0] in (0, 1)  # 1: an answer that was lost is told of
        arrived = numbers(site, sandbox.records())
    report = json.loads(nights.report.read_text())

    assert killed >= 3
    assert set(arrived) == site.complete
    assert sum(count > 1 for count in arrived.values()) <= report["totals"]["duplicates"]
    assert report["totals"]["rows"] == report["totals"]["accepted"] == len(site.complete)


@POSIX
@KINDS_BY_NAME
def test_a_night_that_finds_another_at_work_leaves_it_to_the_next(tmp_path, rows, golden):
    with (
        closing(Site(tmp_path / "logs", rows)) as site,
        Sandbox(store=tmp_path / "store.sqlite") as sandbox,
    ):
        site.write(10)
        nights = Nights(site, sandbox, tmp_path, "directory")
        nights.run_well()
        (ledger,) = (tmp_path / "state").glob("*.ledger")
        site.write(10)
        with FileLock(f"{ledger}.lock"):
            code, shown = nights.run()
        assert (code, shown.count("\n")) == (5, 1)
        assert shown == golden
        site.rotate()
        site.write(10)
        nights.run_well()


# -- many weeks in one process ---------------------------------------------------------------------

steps = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 30), st.sampled_from([0, 1, 60])),
    st.tuples(st.just("begin_row"), st.floats(0, 1)),
    st.tuples(st.just("rotate")),
    st.tuples(st.just("run")),
)
sites = st.fixed_dictionaries(
    {
        "dated": st.booleans(),
        "copies": st.booleans(),
        "delayed": st.booleans(),
        "kept": st.sampled_from([1, 2, 100]),
    }
)


class Desk:
    """One user in this process, and a Miso without a network."""

    def __init__(self, place, monkeypatch):
        self.place = place
        self.miso = Miso()
        self.notes = []
        monkeypatch.setattr(
            assembly, "_deliverer", lambda _, stop, __: deliverer(self.miso, stop=stop)
        )

    def run(self, *inputs, **options):
        """Run as every night, and return the summary."""
        listener = Hears()
        # The size of a compressed log is not known, so that "auto" would start workers for it.
        usual = {"growing": True, "format": "jsonl", "chunk_size": 7, "workers": 0}
        options = {**usual, "state_dir": self.place / "state", **options}
        summary = upload(
            Settings.of(
                inputs=tuple(map(str, inputs)),
                api_key="a-key",
                **options,
            ),
            listener,
        )
        self.notes = listener.notes
        return summary

    def run_well(self, site, form):
        """Run, and see that each row is at Miso once and accounted for."""
        before = len(self.miso.held)
        name = f"{site.directory}/{site.name}*" if form == "pattern" else site.directory
        summary = self.run(name)
        now = summary.totals - summary.before
        assert (summary.exit_code, summary.problems) == (0, [])
        assert numbers(site, self.miso.held) == Counter(site.complete)
        assert now.rows == now.accepted + now.already_sent
        assert now.accepted == len(self.miso.held) - before
        assert summary.balanced

    def held(self):
        """Return how often Miso has each user's row."""
        return Counter(record["user_id"] for record in self.miso.held)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    return Desk(tmp_path, monkeypatch)


def users(count, start=1):
    """Return what Miso has when it has the row of each user once."""
    return Counter(f"user-{number}" for number in range(start, start + count))


def lines(count, start=1):
    """Return rows of as many users."""
    return [row(number) for number in range(start, start + count)]


@POSIX
@pytest.mark.parametrize("form", ["pattern", "directory"])
@settings(deadline=None, max_examples=60)
@given(st.lists(steps, max_size=25), sites)
def test_whatever_happens_between_runs_each_row_is_sent_once(tmp_path_factory, form, schedule, how):
    place = tmp_path_factory.mktemp("site")
    with closing(Site(place / "logs", **how)) as site, pytest.MonkeyPatch.context() as monkeypatch:
        desk = Desk(place, monkeypatch)
        for step, *values in schedule:
            if step == "run":
                desk.run_well(site, form)
                continue
            if step == "rotate" and len(site.rotated()) >= site.kept:
                desk.run_well(site, form)  # or rows would be deleted that nobody has read
            getattr(site, step)(*values)
        site.finish()
        desk.run_well(site, form)


def test_the_beginning_of_a_row_is_no_log_that_is_known(desk, tmp_path):
    """It is how every other log begins, too."""
    begun = tmp_path / "begun.log"
    begun.write_text('{"type": "product_detail_page_view", "timestamp": "2024-05-')
    others = [
        write_rows(tmp_path / "b.log", lines(9)),
        write_rows(tmp_path / "c.log", lines(5, start=10)),
    ]

    for _ in range(2):
        assert desk.run(begun, *others).exit_code == 0

    assert desk.held() == users(14)


# -- moments of a rotation -------------------------------------------------------------------------


@pytest.mark.parametrize("known", [0, 30])
def test_a_copy_in_the_making_is_no_problem_beside_the_whole(desk, tmp_path, known):
    """As copytruncate makes one, and the log is truncated a moment later."""
    log = write_rows(tmp_path / "logs" / "access.log", lines(known))
    if known:
        desk.run(log)
    write_rows(log, lines(40))
    part = log.read_bytes()[:2000]
    (log.parent / "access.log.1").write_bytes(part)

    summary = desk.run(log.parent)

    assert (summary.exit_code, summary.problems) == (0, [])
    assert desk.held() == users(40)


@pytest.mark.parametrize("known", [0, 30])
def test_a_file_that_is_being_compressed_is_no_problem_beside_the_plain_one(desk, tmp_path, known):
    log = write_rows(tmp_path / "logs" / "access.log.2", lines(40))
    if known:
        desk.run(log)
    part = gzip.compress(log.read_bytes())[:200]
    (log.parent / "access.log.2.gz").write_bytes(part)

    summary = desk.run(log.parent)

    assert (summary.exit_code, summary.problems) == (0, [])
    assert desk.held() == users(40)


def test_a_cut_off_copy_without_the_whole_is_a_problem(desk, tmp_path, golden):
    log = write_rows(tmp_path / "logs" / "access.log.2", lines(40))
    desk.run(log)
    (log.parent / "access.log.2.gz").write_bytes(gzip.compress(log.read_bytes())[:200])
    log.unlink()

    summary = desk.run(log.parent)

    assert summary.exit_code == 3
    assert str(summary.problems[0]) == golden
    assert desk.held() == users(40)


def test_damage_behind_the_end_of_the_other_copy_is_a_problem(desk, tmp_path):
    log = write_rows(tmp_path / "logs" / "access.log.2", lines(40))
    compressed = log.parent / "access.log.2.gz"
    compressed.write_bytes(gzip.compress(log.read_bytes()) + b"not gzip at all")
    write_rows(log, lines(10))

    summary = desk.run(log, compressed)

    assert summary.exit_code == 3
    assert desk.held() == users(40)


def test_an_earlier_copy_with_a_row_that_was_being_written_is_no_problem(desk, tmp_path):
    log = write_rows(tmp_path / "access.log", lines(7))
    log.write_bytes(log.read_bytes() + b'{"type": "sea')
    copy = tmp_path / "copy.log"
    copy.write_bytes(log.read_bytes())
    desk.run(log)
    write_rows(log, lines(40))
    desk.run(log)

    summary = desk.run(copy)

    assert (summary.exit_code, summary.problems) == (0, [])
    assert summary.sources[0].already_sent_from == {str(log): 7}
    assert desk.held() == users(40)


def test_the_files_of_a_log_are_sent_oldest_first_by_their_times(desk, tmp_path):
    moments = {"access.log": "03", "access.log.1": "01", "access.log.2.gz": "02"}
    for name, day in moments.items():
        log = write_rows(
            tmp_path / "logs" / name, [row(int(day), timestamp=f"2026-03-{day}T00:00Z")]
        )
        if name.endswith(".gz"):
            log.write_bytes(gzip.compress(log.read_bytes()))

    summary = desk.run(*(tmp_path / "logs" / name for name in moments))

    names = [
        f"{tmp_path}/logs/{name}" for name in ("access.log.1", "access.log.2.gz", "access.log")
    ]
    assert [source.name for source in summary.sources] == names


def test_a_log_that_is_gone_since_it_was_listed_holds_up_no_other(
    desk, tmp_path, monkeypatch, golden
):
    log = write_rows(tmp_path / "access.log", lines(5))
    monkeypatch.setattr(
        assembly, "expand_inputs", lambda *_, **__: ([str(tmp_path / "access.log.1"), str(log)], [])
    )

    summary = desk.run(tmp_path)

    assert summary.exit_code == 3
    assert str(summary.problems[0]) == golden
    assert desk.held() == users(5)


def test_a_new_log_that_begins_with_a_bad_row_does_not_hold_up_the_others(desk, tmp_path):
    write_rows(tmp_path / "logs" / "a.log", lines(50))
    desk.run(tmp_path / "logs")
    write_rows(tmp_path / "logs" / "b.log", ["not JSON"])
    write_rows(tmp_path / "logs" / "c.log", lines(5, start=51))

    summary = desk.run(tmp_path / "logs")

    assert (summary.exit_code, summary.totals.rejected) == (1, 1)
    assert desk.held() == users(55)


def test_a_new_log_of_many_bad_rows_only_stops_the_run(desk, tmp_path, golden):
    write_rows(tmp_path / "logs" / "a.log", lines(50))
    desk.run(tmp_path / "logs")
    write_rows(tmp_path / "logs" / "b.log", ["not JSON"] * 200)

    summary = desk.run(tmp_path / "logs", chunk_size=1000)

    assert summary.exit_code == 2
    assert str(summary.stopped_by) == golden


@pytest.mark.parametrize("name", ["access.log.2.gz", "access.log.2"])
def test_a_row_whose_end_never_came_is_rejected_when_its_log_is_compressed(desk, tmp_path, name):
    log = write_rows(tmp_path / "logs" / "access.log.1", lines(9))
    log.write_bytes(log.read_bytes() + b'{"type": "sea')
    assert desk.run(log.parent).totals.rows == 9
    compressed = log.parent / name
    compressed.write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()

    summary = desk.run(log.parent)

    assert (summary.totals.rows, summary.totals.rejected, summary.exit_code) == (10, 1, 1)
    assert desk.run(log.parent).exit_code == 0


def test_a_finished_log_without_a_final_newline_loses_no_row(desk, tmp_path):
    log = write_rows(tmp_path / "logs" / "access.log-20260301", lines(9))
    log.write_bytes(log.read_bytes().removesuffix(b"\n"))
    assert desk.run(log.parent).sources[0].waiting is not None
    assert desk.held() == users(8)
    write_rows(log.parent / "access.log-20260302", lines(3, start=10))
    desk.run(log.parent)  # it is not left alone for long enough
    assert desk.held() == users(8) + users(3, start=10)
    written = log.stat().st_mtime - 60
    os.utime(log, (written, written))

    summary = desk.run(log.parent)

    assert (summary.exit_code, summary.sources[0].waiting) == (0, None)
    assert desk.held() == users(12)


def test_a_source_that_was_sent_with_its_half_row_is_known_to_a_run_that_would_wait(desk, tmp_path):
    log = write_rows(tmp_path / "access.log", lines(9))
    log.write_bytes(log.read_bytes() + b'{"type": "sea')
    desk.run(log, growing=False)

    desk.run(log, growing=True)

    assert desk.held() == users(9)


def test_a_json_array_that_grows_is_known_each_night(desk, tmp_path):
    log = tmp_path / "history.json"
    for count in (1, 2, 5):
        log.write_text("[" + ",\n".join(map(json.dumps, lines(count))) + "\n]")
        assert desk.run(log, format="json").exit_code == 0

    assert desk.held() == users(5)


def test_what_the_run_itself_writes_into_the_directory_is_no_input(desk, tmp_path):
    write_rows(tmp_path / "logs" / "access.log", [*lines(50), "not JSON"])
    mine = {name: str(tmp_path / "logs" / name) for name in ("rejects", "report")}

    for code in (1, 0):
        summary = desk.run(tmp_path / "logs", **mine, state_dir=tmp_path / "logs")
        assert (summary.exit_code, len(summary.sources)) == (code, 1)


def test_the_key_is_no_input(desk, tmp_path, golden):
    write_rows(tmp_path / "logs" / "access.log", lines(5))
    (tmp_path / "logs" / "miso.key").write_text("a-key\n")

    summary = desk.run(tmp_path / "logs")

    assert [source.name for source in summary.sources] == [f"{tmp_path}/logs/access.log"]
    assert desk.notes == golden
