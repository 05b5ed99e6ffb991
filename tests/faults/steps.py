"""A history, a mock server, and a program that is killed during its upload."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import ROOT, row, write_rows

from miso_upload.sandbox import Sandbox

MANY = 200
ROWS = 12
BAD = (5, 8)
GOOD = tuple(number for number in range(1, ROWS + 1) if number not in BAD)


class Ended(NamedTuple):
    """How a run ended, and what its user saw."""

    code: int
    out: str
    err: str


class Nursery:
    """Runs the program again and again without loading it each time; see `nursery.py`."""

    def __init__(self, place):
        self._place = place
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def run(self, *args, cwd, environ, **death):
        """Run it until it ends or is killed."""
        out, err = self._place / "out", self._place / "err"
        job = {
            "args": [*map(str, args)],
            "cwd": str(cwd),
            "environ": environ,
            "out": str(out),
            "err": str(err),
            **death,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        ended = Ended(code, out.read_text(), err.read_text())
        assert "Traceback" not in ended.err, ended.err
        return ended

    def close(self):
        """End it."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    """Return what runs the program."""
    running = Nursery(tmp_path_factory.mktemp("nursery"))
    yield running
    running.close()


@pytest.fixture
def sandbox():
    """Return a mock server."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def cases(tmp_path, nursery, sandbox):
    """Return histories of their own, one after the other."""
    return (Case(f"case{n}", tmp_path / f"case{n}", nursery, sandbox) for n in range(1, MANY))


@pytest.fixture
def case(tmp_path, nursery, sandbox):
    """Return one history."""
    return Case("case", tmp_path / "case", nursery, sandbox)


class Case:
    """Twelve rows in chunks of three, two of them bad, and an upload of them that may die.

    Attributes:
        name: Stands in each row, so that many cases can share one double.
        place: The directory of its files, its ledger included.
    """

    def __init__(self, name, place, nursery, sandbox):
        self.name, self.place, self._nursery, self._sandbox = name, place, nursery, sandbox
        self.place.mkdir(exist_ok=True)
        self.state = place / "state"
        self.history = place / "history.jsonl"
        self.rejects = place / "history.jsonl.rejects.jsonl"
        self.rows(ROWS)

    def rows(self, count):
        """Let the history have so many rows."""
        write_rows(
            self.history,
            [
                row(
                    number,
                    user_id=f"{self.name}-{number}",
                    **({"timestamp": "2024-13-01"} if number in BAD else {}),
                )
                for number in range(1, count + 1)
            ],
        )

    def run(self, *args, **death):
        """Run the program."""
        environ = {
            "MISO_API_KEY": self._sandbox.key,
            "MISO_UPLOAD_STATE_DIR": str(self.state),
        }
        return self._nursery.run(*args, cwd=self.place, environ=environ, **death)

    def upload(self, *options, **death):
        """Upload the history."""
        options = ("--chunk-size", 3, "--concurrency", 2, "--max-reject-rate", 1, *options)
        return self.run("history.jsonl", "--server", self._sandbox.url, *options, **death)

    def status(self):
        """Return what the ledger says; the equation holds at any time."""
        known = json.loads(self.run("status", "--json").out)
        if not known:
            return dict.fromkeys(("rows", "accepted", "rejected", "duplicates"), 0)
        totals = known[0]["totals"]
        parts = ("accepted", "already_sent", "rejected", "skipped", "unknown", "pending")
        assert totals["rows"] == sum(totals[part] for part in parts), totals
        return totals

    def arrived(self):
        """Return how often each row arrived."""
        return Counter(
            int(number)
            for name, _, number in (r["user_id"].rpartition("-") for r in self._sandbox.records())
            if name == self.name
        )

    def rejected_rows(self):
        """Return the numbers of the rows in the rejects file."""
        if not self.rejects.exists():
            return []
        lines = map(json.loads, self.rejects.read_text().splitlines())
        return [int(each["row"]["user_id"].rpartition("-")[2]) for each in lines]

    def must_be_whole(self):
        """Everything is there, once, or twice and counted; nobody else may look at it."""
        arrived, totals = self.arrived(), self.status()
        assert set(arrived) == set(GOOD)
        assert max(arrived.values()) <= 2
        assert sum(count > 1 for count in arrived.values()) <= totals["duplicates"]
        assert (totals["rows"], totals["accepted"]) == (ROWS, len(GOOD))
        assert (totals["unknown"], totals["pending"]) == (0, 0)
        assert sorted(self.rejected_rows()) == list(BAD)
        self.must_be_private()

    def must_be_private(self):
        """Nobody but the owner may read what was made."""
        made = [*self.state.rglob("*"), self.state, self.rejects]
        made += self.place.glob("*report*")
        readable = [path for path in made if path.exists() and path.stat().st_mode & 0o077]
        assert readable == []
