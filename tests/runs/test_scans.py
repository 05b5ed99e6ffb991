"""A source is read again only where nothing proves that it was; content decides what is sent."""

import contextlib
import gzip
import os
import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload.errors import (
    ChangedJobError,
    DamagedSourceError,
    UnprovenSourceError,
)
from miso_upload.ledger import Ledger
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.pipeline.job_changes import changed_options
from miso_upload.records.totals import Totals
from miso_upload.sources import checksums
from miso_upload.sources.watching import WatchedInput
from miso_upload.transform.content_keys.keys import ContentKeys
from tests.helpers.desk import (
    LOST,
    SECRET,
    Crash,
    Desk,
    Loses,
    Moments,
    Mortal,
    dated,
    ids,
    prepare,
    preparing,
    rows,
)
from tests.helpers.doubles import Miso, record
from tests.helpers.old_ledgers import write_old_ledger

LARGE = 400
"""So many rows have a beginning that sources are looked for by."""


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def settled(monkeypatch):
    """Let files be as old as it takes for their times to be trusted."""
    monkeypatch.setattr(checksums, "_RACY_NS", -(10**18))


@pytest.fixture
def read_bytes(monkeypatch):
    """Count the bytes that are read of inputs."""
    counted = Counter()
    readinto = WatchedInput.readinto

    def count(self, buffer):
        size = readinto(self, buffer)
        counted["bytes"] += size or 0
        return size

    monkeypatch.setattr(WatchedInput, "readinto", count)
    return counted


def watched(seen, prepare=prepare):
    """Return a `prepare` that notes the first line of each block that is transformed."""

    def prepare_and_watch(source):
        transform = prepare(source)

        def watch(block):
            seen.append(block.first_line)
            return transform(block)

        return watch

    return prepare_and_watch


def stop_after(desk, requests):
    """Return a signal that stops a run with the answer to one of its requests."""
    stop = StopSignal()

    def answer(records):
        if len(desk.miso.requests) == requests:
            stop.set()
        return desk.miso._answer(records)

    desk.miso.script = [answer] * requests
    return stop


def rename(name, to):
    return str(Path(name).rename(to))


def compress(name, to):
    """Compress a file, as logrotate does: the plain one is gone."""
    Path(to).write_bytes(gzip.compress(Path(name).read_bytes()))
    Path(name).unlink()
    return str(to)


# -- the states of a scan --------------------------------------------------------------------------


def test_a_source_read_to_its_end_is_a_complete_scan(desk):
    name = desk.write("a.jsonl", rows(7))

    desk.run(name)

    (scan,) = desk.scans()
    assert (scan.name, scan.key, scan.complete) == (name, name, True)


def test_a_scan_that_is_being_read_is_not_complete(desk):
    name = desk.write("a.jsonl", rows(7))
    seen = []

    def look(records):
        seen.extend(desk.scans())
        return desk.miso._answer(records)

    desk.miso.script = [look]
    desk.run(name)

    assert [scan.complete for scan in seen] == [False]


def test_an_interrupted_scan_is_resumed(desk):
    name = desk.write("a.jsonl", rows(23))
    desk.run(name, stop=stop_after(desk, 2))
    (before,) = desk.scans()
    seen = []

    summary = desk.run(name, prepare=watched(seen))

    (scan,) = desk.scans()
    assert (before.complete, scan.complete) == (False, True)
    assert scan.id == before.id
    assert seen == [11, 16, 21]
    assert summary.totals == Totals(rows=23, accepted=23)
    assert desk.held() == ids(23)


def test_a_complete_scan_resumes_with_added_rows(desk):
    name = desk.write("a.jsonl", rows(10))
    desk.run(name)
    (before,) = desk.scans()
    desk.write("a.jsonl", rows(13))
    seen = []

    desk.run(name, prepare=watched(seen))

    (scan,) = desk.scans()
    assert (scan.id, scan.complete, seen) == (before.id, True, [11])
    assert desk.held() == ids(13)


def test_a_changed_source_gets_a_new_scan_that_supersedes_the_old_one(desk):
    name = desk.write("a.jsonl", rows(10))
    desk.run(name)
    (before,) = desk.scans()
    desk.write("a.jsonl", [*rows(2), *rows(11, start=3)][1:])

    summary = desk.run(name)

    (scan,) = desk.scans()
    assert scan.id > before.id
    assert scan.source_id == before.source_id
    assert summary.totals == Totals(rows=12, accepted=3, already_sent=9)
    assert desk.held() == ids(13)


def test_a_superseded_scan_is_not_resumed(desk):
    """The window moves on, and back again."""
    name = desk.write("a.jsonl", rows(10))
    desk.run(name)
    desk.write("a.jsonl", rows(10, start=5))
    desk.run(name)
    desk.write("a.jsonl", rows(10))

    summary = desk.run(name)

    assert summary.totals == Totals(rows=10, already_sent=10)
    assert desk.held() == ids(14)


# -- unchanged files -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.json"])
@pytest.mark.usefixtures("settled")
def test_only_the_start_of_an_unchanged_file_is_read(desk, read_bytes, name):
    name = desk.write(name, [record(os.urandom(500).hex()) for _ in range(5000)])
    desk.run(name, rows=10_000)
    (before,) = desk.scans()
    read_bytes.clear()
    seen = []

    summary = desk.run(name, rows=10_000, prepare=watched(seen))

    assert seen == []
    assert read_bytes["bytes"] < Path(name).stat().st_size / 2
    assert desk.scans() == [before]
    assert summary.totals == summary.before
    assert (summary.exit_code, summary.requests) == (0, 0)


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_sends_its_leftover(desk):
    desk.miso = Loses(2)
    name = desk.write("a.jsonl", rows(12))
    desk.run(name, on_unknown="hold")
    seen = []

    summary = desk.run(name, prepare=watched(seen))

    assert seen == [6]
    assert summary.totals == Totals(rows=12, accepted=12, duplicates=5)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("again", [[], [2], [2, 18]])
