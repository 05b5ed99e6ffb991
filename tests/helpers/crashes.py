"""A history, a mock server, and a program that is killed during its upload."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from typing import NamedTuple

from tests.helpers.processes import run_program
from tests.helpers.rows import row, write_rows

MANY = 200
ROWS = 12
BAD = (5, 8)
GOOD = tuple(number for number in range(1, ROWS + 1) if number not in BAD)


class Ended(NamedTuple):
    """How a run ended, and what its user saw."""

    code: int
    out: str
    err: str


class Case:
    """Twelve rows in chunks of three, two of them bad, and an upload of them that may die.

    Attributes:
        name: Stands in each row, so that many cases can share one double.
        place: The directory of its files, its ledger included.
    """

    def __init__(self, name, place, sandbox):
        self.name, self.place, self._sandbox = name, place, sandbox
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
        done = run_program(
            *args,
            cwd=self.place,
            env={
                **os.environ,
                "MISO_API_KEY": self._sandbox.key,
                "MISO_UPLOAD_STATE_DIR": str(self.state),
            },
            stdin=subprocess.DEVNULL,
            **death,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

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
