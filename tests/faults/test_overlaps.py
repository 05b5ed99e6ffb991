"""Inputs share rows, contain each other and grow, and the program is killed at every step."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter

import pytest

from tests.helpers.crashes import MANY, Case
from tests.helpers.rows import row, write_rows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

LEDGER = "miso_upload.ledger:Ledger"
CONTENTS = "miso_upload.ledger.content_keys.store:ContentStore"
BAD = 6
FILES = {
    "a.jsonl": [*range(1, 9)],
    "overlaps-a.jsonl": [*range(5, 13)],
    "within-a.jsonl": [2, 3, 4],
    "contains-a.jsonl": [*range(1, 10), 13, 13, 14],
}
"""The numbers of the rows in each file. Row 6 is not valid, and row 13 is twice in one file."""


class Shared(Case):
    """Files of one shop in chunks of three, uploaded by one command after the other."""

    def __init__(self, *args):
        super().__init__(*args)
        self.most = Counter()
        for name, numbers in FILES.items():
            self.write(name, numbers)

    def write(self, name, numbers):
        """Write a file that has the rows with these numbers."""
        bad = {"timestamp": "2024-13-01"}
        write_rows(
            self.place / name,
            [
                row(number, user_id=f"{self.name}-{number}", **(bad if number == BAD else {}))
                for number in numbers
            ],
        )
        self.most |= Counter(number for number in numbers if number != BAD)

    def send(self, *names, **death):
        """Upload some files with one command."""
        options = ("--chunk-size", 3, "--concurrency", 2, "--max-reject-rate", 1)
        options += ("--report", "report.json")
        return self.run(*names, "--server", self._sandbox.url, *options, **death)

    def totals(self):
        """Return the sums over all sources in the ledger; the equation holds for each of them."""
        sums = Counter()
        for source in json.loads(self.run("status", "--json").out):
            totals = source["totals"]
            parts = ("accepted", "already_sent", "rejected", "skipped", "unknown", "pending")
            assert totals["rows"] == sum(totals[part] for part in parts), source
            sums.update(totals)
        return sums

    def must_be_complete(self):
        """Each row is there as often as one file has it, or more often and counted."""
        arrived, totals = self.arrived(), self.totals()
        assert self.most - arrived == Counter()
        assert set(arrived) == set(self.most)
        report = json.loads((self.place / "report.json").read_text())
        assert len(arrived - self.most) <= report["duplicates_at_target"], arrived
        assert report["accepted_at_target"] == self.most.total()
        assert (totals["unknown"], totals["pending"]) == (0, 0)


@pytest.fixture
def shops(tmp_path, sandbox):
    """Return shops of their own, one after the other."""
    return (Shared(f"shop{n}", tmp_path / f"shop{n}", sandbox) for n in range(1, MANY))


def kill_at_every(step, moment, shops, *commands, before=lambda shop: None):
    """Kill the first command at the first call of a step, at the second, and so on.

    Returns:
        How often it was killed.
    """
    for count, shop in enumerate(shops, start=1):
        before(shop)
        died = shop.send(*commands[0], step=step, count=count, moment=moment)
        if died.code == -signal.SIGKILL:
            shop.totals()
        for names in commands:
            assert shop.send(*names).code in (0, 1)
        shop.must_be_complete()
        if died.code != -signal.SIGKILL:
            return count - 1
    raise AssertionError("it dies forever")


parametrize_moments = pytest.mark.parametrize("moment", ["before", "after"])


@parametrize_moments
@pytest.mark.parametrize(
    ("step", "least"),
    [
        (f"{LEDGER}.begin_scan", 4),
        (f"{LEDGER}.complete", 4),
        (f"{LEDGER}.intend", 6),
        (f"{LEDGER}.settle", 11),
        (f"{CONTENTS}.note", 6),
        (f"{CONTENTS}.settle", 6),
        ("miso_upload.delivery.client:Client.post", 6),
    ],
)
def test_killed_at_a_step_of_one_command_with_all_files(step, least, moment, shops):
    assert kill_at_every(step, moment, shops, [*FILES]) >= least


@parametrize_moments
@pytest.mark.parametrize("step", ["intend", "settle"])
def test_killed_and_then_the_files_are_uploaded_in_another_order(step, moment, shops):
    others = reversed(FILES)

    assert kill_at_every(f"{LEDGER}.{step}", moment, shops, [*FILES], *zip(others)) > 5


@parametrize_moments
@pytest.mark.parametrize("step", ["continue_scan", "intend", "settle"])
def test_killed_while_resuming_a_file_that_has_grown_to_include_others(step, moment, shops):
    """What is new in it is in part what another file has."""

    def upload_and_grow(shop):
        shop.send("a.jsonl", "overlaps-a.jsonl")
        shop.write("a.jsonl", [*range(1, 9), *range(11, 17)])

    killed = kill_at_every(f"{LEDGER}.{step}", moment, shops, [*FILES], before=upload_and_grow)

    assert killed >= 1


@parametrize_moments
@pytest.mark.parametrize("step", ["begin_scan", "intend", "settle"])
def test_killed_while_reading_a_shifted_window(step, moment, shops):
    """The file has lost its first rows and has new ones, as a rolling export has each night."""

    def upload_and_shift(shop):
        shop.send("a.jsonl")
        shop.write("a.jsonl", range(4, 15))

    killed = kill_at_every(f"{LEDGER}.{step}", moment, shops, [*FILES], before=upload_and_shift)

    assert killed >= 3


@parametrize_moments
@pytest.mark.parametrize("count", range(1, 4))
def test_the_window_shifts_after_the_run_was_killed(count, moment, shops):
    """What the killed run may have sent is counted where it is sent again from the new window."""
    for step in (f"{LEDGER}.intend", f"{LEDGER}.settle"):
        shop = next(shops)
        died = shop.send("a.jsonl", step=step, count=count, moment=moment)
        assert died.code == -signal.SIGKILL
        shop.write("a.jsonl", range(4, 15))
        # Of the first three rows, only what has arrived is anywhere.
        shop.most = Counter({*range(4, 15), *shop.arrived()} - {BAD})

        assert shop.send("a.jsonl").code == 1

        arrived, totals = shop.arrived(), shop.totals()
        assert shop.most - arrived == Counter()
        assert len(arrived - shop.most) <= totals["duplicates"]
        assert (totals["unknown"], totals["pending"]) == (0, 0)


@parametrize_moments
def test_killed_again_and_again_at_the_same_step(moment, shops):
    shop = next(shops)
    died = 0
    while shop.send(*FILES, step=f"{LEDGER}.settle", count=2, moment=moment).code < 0:
        died += 1
        assert died < MANY

    assert died > 3
    shop.must_be_complete()


def test_killed_at_any_statement_of_the_ledger(shops):
    """Also within a transaction: after one statement is before the next."""
    step = "miso_upload.ledger.database:Database.change"

    assert kill_at_every(step, "before", shops, [*FILES]) > 40