@pytest.mark.parametrize("requests", [1, 6])
def test_a_resumed_csv_reads_only_the_spans_with_skipped_lines_again(
    desk, read_bytes, again, requests
):
    name = str(desk.path / "a.csv")
    names, lines = ["user_id", "noise"], ["user_id,noise"]
    for n in range(40):
        if n in again:
            names.reverse()
            lines.append(",".join(names))
        row = {"user_id": f"u{n}", "noise": "x" * 500_000}
        lines.append(",".join(row[name] for name in names))
    Path(name).write_text("\n".join(lines) + "\n")
    desk.run(name, stop=stop_after(desk, requests))
    read_bytes.clear()

    summary = desk.run(name)

    assert summary.totals == Totals(rows=40 + len(again), accepted=40, skipped=len(again))
    assert desk.held() == ids(40, start=0)
    to_read = 8 - requests + any(n < 5 * requests for n in again)
    assert read_bytes["bytes"] < (to_read + 1.2) * 2_500_000


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_that_was_read_in_part_is_resumed(desk):
    name = desk.write("a.jsonl", rows(23))
    desk.run(name, stop=stop_after(desk, 2))

    assert desk.run(name).totals == Totals(rows=23, accepted=23)
    assert desk.held() == ids(23)


def test_a_file_changed_within_two_seconds_is_compared(desk, read_bytes):
    name = desk.write("a.jsonl", [record(n, noise=os.urandom(500).hex()) for n in range(3000)])
    desk.run(name, rows=1000)
    (scan,) = desk.scans()
    read_bytes.clear()
    seen = []

    desk.run(name, rows=1000, prepare=watched(seen))

    assert scan.stamp.state is None
    assert read_bytes["bytes"] >= Path(name).stat().st_size
    assert seen == []  # it was compared, not parsed
    assert [each.id for each in desk.scans()] == [scan.id]


def test_a_file_edited_within_two_seconds_is_read_again(desk):
    """Its size and times may be what they were."""
    path = Path(name := desk.write("a.jsonl", rows(9)))
    times = path.stat()
    desk.run(name)
    path.write_text(path.read_text().replace("u5", "v5"))
    os.utime(name, ns=(times.st_atime_ns, times.st_mtime_ns))

    summary = desk.run(name)

    assert Path(name).stat().st_size == times.st_size
    assert summary.totals == Totals(rows=9, accepted=1, already_sent=8)
    assert desk.held()["v5"] == 1


@pytest.mark.usefixtures("settled")
def test_a_touched_file_is_compared_and_continued(desk):
    name = desk.write("a.jsonl", rows(9))
    desk.run(name)
    (before,) = desk.scans()
    os.utime(name, (1_600_000_000, 1_600_000_000))
    seen = []

    desk.run(name, prepare=watched(seen))

    (scan,) = desk.scans()
    assert (scan.id, seen) == (before.id, [])
    assert scan.stamp != before.stamp


# -- files that grow, move and are compressed ------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz"])
def test_only_the_added_rows_of_a_grown_file_are_parsed(desk, name):
    name = desk.write(name, rows(LARGE))
    desk.run(name, rows=100)
    desk.write(Path(name).name, rows(LARGE + 7))
    seen = []

    summary = desk.run(name, rows=100, prepare=watched(seen))

    assert [line - name.endswith("csv") for line in seen] == [LARGE + 1]
    assert summary.totals == Totals(rows=LARGE + 7, accepted=LARGE + 7)
    assert desk.held() == ids(LARGE + 7)


def test_a_renamed_file_continues_under_its_new_name(desk):
    name = desk.write("a.jsonl", rows(7))
    desk.run(name)
    new = rename(name, desk.path / "b.jsonl")

    summary = desk.run(new)

    (scan,) = desk.scans()
    assert (scan.name, scan.key) == (new, new)
    assert summary.totals == Totals(rows=7, accepted=7)
    assert any(name in note and new in note for note in desk.notes)


def test_a_compressed_file_continues_its_scan(desk):
    name = desk.write("a.jsonl", rows(LARGE))
    desk.run(name, rows=100)
    seen = []

    summary = desk.run(compress(name, desk.path / "a.jsonl.1.gz"), rows=100, prepare=watched(seen))

    assert (len(desk.scans()), seen) == (1, [])
    assert summary.totals == Totals(rows=LARGE, accepted=LARGE)
    assert desk.held() == ids(LARGE)


def test_a_small_compressed_file_is_recognized_by_its_content(desk):
    name = desk.write("a.jsonl", rows(7))
    desk.run(name)

    summary = desk.run(compress(name, desk.path / "a.jsonl.1.gz"))

    assert summary.totals.accepted + summary.totals.already_sent == 7
    assert (summary.exit_code, desk.held()) == (0, ids(7))


@pytest.mark.parametrize("count", [12, LARGE])
def test_a_rotated_log_and_its_successor_are_sent_once(desk, count):
    name = desk.write("a.jsonl", rows(count))
    desk.run(name, rows=100)
    old = rename(name, desk.path / "a.jsonl.1")
    with Path(old).open("a", encoding="utf-8") as end:  # written between the run and the rotation
        end.write('{"user_id":"late"}\n')
    desk.write("a.jsonl", rows(count, start=10_000))

    first = desk.run(old, name, rows=100)
    older = compress(old, desk.path / "a.jsonl.2.gz")
    old = rename(name, old)
    desk.write("a.jsonl", rows(count, start=20_000))
    second = desk.run(older, old, name, rows=100)

    wanted = ids(count) + ids(count, 10_000) + ids(count, 20_000) + Counter(["late"])
    assert desk.held() == wanted
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert [each.totals.balanced for each in second.sources] == [True] * 3


