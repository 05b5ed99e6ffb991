"""Inputs that begin alike, overlap, or are parts of each other, with real processes.

Nothing is refused or left out for looking like something else: every distinct record arrives, and
none more often than some single input has it.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from miso_upload.sandbox import Faults, Sandbox
from tests.helpers.processes import run_program, started_program
from tests.helpers.rows import row, write_rows


def people(tag, count, start=0):
    """Return records that no other tag has."""
    return [row(number, user_id=f"{tag}-{number}") for number in range(start, start + count)]


HEAD, A, B = people("head", 1000), people("a", 2500), people("b", 2000)


class Miso:
    """A server of its own for each test, and the command that uploads to it."""

    def __init__(self, sandbox, folder):
        self.sandbox = sandbox
        self.folder = folder

    def write(self, name, rows):
        """Write rows as JSON Lines."""
        return write_rows(self.folder / name, rows)

    def upload(self, *args, code=0, key=None, server=None):
        """Run the command, check its exit code and that the numbers add up; return the report."""
        done = run_program(
            *(*args, "--json", "--server", server or self.sandbox.url),
            cwd=self.folder,
            env={**os.environ, "MISO_API_KEY": key or self.sandbox.key},
        )
        assert code is None or done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        if not done.stdout.strip():
            return {"stderr": done.stderr}
        report = json.loads(done.stdout)
        assert report["balanced"]
        return report

    def arrived(self):
        """Return how many distinct records arrived, and how many in all."""
        found = self.found()
        return len(found), sum(found.values())

    def found(self):
        """Return how often each record arrived."""
        return Counter(json.dumps(each, sort_keys=True) for each in self.sandbox.records())


@contextmanager
def serving(folder, **options):
    with Sandbox(store=folder / "store.sqlite", **options) as sandbox:
        yield Miso(sandbox, folder)


@pytest.fixture
def miso(tmp_path):
    with serving(tmp_path) as found:
        yield found


def counts(report):
    totals = report["totals"]
    return {name: count for name, count in totals.items() if count}


# -- the eight pairs -------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False], ids=["one command", "one after the other"])
def test_two_inputs_with_the_same_start_both_arrive_if_the_second_is_shorter(miso, at_once):
    names = miso.write("a.jsonl", HEAD + A), miso.write("b.jsonl", HEAD + B)

    reports = [miso.upload(*names)] if at_once else [miso.upload(name) for name in names]

    assert miso.arrived() == (5500, 5500)
    assert reports[-1]["totals"]["already_sent"] == 1000
    assert reports[-1]["accepted_at_target"] == 5500
    (origin,) = reports[-1]["sources"][-1]["already_sent_from"].items()
    assert origin == (str(names[0]), 1000)


def test_two_inputs_with_the_same_start_both_arrive_if_the_second_is_longer(miso):
    miso.upload(miso.write("a.jsonl", HEAD + B))

    report = miso.upload(miso.write("b.jsonl", HEAD + A))

    assert miso.arrived() == (5500, 5500)
    assert counts(report) == {"rows": 3500, "accepted": 2500, "already_sent": 1000}


def test_tiny_inputs_that_are_parts_of_each_other_all_arrive(miso):
    names = [
        miso.write("a.jsonl", HEAD[:1]),
        miso.write("b.jsonl", HEAD[:1] + A[:10]),
        miso.write("c.jsonl", HEAD[:1] + B[:2]),
    ]

    report = miso.upload(*names)

    assert miso.arrived() == (13, 13)
    assert counts(report) == {"rows": 15, "accepted": 13, "already_sent": 2}


def test_a_dump_with_removed_and_added_rows_sends_the_added_ones(miso):
    names = miso.write("d1.jsonl", A), miso.write("d2.jsonl", A[:300] + A[350:2000] + B[:40])

    report = miso.upload(*names)

    assert miso.arrived() == (2540, 2540)
    assert counts(report) == {"rows": 4490, "accepted": 2540, "already_sent": 1950}


def test_overlapping_exports_are_sent_once_and_counted(miso):
    miso.upload(miso.write("w1.jsonl", A[:1000]))

    report = miso.upload(miso.write("w2.jsonl", A[500:1500]))

    assert miso.arrived() == (1500, 1500)
    assert counts(report) == {"rows": 1000, "accepted": 500, "already_sent": 500}


def test_a_rolling_window_under_one_name_sends_its_new_rows_each_night(miso):
    reports = [
        miso.upload(miso.write("week.jsonl", A[first : first + 700])) for first in (0, 100, 200)
    ]

    assert miso.arrived() == (900, 900)
    assert [each["totals"]["accepted"] for each in reports] == [700, 100, 100]
    assert [each["totals"]["already_sent"] for each in reports] == [0, 600, 600]
    assert [each["accepted_at_target"] for each in reports] == [700, 800, 900]


def test_only_the_corrected_rows_of_a_file_are_sent(miso):
    bad = [row(n, type="nope") for n in range(10)]
    fixed = people("corrected", 10)
    first = miso.upload(miso.write("h.jsonl", A[:1200] + bad + A[1210:]), code=1)

    second = miso.upload(miso.write("h.jsonl", A[:1200] + fixed + A[1210:]))

    assert miso.arrived() == (2500, 2500)
    assert counts(first) == {"rows": 2500, "accepted": 2490, "rejected": 10}
    assert counts(second) == {"rows": 2500, "accepted": 10, "already_sent": 2490}


def test_copies_within_one_file_are_all_sent_and_those_of_another_are_not(miso):
    copies = A[:100] + [A[7]] * 4
    miso.upload(miso.write("c1.jsonl", copies))

    report = miso.upload(miso.write("c2.jsonl", copies + A[100:110]))

    assert miso.arrived() == (110, 114)
    assert counts(report) == {"rows": 114, "accepted": 10, "already_sent": 104}


# -- what used to lose or double rows --------------------------------------------------------------


def test_a_truncated_archive_of_another_source_with_the_same_start_arrives(miso):
    whole = miso.write("a.jsonl", HEAD + A)
    text = "".join(json.dumps(each) + "\n" for each in HEAD + B)
    cut = miso.folder / "b.jsonl.gz"
    cut.write_bytes(gzip.compress(text.encode())[:-2000])

    report = miso.upload(whole, cut, code=3)

    first, second = (each["totals"] for each in report["sources"])
    assert first["accepted"] == 3500
    assert second["already_sent"] == 1000
    assert second["accepted"] > 0
    assert miso.arrived() == (3500 + second["accepted"],) * 2
    cut.write_bytes(gzip.compress(text.encode()))
    miso.upload(whole, cut)
    assert miso.arrived() == (5500, 5500)


def test_known_and_new_rows_after_a_new_first_row_are_distinguished(miso):
    miso.upload(miso.write("a.jsonl", A))

    report = miso.upload(miso.write("b.jsonl", B[:1] + A[:256] + B[1:300]))

    assert counts(report) == {"rows": 556, "accepted": 300, "already_sent": 256}
    assert miso.arrived() == (2800, 2800)


def test_equal_starts_and_ends_do_not_hide_a_changed_middle(miso):
    end = people("end", 1000)
    miso.upload(miso.write("a.jsonl", HEAD + A + end), "--chunk-size", "500")

    middle = people("x", 2500)
    report = miso.upload(miso.write("b.jsonl", HEAD + middle + end), "--chunk-size", "500")

    assert counts(report) == {"rows": 4500, "accepted": 2500, "already_sent": 2000}
    assert miso.arrived() == (7000, 7000)


def test_the_same_inputs_again_send_nothing(miso):
    names = miso.write("a.jsonl", HEAD + A), miso.write("b.jsonl", HEAD + B)
    miso.upload(*names)

    for order in (names, names[::-1]):
        report = miso.upload(*order)
        assert (report["requests"], report["this_run"]["accepted"]) == (0, 0)

    assert miso.arrived() == (5500, 5500)


def test_a_rotated_key_without_a_target_stops_before_anything_is_sent(tmp_path):
    with Sandbox(store=tmp_path / "s.sqlite", key="first") as sandbox:
        miso = Miso(sandbox, tmp_path)
        miso.upload(miso.write("a.jsonl", A[:100]))

        miso.upload("a.jsonl", key="second", code=2)

        assert miso.arrived() == (100, 100)


def test_the_key_of_another_environment_is_refused_for_a_named_target(tmp_path):
    with Sandbox(store=tmp_path / "s.sqlite", key="first") as sandbox:
        miso = Miso(sandbox, tmp_path)
        miso.upload(miso.write("a.jsonl", A[:100]), "--new-target", "production")

        miso.upload("a.jsonl", "--target", "production", key="staging", code=2)

        assert miso.arrived() == (100, 100)


def test_a_cell_that_begins_with_an_unclosed_quote_swallows_no_line(miso):
    lines = [
        f"search\t2025-03-01T10:{n // 60 % 60:02}:{n % 60:02}Z\tu{n}\tword {n}\n"
        for n in range(1000)
    ]
    lines[400] = lines[400].replace("word", '"word')
    table = miso.folder / "searches.tsv"
    table.write_text("type\ttimestamp\tuser_id\tkeywords\n" + "".join(lines))

    report = miso.upload(table, "--max-reject-rate", "1", code=0)

    totals = report["totals"]
    assert totals["rows"] == 1000
    assert totals["accepted"] + totals["rejected"] == 1000
    assert totals["accepted"] >= 999
    assert miso.arrived()[1] == totals["accepted"]


def test_an_incomplete_last_row_of_a_growing_file_is_sent_later(miso):
    log = miso.write("a.jsonl", A[:10])
    log.write_text(log.read_text().rstrip("\n"))

    report = miso.upload(log, "--growing")
    os.utime(log, (1_600_000_000, 1_600_000_000))
    later = miso.upload(log, "--growing")

    assert report["totals"]["accepted"] == 9
    assert report["sources"][0]["waiting"]
    assert later["totals"]["accepted"] == 10
    assert not later["sources"][0]["waiting"]
    assert miso.arrived() == (10, 10)


# -- answers after which nobody knows --------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["500-after", "503-after", "408-after", "502-after", "drop-after"]
)
def test_rows_stored_without_a_usable_answer_are_resent_and_counted(tmp_path, fault):
    with serving(tmp_path, faults=Faults(script=("ok", fault))) as miso:
        report = miso.upload(
            miso.write("a.jsonl", A[:500]), "--chunk-size", "100", "--concurrency", "1"
        )

        assert miso.arrived() == (500, 600)
    assert counts(report) == {"rows": 500, "accepted": 500, "duplicates": 100}


@pytest.mark.parametrize("fault", ["500-after", "503-after", "408-after", "drop-after"])
def test_rows_stored_without_a_usable_answer_are_held_if_the_user_says_so(tmp_path, fault):
    with serving(tmp_path, faults=Faults(script=("ok", fault))) as miso:
        report = miso.upload(
            miso.write("a.jsonl", A[:500]), "--chunk-size", "100", "--on-unknown", "hold", code=1
        )
        copy = miso.upload(miso.write("b.jsonl", A[:500]), "--on-unknown", "hold", code=1)

        assert miso.arrived() == (500, 500)
    assert counts(report) == {"rows": 500, "accepted": 400, "unknown": 100}
    assert counts(copy) == {"rows": 500, "already_sent": 400, "unknown": 100}


# -- what the user may want otherwise --------------------------------------------------------------


def test_a_dry_run_with_a_key_reports_what_would_be_sent(miso):
    miso.upload(miso.write("a.jsonl", A[:1000]))
    names = miso.write("b.jsonl", A[500:1500]), miso.write("c.jsonl", A[1000:1600])

    forecast = miso.upload(*names, "--dry-run")

    assert counts(forecast) == {"rows": 1600, "already_sent": 1000, "pending": 600}
    assert miso.arrived() == (1000, 1000)
    assert counts(miso.upload(*names)) == {"rows": 1600, "already_sent": 1000, "accepted": 600}


def test_lines_of_two_servers_in_the_same_minute_are_sent_under_two_series(miso):
    names = miso.write("web-1.jsonl", A[:100]), miso.write("web-2.jsonl", A[:100])
    for name in names:
        miso.upload(name, "--series", name.stem)

    assert miso.arrived() == (100, 200)


def test_records_that_miso_has_are_resent_if_the_user_says_so(miso):
    miso.upload(miso.write("a.jsonl", A[:100]))

    report = miso.upload(miso.write("b.jsonl", A[:100]), "--already-sent", "send")

    assert counts(report) == {"rows": 100, "accepted": 100}
    assert miso.arrived() == (100, 200)


def test_a_changed_order_is_counted_and_sent_only_if_the_user_says_so(miso):
    (miso.folder / "my.toml").write_text('[rows]\nkey = ["order"]\n')
    orders = [row(n, type="checkout", order=n, revenue=10.5, quantities=[1]) for n in range(20)]
    miso.upload(miso.write("orders.jsonl", orders), "-m", "my.toml")
    orders[3]["revenue"] = 99.5
    name = miso.write("orders.jsonl", orders)

    told = miso.upload(name, "-m", "my.toml")
    sent = miso.upload(name, "-m", "my.toml", "--changed", "send")

    assert counts(told) == {"rows": 20, "already_sent": 20, "changed": 1}
    assert miso.arrived() == (21, 21)
    assert sent["accepted_at_target"] == 21


def test_a_mapping_that_changes_records_stops_the_run_until_the_user_decides(miso):
    lines = [{**each, "shop": f"s-{n}"} for n, each in enumerate(A[:300])]
    name = miso.write("a.jsonl", lines)
    miso.upload(name)

    miso.upload(name, "--map", "user_id=shop", code=2)
    assert miso.arrived() == (300, 300)
    miso.upload(name, "--map", "user_id=shop", "--changed-mapping", "send")
    assert miso.arrived() == (600, 600)


def test_a_mapping_that_changes_no_record_continues(miso):
    name = miso.write("a.jsonl", A[:300])
    miso.upload(name)
    miso.write("a.jsonl", A[:310])

    report = miso.upload(name, "--map", "user_id=user_id")

    assert counts(report) == {"rows": 310, "accepted": 10, "already_sent": 300}


# -- kills -----------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a matter of POSIX")
def test_overlapping_inputs_arrive_once_or_counted_after_any_number_of_kills(miso):
    draw = random.Random(7)
    bad = [row(n, type="nope") for n in range(50)]
    names = [
        miso.write("a.jsonl", A[:1500] + bad + A[1500:2000]),
        miso.write("b.jsonl", A[500:2500] + bad),
        miso.write("c.jsonl", B[:300] + A[::3]),
    ]
    for _ in range(6):
        with started_program(
            *(*names, "--chunk-size", 40, "--server", miso.sandbox.url),
            env={**os.environ, "MISO_API_KEY": miso.sandbox.key},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            wanted = miso.arrived()[1] + draw.randrange(100, 500)
            while process.poll() is None and miso.arrived()[1] < wanted:
                time.sleep(0.02)
    report = miso.upload(*names, "--chunk-size", "40", code=None)

    found = miso.found()
    totals = report["totals"]
    assert report["exit_code"] in (0, 1)
    assert len(found) == 2800
    assert sum(times > 1 for times in found.values()) <= totals["duplicates"]
    assert totals["rejected"] == 100
    assert totals["accepted"] + totals["already_sent"] == totals["rows"] - 100
    assert totals["accepted"] == 2800
