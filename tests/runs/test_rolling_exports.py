"""Each night exports the last seven days again, and the mapping changes among the nights."""

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
from datetime import UTC, datetime, timedelta

import pytest

from miso_upload.sandbox import Sandbox
from tests.helpers.processes import started_program
from tests.helpers.rotating import Site

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = 7
OUTCOMES = ("accepted", "already_sent", "rejected", "skipped", "unknown", "pending")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are a matter of POSIX")

PLAIN = """
[attributes]
type = { value = "product_detail_page_view" }
timestamp = "at"
user_id = "visitor"
product_ids = "sku"
"""
SAME = f"# The same records, in other words.\n{PLAIN}"
WITH_PAGE = f'{PLAIN}"context.page.url" = "page"\n'


def export_row(day, number):
    """Return a row of a day; every tenth is not valid."""
    moment = BEGIN + timedelta(days=day, minutes=number)
    return {
        "at": "yesterday" if number % 10 == 9 else moment.isoformat(),
        "visitor": f"v-{day}-{number}",
        "sku": f"sku-{number}",
        "page": f"https://shop.example/{number}",
    }


def day_of_rows(day):
    """Return the rows of a day; some of them are there more than once, as a log has them."""
    rows = [export_row(day, number) for number in range(30 + day % 5)]
    return [*rows, *rows[:2], rows[0]]


def record_of(row, *, page):
    """Return the record that a valid row becomes, as text."""
    record = {
        "type": "product_detail_page_view",
        "timestamp": row["at"],
        "user_id": row["visitor"],
        "product_ids": [row["sku"]],
    }
    if page:
        record["context"] = {"page": {"url": row["page"]}}
    return canonical(record)


def canonical(record):
    """Return a record as text by which it can be counted; times are compared as instants."""
    moment = datetime.fromisoformat(record["timestamp"])
    return json.dumps({**record, "timestamp": moment.isoformat()}, sort_keys=True)