@pytest.mark.parametrize("count", [3, 12, LARGE])
@pytest.mark.parametrize("grows", [2, LARGE + 50])
def test_a_log_rotated_by_copytruncate_is_sent_once(desk, count, grows):
    """The copy has what was sent, and the file that was sent has something else."""
    name = desk.write("a.jsonl", rows(count))
    desk.run(name, rows=100)
    copy = str(desk.path / "a.jsonl.1")
    shutil.copy(name, copy)
    inode = Path(name).stat().st_ino
    desk.write("a.jsonl", rows(grows, start=10_000))
    assert Path(name).stat().st_ino == inode

    summaries = [desk.run(copy, name, rows=100), desk.run(copy, name, rows=100)]

    assert desk.held() == ids(count) + ids(grows, 10_000)
    assert [each.exit_code for each in summaries] == [0, 0]


def test_another_file_with_a_reused_inode_is_a_new_source(desk):
    """The file system gives the inode of a deleted file to the next one."""
    name = desk.write("a.jsonl", rows(LARGE))
    desk.run(name, rows=100)
    new = rename(name, desk.path / "b.jsonl")
    desk.write("b.jsonl", rows(LARGE, start=1000))

    summary = desk.run(new, rows=100)

    assert summary.totals == Totals(rows=LARGE, accepted=LARGE)
    assert desk.held() == ids(LARGE) + ids(LARGE, start=1000)


def test_a_copy_of_an_existing_file_is_a_new_source(desk):
    names = desk.write("a.jsonl", rows(LARGE)), desk.write("b.jsonl.gz", rows(LARGE))

    summary = desk.run(*names, rows=100)

    assert [each.totals for each in summary.sources] == [
        Totals(rows=LARGE, accepted=LARGE),
        Totals(rows=LARGE, already_sent=LARGE),
    ]
    assert summary.sources[1].already_sent_from == {names[0]: LARGE}
    assert desk.held() == ids(LARGE)


def test_a_copy_that_was_read_once_is_not_read_again(desk):
    names = desk.write("a.jsonl", rows(LARGE)), desk.write("b.jsonl", rows(LARGE))
    desk.run(*names, rows=100)
    seen = []

    summary = desk.run(*names, rows=100, prepare=watched(seen))

    assert seen == []
    assert summary.totals == Totals(rows=2 * LARGE, accepted=LARGE, already_sent=LARGE)


@pytest.mark.parametrize("count", [12, 4000])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "json"])
def test_an_export_that_contains_an_earlier_one_is_sent_once(desk, count, kind):
    names = desk.write(f"a.{kind}", rows(count)), desk.write(f"b.{kind}", rows(count + 7))

    runs = [desk.run(*names, rows=1000) for _ in range(3)]

    assert desk.held() == ids(count + 7)
    assert [each.exit_code for each in runs] == [0, 0, 0]
    assert runs[-1].totals == Totals(rows=2 * count + 7, accepted=count + 7, already_sent=count)


@pytest.mark.parametrize("count", [12, 4000])
def test_an_earlier_export_is_known_after_the_later_one(desk, count):
    first, second = desk.write("a.jsonl", rows(count)), desk.write("b.jsonl", rows(count + 7))
    desk.run(first, rows=1000)
    desk.run(second, rows=1000)

    summary = desk.run(first, second, rows=1000)

    assert desk.held() == ids(count + 7)
    assert summary.exit_code == 0


# -- rewritten files -------------------------------------------------------------------------------


def edited(some):
    return [*some[:1500], *rows(20, start=90_000), *some[1520:]]


def with_a_new_first_row(some):
    return [record(90_000), *some]


def shorter(some):
    return some[:1500]


def shifted(some):
    return [*some[300:], *rows(500, start=90_000)]


def without_some(some):
    return [*some[:300], *some[350:]]


def emptied(some):
    return rows(3, start=90_000)


@pytest.mark.parametrize(
    "change", [edited, with_a_new_first_row, shorter, shifted, without_some, emptied]
)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "json", "jsonl.gz"])
def test_a_rewritten_file_sends_exactly_its_new_records(desk, change, kind):
    before = rows(3000)
    now = change(before)
    name = desk.write(f"a.{kind}", before)
    desk.run(name, rows=1000)
    desk.write(f"a.{kind}", now)

    summary = desk.run(name, rows=1000)

    new = Counter(each["user_id"] for each in now) - ids(3000)
    assert desk.held() == ids(3000) + new
    accepted = sum(new.values())
    assert summary.totals == Totals(
        rows=len(now), accepted=accepted, already_sent=len(now) - accepted
    )
    assert summary.exit_code == 0
    assert summary.accepted_at_target == 3000 + accepted


def test_a_rewritten_file_resends_and_counts_its_leftover(desk):
    desk.miso = Loses(3)
    name = desk.write("a.jsonl", rows(4000))
    desk.run(name, rows=1000, on_unknown="hold")
    desk.write("a.jsonl", [record(90_000), *rows(4000)])

    summary = desk.run(name, rows=1000)

    assert set(desk.held()) == set(ids(4000)) | {"u90000"}
    assert summary.totals == Totals(rows=4001, accepted=1001, already_sent=3000, duplicates=1000)


def test_rejected_rows_are_corrected_in_the_file_itself(desk):
    bad = [*rows(4), {"user_id": ""}, *rows(4, start=6)]
    name = desk.write("a.jsonl", bad)
    first = desk.run(name)
    desk.write("a.jsonl", rows(9))

    second = desk.run(name)

    assert (first.exit_code, second.exit_code) == (1, 0)
    assert second.totals == Totals(rows=9, accepted=1, already_sent=8)
    assert desk.held() == ids(9)


def test_rejections_of_a_superseded_scan_are_gone(desk):
    name = desk.write("a.jsonl", [*rows(4), {"user_id": ""}])
    desk.run(name)
    desk.write("a.jsonl", rows(5))
    desk.run(name)

    with contextlib.closing(Ledger(desk.ledger)) as ledger:
        (scan,) = ledger.scans.all()
        assert list(ledger.rejections(scan)) == []


# -- copies ----------------------------------------------------------------------------------------


def test_all_copies_within_one_source_are_sent(desk):
    summary = desk.run(desk.write("a.jsonl", [record(1)] * 12))

    assert desk.held() == {"u1": 12}
    assert summary.totals == Totals(rows=12, accepted=12)


def test_copies_beyond_those_of_others_are_sent(desk):
    desk.run(desk.write("a.jsonl", [record(1)] * 3))

    summary = desk.run(desk.write("b.jsonl", [record(1)] * 8))

    assert summary.totals == Totals(rows=8, accepted=5, already_sent=3)
    assert desk.held() == {"u1": 8}


def test_a_further_copy_in_a_grown_file_is_sent(desk):
    """What it had in common with the other file was met already."""
    desk.run(desk.write("a.jsonl", rows(3)))
    name = desk.write("b.jsonl", rows(3))
    desk.run(name)
    (_, before) = desk.scans()
    desk.write("b.jsonl", [*rows(3), record(1)])

    summary = desk.run(name)

    assert desk.scans()[1].id == before.id
    assert summary.totals == Totals(rows=4, accepted=1, already_sent=3)
    assert desk.held() == ids(3) + Counter(["u1"])


def test_a_scan_with_more_than_4096_shared_records_is_read_from_the_start(desk):
    desk.run(desk.write("a.jsonl", rows(4500)), rows=1000)
    name = desk.write("b.jsonl", [record(90_000), *rows(4500)])
    desk.run(name, rows=1000)
    (_, before) = desk.scans()
    desk.write("b.jsonl", [record(90_000), *rows(4500), record(1), record(90_001)])

    summary = desk.run(name, rows=1000)

    assert desk.scans()[1].id > before.id
    assert summary.totals == Totals(rows=4503, accepted=2, already_sent=4501)
    assert desk.held() == ids(4500) + Counter(["u90000", "u90001", "u1"])


def test_a_copy_in_flight_from_another_source_is_settled_first(desk):
    """Both blocks could be in flight at once."""
    both = threading.Event()

    def slow(records):
        both.wait(0.3)
        return desk.miso._answer(records)

    desk.miso.script = [slow]
    names = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", [*rows(4), record(9)])

    summary = desk.run(*names, concurrency=4)

    assert desk.held() == ids(5) + Counter(["u9"])
    assert [each.totals for each in summary.sources] == [
        Totals(rows=5, accepted=5),
        Totals(rows=5, accepted=1, already_sent=4),
    ]


def test_a_record_that_miso_refused_from_another_source_is_sent(desk):
    asked = Counter()

    def bad(each):
        asked[each["user_id"]] += 1
        return each["user_id"] == "u3" and asked["u3"] == 1

    desk.miso = Miso(bad)
    names = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", rows(5))

    summary = desk.run(*names, concurrency=4)

    assert summary.totals == Totals(rows=10, accepted=5, already_sent=4, rejected=1)
    assert desk.held() == ids(5)


# -- copies whose outcome is unknown ---------------------------------------------------------------


def test_unknown_records_of_another_source_are_held(desk):
    desk.miso = Loses(1)
    first, second = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", rows(8))
    desk.run(first, on_unknown="hold")

    held = [desk.run(second, on_unknown="hold") for _ in range(2)]

    assert [each.totals for each in held] == [Totals(rows=8, accepted=3, unknown=5)] * 2
    assert [each.exit_code for each in held] == [1, 1]
    assert desk.held() == ids(8)


def test_unknown_records_of_another_source_are_resent_and_counted(desk):
    desk.miso = Loses(1)
    first, second = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", rows(8))
    desk.run(first, on_unknown="hold")

    later = desk.run(second)
    then = desk.run(first)

    assert later.totals == Totals(rows=8, accepted=8, duplicates=5)
    assert then.totals == Totals(rows=5, already_sent=5)
    assert desk.held() == ids(8) + ids(5)


def test_held_records_are_sent_once_the_user_decides(desk):
    desk.miso = Loses(1)
    first, second = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", rows(8))
    desk.run(first, second, on_unknown="hold")

    summary = desk.run(first, second)

    assert summary.totals == Totals(rows=13, accepted=8, already_sent=5, duplicates=5)
    assert (summary.exit_code, desk.held()) == (0, ids(8) + ids(5))


def test_a_lost_copy_in_flight_makes_the_other_copy_doubtful(desk):
    desk.miso = Loses(1)
    names = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", rows(5))

    summary = desk.run(*names, concurrency=4, on_unknown="hold")

    assert [each.totals for each in summary.sources] == [Totals(rows=5, unknown=5)] * 2
    assert desk.held() == ids(5)


# -- records resent on request ---------------------------------------------------------------------


def test_already_sent_records_are_sent_if_the_user_says_so(desk):
    names = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", rows(7))

    summary = desk.run(*names, already_sent="send")

    assert summary.totals == Totals(rows=12, accepted=12)
    assert desk.held() == ids(7) + ids(5)