class Exports:
    """The nightly export and upload of one shop, as processes, against one sandbox.

    Attributes:
        most: The most copies of each valid record that one export had whose upload came to an end.
        exported: The most that any export had.
    """

    def __init__(self, place, sandbox, form):
        self.place, self.sandbox, self.form = place, sandbox, form
        self.mapping = place / "shop.toml"
        self.report = place / "report.json"
        self.most = Counter()
        self.exported = Counter()
        self.page = False
        self.map_by(PLAIN)

    def map_by(self, text):
        """Write the mapping file."""
        self.mapping.write_text(text)
        self.page = text == WITH_PAGE

    def export(self, night):
        """Write the last seven days, and return the file."""
        days = range(night, night + WINDOW)
        self.rows = [row for day in days for row in day_of_rows(day)]
        self.exported |= self.valid()
        text = "".join(json.dumps(row) + "\n" for row in self.rows).encode()
        if self.form == "dated":
            path = self.place / f"week-{BEGIN + timedelta(days=night):%Y%m%d}.jsonl"
        else:
            path = self.place / ("week.jsonl.gz" if self.form == "compressed" else "week.jsonl")
        if self.form == "rewritten":
            path.write_bytes(text)
            return path
        draft = self.place / "draft"
        draft.write_bytes(gzip.compress(text) if self.form == "compressed" else text)
        return draft.replace(path)

    def command(self, path, *more):
        """Return the arguments of every night."""
        return [
            *(path, "--mapping", self.mapping, "--server", self.sandbox.url),
            *("--chunk-size", 20, "--max-reject-rate", 0.2, "--report", self.report, *more),
        ]

    def start(self, path, *more):
        """Start the upload of an export."""
        return started_program(
            *self.command(path, *more),
            env={**os.environ, "MISO_API_KEY": self.sandbox.key},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def upload(self, path, *more):
        """Upload an export, and return the exit code and everything that was printed."""
        with self.start(path, *more) as process:
            shown, _ = process.communicate(timeout=120)
        return process.returncode, shown

    def valid(self):
        """Return how often the export of this night has each record."""
        return Counter(
            record_of(row, page=self.page) for row in self.rows if row["at"] != "yesterday"
        )

    def arrived(self):
        """Return how often each record is at the server."""
        return Counter(map(canonical, self.sandbox.records()))

    def must_account(self):
        """See that the numbers of the night add up, and that no record is missing or uncounted.

        Returns:
            What the report says of this run.
        """
        valid, report = self.valid(), json.loads(self.report.read_text())
        self.most |= valid
        now = report["this_run"]
        for part in (report["this_run"], report["totals"]):
            assert part["rows"] == sum(part[name] for name in OUTCOMES)
        assert report["totals"]["rows"] == len(self.rows)
        assert report["totals"]["rejected"] == len(self.rows) - valid.total()
        arrived = self.arrived()
        assert self.most - arrived == Counter()
        assert len(arrived - self.exported) <= report["duplicates_at_target"]
        return now

    def run_well(self, path, *more):
        """Upload an export on a night on which nothing happens; return what the report says."""
        fresh = self.valid() - self.most
        code, shown = self.upload(path, *more)
        assert code == 1, shown  # there are rejected rows in each week
        now = self.must_account()
        assert now["rows"] == len(self.rows)
        assert now["accepted"] == fresh.total()
        assert now["already_sent"] == self.valid().total() - fresh.total()
        assert now["duplicates"] == 0
        assert self.arrived() == self.most
        assert json.loads(self.report.read_text())["accepted_at_target"] == self.most.total()
        return now


@pytest.fixture
def exports(tmp_path, request):
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        yield Exports(tmp_path, sandbox, getattr(request, "param", "replaced"))


@pytest.mark.parametrize("exports", ["replaced", "rewritten", "compressed", "dated"], indirect=True)
def test_of_a_rolling_export_each_night_sends_what_is_new(exports):
    for night in range(6):
        exports.run_well(exports.export(night))

    code, shown = exports.upload(exports.export(night))

    assert code in (0, 1), shown
    assert exports.arrived() == exports.most


@pytest.mark.parametrize("exports", ["replaced", "rewritten"], indirect=True)
def test_the_mapping_of_a_rolling_export_changes_among_the_nights(exports):
    for night in range(3):
        exports.run_well(exports.export(night))

    exports.map_by(SAME)
    exports.run_well(exports.export(3))

    exports.map_by(WITH_PAGE)
    path, before = exports.export(4), exports.arrived()
    for options in ([], ["--changed-mapping", "continue"]):
        code, shown = exports.upload(path, *options)
        assert code == 2
        assert "--changed-mapping send" in shown
        assert "--changed-mapping continue" not in shown
        assert exports.arrived() == before

    assert exports.run_well(path, "--changed-mapping", "send")["already_sent"] == 0

    for night in (5, 6):
        exports.run_well(exports.export(night))


@POSIX
@pytest.mark.parametrize("exports", ["replaced", "dated"], indirect=True)
def test_nights_of_a_rolling_export_that_are_killed_are_caught_up_with(exports):
    draw = random.Random(exports.form)
    killed = 0
    for night in range(8):
        path = exports.export(night)
        if night % 2 == 0:
            with exports.start(path, "--json") as process:
                process.stdout.readline()
                time.sleep(draw.random() * 0.05)
                process.send_signal(signal.SIGKILL)
                process.communicate()
            killed += process.returncode == -signal.SIGKILL
            continue
        assert exports.upload(path)[0] == 1
        exports.must_account()
    assert set(exports.arrived()) <= set(exports.exported)

    assert killed >= 2


# -- logs ------------------------------------------------------------------------------------------


class Logs(Exports):
    """The nightly upload of a rotated log, under a mapping that changes."""

    def __init__(self, place, sandbox, form):
        super().__init__(place, sandbox, form)
        self.site = Site(place / "logs", dated=form == "dated", delayed=False)
        self.map_by("")

    def upload(self, *more):
        """Upload the directory."""
        return super().upload(self.site.directory, "--growing", *more)


@pytest.fixture(params=["numbered", "dated"])
def logs(tmp_path, request):
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        logs = Logs(tmp_path, sandbox, request.param)
        with closing(logs.site):
            yield logs


def fill_two_days(logs):
    logs.site.write(60)
    logs.site.rotate()
    logs.site.write(60)
    logs.site.rotate()
    logs.site.write(60)
    time.sleep(2.1)  # so that files that are left alone are known by size and times
    assert logs.upload()[0] == 0
    assert logs.arrived().total() == 180


OTHER = '[attributes]\n"context.page.url" = { value = "https://shop.example/" }\n'


@POSIX
def test_nights_go_on_under_a_changed_mapping_once_it_is_said_to_continue(logs):
    """It is said once: the nights that follow need no option, for no file of the log."""
    fill_two_days(logs)
    logs.map_by(OTHER)
    logs.site.write(30)

    code, shown = logs.upload()
    assert code == 2
    assert "--changed-mapping continue" in shown
    assert logs.arrived().total() == 180
    code, shown = logs.upload("--changed-mapping", "continue")
    assert code == 0, shown

    for count in (240, 270, 300):
        logs.site.write(30)
        logs.site.rotate()
        code, shown = logs.upload()
        assert code == 0, shown
        assert logs.arrived().total() == count
    with_page = Counter("shop.example" in each for each in logs.arrived().elements())
    assert with_page == {False: 180, True: 120}


@POSIX
def test_nights_go_on_under_a_changed_mapping_once_all_was_sent_under_it(logs):
    fill_two_days(logs)
    logs.map_by(OTHER)
    logs.site.write(30)

    assert logs.upload()[0] == 2
    assert logs.upload("--changed-mapping", "send")[0] == 0
    assert logs.arrived().total() == 180 + 210

    for count in (240, 270):
        logs.site.write(30)
        logs.site.rotate()
        code, shown = logs.upload()
        assert code == 0, shown
        assert logs.arrived().total() == 180 + count