def test_records_of_another_series_are_different(desk):
    """Two servers wrote the same line in the same minute."""
    names = desk.write("a.jsonl", rows(5)), desk.write("b.jsonl", rows(5))

    for name in names:
        desk.run(name, prepare=preparing(ContentKeys(SECRET, series=name)))
    again = desk.run(names[1], prepare=preparing(ContentKeys(SECRET, series=names[1])))

    assert desk.held() == ids(5) + ids(5)
    assert again.totals == Totals(rows=5, accepted=5)


ORDERS = preparing(ContentKeys(SECRET, natural=("order",)))


def orders(*amounts):
    return [{**record(n), "order": n, "revenue": each} for n, each in enumerate(amounts)]


def test_a_changed_order_is_counted_and_not_sent(desk):
    desk.run(desk.write("a.jsonl", orders(10, 20, 30)), prepare=ORDERS)

    summary = desk.run(desk.write("b.jsonl", orders(10, 25, 30, 40)), prepare=ORDERS)

    assert summary.totals == Totals(rows=4, accepted=1, already_sent=3, changed=1)
    assert [each["revenue"] for each in desk.miso.held] == [10, 20, 30, 40]


def test_a_changed_order_is_sent_if_the_user_says_so(desk):
    name = desk.write("a.jsonl", orders(10, 20, 30))
    desk.run(name, prepare=ORDERS)
    desk.write("a.jsonl", orders(10, 25, 30))

    summary = desk.run(name, prepare=ORDERS, changed="send")
    again = desk.run(name, prepare=ORDERS)

    assert summary.totals == again.totals == Totals(rows=3, accepted=1, already_sent=2)
    assert [each["revenue"] for each in desk.miso.held] == [10, 20, 30, 25]


def test_a_left_out_changed_order_is_sent_once_the_user_decides(desk):
    name = desk.write("a.jsonl", orders(10, 20, 30))
    desk.run(name, prepare=ORDERS)
    desk.write("a.jsonl", orders(10, 25, 30))
    told = desk.run(name, prepare=ORDERS)

    summaries = [desk.run(name, prepare=ORDERS, changed="send") for _ in range(2)]

    assert told.totals == Totals(rows=3, already_sent=3, changed=1)
    assert [each.totals for each in summaries] == [Totals(rows=3, accepted=1, already_sent=2)] * 2
    assert [each["revenue"] for each in desk.miso.held] == [10, 20, 30, 25]


# -- a changed mapping -----------------------------------------------------------------------------


def dearer(each):
    return {**each, "revenue": 1}


DEARER = preparing(change=dearer)
FIRST, SECOND = "--map=user_id=customer\n--timezone=UTC", "--map=user_id=visitor\n--timezone=UTC"


def test_a_mapping_that_changes_sent_records_stops_the_run(desk, golden):
    name = desk.write("a.jsonl", dated(7))
    desk.run(name, job=FIRST)
    desk.write("a.jsonl", dated(12))
    before = desk.stored()

    summary = desk.run(name, job=SECOND, prepare=DEARER)

    assert isinstance(summary.stopped_by, ChangedJobError)
    said = str(summary.stopped_by)
    assert said == golden
    assert "--changed-mapping" in said
    assert summary.exit_code == 2
    assert desk.held() == ids(7)
    assert desk.stored() == before


def test_a_mapping_change_without_effect_continues(desk):
    name = desk.write("a.jsonl", dated(7))
    desk.run(name, job=FIRST)
    desk.write("a.jsonl", dated(12))

    summary = desk.run(name, job=SECOND)
    again = desk.run(name, job=SECOND)

    assert summary.totals == again.totals == Totals(rows=12, accepted=5, already_sent=7)
    assert (summary.exit_code, again.exit_code) == (0, 0)
    assert desk.held() == ids(12)


def test_a_changed_mapping_sends_changed_records(desk):
    name = desk.write("a.jsonl", dated(7))
    desk.run(name, job=FIRST)
    some = preparing(change=lambda each: dearer(each) if each["user_id"] > "u4" else each)

    summary = desk.run(name, job=SECOND, prepare=some, changed_mapping="send")

    assert summary.totals == Totals(rows=7, accepted=3, already_sent=4)
    assert desk.held() == ids(7) + ids(3, start=5)


def test_a_changed_mapping_may_continue_after_the_last_span(desk):
    name = desk.write("a.jsonl", [*dated(7), {"visitor": "v"}])
    desk.run(name, job=FIRST)
    desk.write("a.jsonl", [*dated(7), {"visitor": "v"}, *dated(5, start=8)])

    summary = desk.run(name, job=SECOND, prepare=DEARER, changed_mapping="continue")
    again = desk.run(name, job=SECOND, prepare=DEARER)

    assert summary.totals == again.totals == Totals(rows=13, accepted=12, rejected=1)
    assert desk.held() == ids(12)
    assert [each.get("revenue") for each in desk.miso.held] == [None] * 7 + [1] * 5


def test_a_new_version_of_a_file_under_another_mapping_is_compared_too(desk):
    name = desk.write("a.jsonl", dated(7))
    desk.run(name, job=FIRST)
    desk.write("a.jsonl", [record(50), *dated(7)])

    summary = desk.run(name, job=SECOND, prepare=DEARER)

    assert isinstance(summary.stopped_by, ChangedJobError)
    assert desk.held() == ids(7)


def test_no_more_than_the_first_10000_records_are_compared(desk):
    name = desk.write("a.jsonl", dated(12_000))
    desk.run(name, job=FIRST, rows=1000)
    late = preparing(
        change=lambda each: dearer(each) if int(each["user_id"][1:]) > 11_000 else each
    )

    summary = desk.run(name, job=SECOND, prepare=late, rows=1000)

    assert summary.totals == Totals(rows=12_000, accepted=1000, already_sent=11_000)


def test_records_of_days_that_the_ledger_does_not_have_are_not_compared(desk):
    def on(day, number):
        return record(number, timestamp=f"2024-05-{day:02}T10:00:00Z")

    name = desk.write("a.jsonl", [on(1, 1), {"timestamp": "2024-05-02T10:00:00Z"}])
    desk.run(name, job=FIRST)
    desk.write("a.jsonl", [on(1, 1), on(2, 2)])

    summary = desk.run(name, job=SECOND)

    assert summary.totals == Totals(rows=2, accepted=1, already_sent=1)


def test_records_without_a_day_are_compared_too(desk):
    name = desk.write("a.jsonl", rows(7))
    desk.run(name, job=FIRST)

    stopped = desk.run(name, job=SECOND, prepare=DEARER)
    summary = desk.run(name, job=SECOND)

    assert isinstance(stopped.stopped_by, ChangedJobError)
    assert summary.totals == Totals(rows=7, already_sent=7)


def test_a_source_without_accepted_records_is_read_again_under_another_mapping(desk, golden):
    name = desk.write("a.jsonl", dated(7))
    first = desk.run(name, job=FIRST, prepare=preparing(id_column="visitor"), max_reject_rate=1)

    summary = desk.run(name, job=SECOND)

    assert first.totals == Totals(rows=7, rejected=7)
    assert summary.totals == Totals(rows=7, accepted=7)
    assert desk.held() == ids(7)
    assert desk.notes == golden


def test_unknown_records_are_compared_too(desk):
    name = desk.write("a.jsonl", dated(7))
    desk.miso.script += [LOST] * 2
    desk.run(name, job=FIRST, on_unknown="hold")

    stopped = desk.run(name, job=SECOND, prepare=DEARER)
    summary = desk.run(name, job=SECOND)

    assert isinstance(stopped.stopped_by, ChangedJobError)
    assert summary.totals == Totals(rows=7, accepted=7, duplicates=7)


def test_an_unread_source_may_have_any_mapping(desk):
    name = desk.write("a.jsonl", dated(7))
    stop = StopSignal()
    stop.set()
    desk.run(name, job=FIRST, stop=stop)

    assert desk.run(name, job=SECOND, prepare=DEARER).exit_code == 0


def test_another_source_may_have_another_mapping(desk):
    desk.run(desk.write("a.jsonl", dated(7)), job=FIRST)

    summary = desk.run(desk.write("b.jsonl", dated(7, start=8)), job=SECOND, prepare=DEARER)

    assert (summary.exit_code, desk.held()) == (0, ids(14))


def test_changed_options_are_reported_with_their_old_values(golden):
    changes = changed_options("--map=a=b\n--timezone=UTC", "--map=a=c\n--strict=yes")

    assert changes == golden


def test_job_parts_known_by_checksum_are_reported_in_words():
    before = "--mapping=20bd51e197c0\n--transform=aa\nidentity=missing ip 0 -"
    now = "--mapping=832421ec4f63\n--schema=bb\nidentity=always ip 0 -"

    changes = changed_options(before, now).split("; ")

    assert len(changes) == 4
    assert not any("20bd51e197c0" in each or "bb" in each for each in changes)


# -- restarting ------------------------------------------------------------------------------------


def test_a_restart_resends_all_and_reports_what_miso_had(desk, golden):
    name = desk.write("a.jsonl", rows(7))
    desk.run(name, job=FIRST)

    summary = desk.run(name, job=SECOND, restart=True)

    assert desk.held() == ids(7) + ids(7)
    assert summary.totals == Totals(rows=7, accepted=7)
    assert summary.sources[0].superseded == 7
    assert summary.accepted_at_target == 14
    assert desk.notes == golden


def test_a_restart_of_one_of_two_copies_resends_all_of_it(desk):
    names = desk.write("a.jsonl", rows(7)), desk.write("b.jsonl", [*rows(7), record(8)])
    desk.run(*names)

    summary = desk.run(names[1], restart=True)

    assert summary.totals == Totals(rows=8, accepted=8)
    assert desk.held() == ids(8) + ids(8)


def test_a_restart_of_a_file_that_changed_forgets_all_its_versions(desk):
    name = desk.write("a.jsonl", rows(7))
    desk.run(name)
    desk.write("a.jsonl", rows(7, start=5))
    desk.run(name)
    desk.write("a.jsonl", rows(11))

    summary = desk.run(name, restart=True)

    assert summary.totals == Totals(rows=11, accepted=11)
    assert desk.held() == ids(11) + ids(11)


# -- inputs that can be read only once -------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_read_from_the_start_and_deduplicated_by_content(desk):
    path = desk.path / "pipe.jsonl"
    os.mkfifo(path)
    text = "".join(f'{{"user_id":"u{n}"}}\n' for n in range(1, 8))

    def run(written):
        writer = threading.Thread(target=lambda: path.write_text(written))
        writer.start()
        summary = desk.run(str(path))
        writer.join()
        return summary

    first, again, more = run(text), run(text), run(text + '{"user_id":"u8"}\n')

    assert first.totals == Totals(rows=7, accepted=7)
    assert again.totals == Totals(rows=7, already_sent=7)
    assert more.totals == Totals(rows=8, accepted=1, already_sent=7)
    assert desk.held() == ids(8)


# -- dry runs --------------------------------------------------------------------------------------


def test_a_dry_run_reports_what_would_be_sent_and_what_miso_has(desk):
    desk.run(desk.write("a.jsonl", rows(7)))
    before = desk.stored()

    summary = desk.forecast(desk.write("b.jsonl", rows(12)))

    assert summary.totals == Totals(rows=12, already_sent=7, pending=5)
    assert summary.exit_code == 0
    assert (desk.stored(), desk.held()) == (before, ids(7))


def test_a_dry_run_of_sent_records_would_send_nothing(desk):
    name = desk.write("a.jsonl", rows(7))
    desk.run(name)

    assert desk.forecast(name).totals == Totals(rows=7, already_sent=7)


def test_a_dry_run_counts_no_copy_twice(desk):
    names = desk.write("a.jsonl", rows(7)), desk.write("b.jsonl", rows(9))

    forecast = desk.forecast(*names)
    upload = desk.run(*names)

    assert forecast.totals == Totals(rows=16, already_sent=7, pending=9)
    assert upload.totals == Totals(rows=16, already_sent=7, accepted=9)


def test_a_dry_run_forecasts_further_copies_like_an_upload(desk):
    desk.run(desk.write("a.jsonl", [record(1)] * 3))
    names = desk.write("b.jsonl", [record(1)] * 5), desk.write("c.jsonl", [record(1)] * 4)

    forecast = [each.totals for each in desk.forecast(*names).sources]
    upload = [each.totals for each in desk.run(*names).sources]

    assert forecast == [
        Totals(rows=5, already_sent=3, pending=2),
        Totals(rows=4, already_sent=4),
    ]
    assert [each.accepted for each in upload] == [each.pending for each in forecast]


# -- damaged inputs --------------------------------------------------------------------------------


def damaged(desk, name, some):
    path = desk.path / name
    desk.write(name, [{**each, "noise": os.urandom(50).hex()} for each in some])
    path.write_bytes(path.read_bytes()[:-3000])
    return str(path)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_damaged_input_beside_its_undamaged_copy_is_no_problem(desk, is_first):
    names = damaged(desk, "a.jsonl.gz", rows(1000)), desk.write("b.jsonl", rows(1000))

    for _ in range(3):
        summary = desk.run(*(names if is_first else names[::-1]), rows=100)
        assert (summary.exit_code, summary.problems) == (0, [])
        assert any("a.jsonl.gz" in note and "b.jsonl" in note for note in desk.notes)

    assert desk.held() == ids(1000)


def test_a_large_damaged_input_beside_its_undamaged_copy_is_no_problem(desk):
    names = desk.write("b.jsonl", rows(6000)), damaged(desk, "a.jsonl.gz", rows(6000))

    codes = [desk.run(*order, rows=1000).exit_code for order in (names, names, names[::-1])]

    assert (codes, desk.held()) == ([0, 0, 0], ids(6000))


def test_a_changed_damaged_input_is_a_problem_again(desk):
    names = damaged(desk, "a.jsonl.gz", rows(1000)), desk.write("b.jsonl", rows(1000))
    desk.run(*names, rows=100)
    damaged(desk, "a.jsonl.gz", rows(1000, start=5))

    summary = desk.run(*names, rows=100)

    assert summary.exit_code == 3


def test_a_damaged_input_without_any_good_row_is_a_problem(desk):
    names = (
        damaged(desk, "a.jsonl.gz", [{"visitor": n} for n in range(1000)]),
        desk.write("b.jsonl", rows(10)),
    )

    summary = desk.run(*names, rows=100, max_reject_rate=1)

    assert [type(each) for each in summary.problems] == [DamagedSourceError]


@pytest.mark.parametrize("other", [rows(5, start=5000), rows(100), rows(1000, start=2)])
def test_a_damaged_input_is_a_problem_unless_another_has_all_its_records(desk, other):
    names = damaged(desk, "a.jsonl.gz", rows(1000)), desk.write("b.jsonl", other)

    summary = desk.run(*names, rows=100)

    assert [type(each) for each in summary.problems] == [DamagedSourceError]
    assert summary.exit_code == 3
    assert summary.totals.balanced


# -- any inputs ------------------------------------------------------------------------------------


def counted_duplicates(desk):
    """Return how many records of each scan may be at Miso twice."""
    with contextlib.closing(Ledger(desk.ledger)) as ledger:
        return {each.id: ledger.totals(each).duplicates for each in ledger.scans.all()}


STRETCH = st.lists(st.integers(1, 12), max_size=14)


@settings(max_examples=80, deadline=None)
@given(
    histories=st.lists(
        st.tuples(st.sampled_from(["a.jsonl", "b.jsonl", "c.csv"]), STRETCH), min_size=1, max_size=6
    ),
    lost=st.lists(st.integers(1, 12), max_size=3),
    deaths=st.lists(st.integers(1, 30), max_size=4),
    concurrency=st.sampled_from([0, 2]),
)
def test_every_distinct_row_arrives_and_no_more_often_than_in_any_input(
    tmp_path_factory, histories, lost, deaths, concurrency
):
    """Files that share, contain and contradict each other, over several runs that may die."""
    desk = Desk(tmp_path_factory.mktemp("files"), Loses(*lost))
    most = Counter()
    duplicates = {}
    names = {}
    for name, numbers in histories:
        names[name] = desk.write(name, map(record, numbers))
        most |= Counter(f"u{n}" for n in numbers)
        if deaths:
            moments = Moments(deaths.pop())
            with contextlib.suppress(Crash):
                desk.run(
                    *names.values(), rows=3, concurrency=concurrency,
                    wrap=lambda part, m=moments: Mortal(part, m),
                )  # fmt: skip
            duplicates |= counted_duplicates(desk)
        summary = desk.run(*names.values(), rows=3, concurrency=concurrency)
        assert summary.totals.balanced
        assert summary.exit_code == 0
        assert not summary.totals.unknown
        duplicates |= counted_duplicates(desk)

    held = desk.held()
    assert set(held) == set(most)
    assert len(held - most) <= sum(duplicates.values())


# -- ledgers of version 0.1 ------------------------------------------------------------------------


def known_before(desk, name, spans, job=FIRST):
    """Let a ledger of version 0.1 have read a file."""
    write_old_ledger(desk.ledger, [(name, Path(name).read_bytes(), spans)], recipe=job)


def test_an_unchanged_source_of_an_old_ledger_gets_content_keys(desk):
    name = desk.write("a.jsonl", rows(10))
    known_before(desk, name, [(5, {}), (5, {})])

    summary = desk.run(name, job=FIRST)
    other = desk.run(desk.write("b.jsonl", rows(12)), job=FIRST)

    assert summary.totals == Totals(rows=10, accepted=10)
    assert not desk.scans()[0].keyless
    assert other.totals == Totals(rows=12, accepted=2, already_sent=10)
    assert desk.held() == ids(2, start=11)


def test_a_source_of_an_old_ledger_resumes_with_added_rows(desk):
    name = desk.write("a.jsonl", rows(10))
    known_before(desk, name, [(5, {}), (5, {})])
    desk.write("a.jsonl", rows(17))

    summaries = [desk.run(name, job=FIRST) for _ in range(2)]

    assert [each.totals for each in summaries] == [Totals(rows=17, accepted=17)] * 2
    assert desk.held() == ids(7, start=11)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_source_of_an_old_ledger_is_found_under_another_name(desk, compressed):
    name = desk.write("a.jsonl", rows(10))
    known_before(desk, name, [(5, {}), (5, {})])
    new = compress(name, f"{name}.1.gz") if compressed else rename(name, f"{name}.1")

    summary = desk.run(new, job=FIRST)

    assert summary.totals == Totals(rows=10, accepted=10)
    assert desk.held() == {}


def test_a_leftover_of_an_old_ledger_is_sent(desk):
    name = desk.write("a.jsonl", rows(10))
    left = {"state": "pending", "accepted": 2, "unknown": 1, "pending": 2,
            "unknown_lines": "8", "pending_lines": "9-10"}  # fmt: skip
    known_before(desk, name, [(5, {}), (5, left)])

    summary = desk.run(name, job=FIRST)
    other = desk.run(desk.write("b.jsonl", rows(10)), job=FIRST)

    assert summary.totals == Totals(rows=10, accepted=10, duplicates=1)
    assert other.totals == Totals(rows=10, already_sent=10)
    assert desk.held() == ids(3, start=8)


def test_an_interrupted_source_of_an_old_ledger_is_resumed(desk):
    name = desk.write("a.jsonl", rows(10))
    known_before(desk, name, [(5, {})])

    assert desk.run(name, job=FIRST).totals == Totals(rows=10, accepted=10)
    assert desk.held() == ids(5, start=6)


def test_adding_keys_to_an_old_source_is_resumed_after_a_stop(desk):
    name = desk.write("a.jsonl", rows(20))
    known_before(desk, name, [(5, {})])
    desk.run(name, job=FIRST, stop=stop_after(desk, 1))

    summary = desk.run(name, job=FIRST)
    other = desk.run(desk.write("b.jsonl", rows(20)), job=FIRST)

    assert summary.totals == Totals(rows=20, accepted=20)
    assert other.totals == Totals(rows=20, already_sent=20)
    assert desk.held() == ids(15, start=6)


@pytest.mark.parametrize("change", [edited, shorter, shifted])
def test_an_unproven_source_of_an_old_ledger_stops_the_run(desk, change):
    name = desk.write("a.jsonl", rows(3000))
    known_before(desk, name, [(1000, {})] * 3)
    desk.write("a.jsonl", change(rows(3000)))

    summary = desk.run(name, job=FIRST)

    assert isinstance(summary.stopped_by, UnprovenSourceError)
    said = str(summary.stopped_by)
    assert all(part in said for part in ("3,000", "remember", "--restart"))
    assert (summary.exit_code, desk.held()) == (2, {})


def test_an_unproven_source_of_an_old_ledger_can_be_restarted(desk):
    name = desk.write("a.jsonl", rows(10))
    known_before(desk, name, [(10, {})])
    desk.write("a.jsonl", rows(10, start=2))

    summary = desk.run(name, job=FIRST, restart=True)

    assert summary.totals == Totals(rows=10, accepted=10)
    assert summary.sources[0].superseded == 10
    assert desk.run(name, job=FIRST).exit_code == 0


def test_an_unproven_source_without_accepted_records_is_read_again(desk):
    name = desk.write("a.jsonl", rows(10))
    known_before(desk, name, [(10, {"accepted": 0, "pending": 10, "state": "pending",
                                    "pending_lines": "1-10"})])  # fmt: skip
    desk.write("a.jsonl", rows(10, start=2))

    assert desk.run(name, job=FIRST).totals == Totals(rows=10, accepted=10)


@pytest.mark.parametrize("choice", ["stop", "continue"])
def test_a_source_of_an_old_ledger_under_another_mapping_stops_or_continues(desk, choice):
    """Without content keys nothing can be compared."""
    name = desk.write("a.jsonl", rows(10))
    known_before(desk, name, [(10, {})])
    desk.write("a.jsonl", rows(12))

    summary = desk.run(name, job=SECOND, changed_mapping=choice)

    if choice == "stop":
        assert isinstance(summary.stopped_by, ChangedJobError)
        assert desk.held() == {}
    else:
        assert summary.totals == Totals(rows=12, accepted=12)
        assert desk.held() == ids(2, start=11)
