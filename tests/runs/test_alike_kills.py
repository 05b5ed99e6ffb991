"""Sets of files that share, overlap and contain each other, changed between runs that are killed.

In each round the program is killed with SIGKILL at a moment that nobody chose, and then a file
grows, is rotated, edited or replaced. A last run without a kill must bring all to its end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from miso_upload.sandbox import Sandbox
from tests.helpers.processes import started_program
from tests.helpers.rows import row, write_rows

ROUNDS = int(os.environ.pop("MISO_UPLOAD_KILLS", "0")) or 5
ROWS = 1_500

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a matter of POSIX")


def numbers_in(path):
    return [int(json.loads(line)["user_id"][5:]) for line in path.read_text().splitlines()]


class Files:
    """Files whose rows are drawn from the same numbers."""

    def __init__(self, folder, draw):
        self.folder = folder
        self.draw = draw
        self.most = Counter()
        for name in "abc":
            self.write(name, self.some())

    def some(self):
        """Return a run of numbers, which others have in part, a few of them several times."""
        first = self.draw.randrange(ROWS)
        numbers = list(range(first, first + self.draw.randrange(100, ROWS)))
        return numbers + self.draw.choices(numbers, k=20)

    def write(self, name, numbers):
        """Write a file again."""
        write_rows(self.folder / f"{name}.jsonl", map(row, numbers))
        self.most |= Counter(numbers)

    def all(self):
        """Return all files, those that were rotated too."""
        return sorted(self.folder.glob("*.jsonl*"))

    def change(self):
        """Change one of the files that are written."""
        name = self.draw.choice("abc")
        path = self.folder / f"{name}.jsonl"
        numbers = numbers_in(path)
        cut = self.draw.randrange(len(numbers))
        match self.draw.randrange(4):
            case 0:
                with path.open("a") as file:
                    file.writelines(json.dumps(row(number)) + "\n" for number in self.some())
                self.most |= Counter(numbers_in(path))
            case 1:
                path.rename(path.with_suffix(".jsonl.1"))
                self.write(name, self.some())
            case 2:
                self.write(name, numbers[cut:] + self.some())
            case 3:
                self.write(name, [*numbers[:cut], self.draw.randrange(ROWS), *numbers[cut + 1 :]])


def run(files, sandbox, records_until_killed=None):
    """Run the program, and kill it when so many more records are at Miso; return its exit code."""
    options = ("--server", sandbox.url, "--chunk-size", "20", "--format", "jsonl")
    with started_program(
        *files.all(),
        *options,
        env={**os.environ, "MISO_API_KEY": sandbox.key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        if records_until_killed is not None:
            wanted = stored(sandbox) + records_until_killed
            while process.poll() is None and stored(sandbox) < wanted:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        said = process.communicate()[0]
        assert process.returncode in (0, -signal.SIGKILL), said.decode()
        return process.returncode


def stored(sandbox):
    return sandbox.counts()["records"]


def suspects(folder):
    """Return the numbers in spans of which the ledger says that Miso may have them twice."""
    found = set()
    for ledger in (folder / "state").glob("*.ledger"):
        # The last connection removes the -wal, without which the ledger counts as incomplete.
        with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as db:
            spans = db.execute(
                "SELECT sources.key, first_line, line_count FROM spans "
                "JOIN sources ON sources.scan_id = spans.scan_id WHERE duplicates > 0"
            ).fetchall()
        for path, first, count in spans:
            found |= set(numbers_in(Path(path))[first - 1 : first - 1 + count])
    return found


@pytest.mark.parametrize("seed", range(2))
def test_changing_files_arrive_once_or_counted_after_any_number_of_kills(seed, tmp_path):
    draw = random.Random(seed)
    folder = tmp_path / "files"
    files = Files(folder, draw)
    doubted = set()
    killed = 0
    with Sandbox(store=tmp_path / "store.sqlite") as sandbox:
        for _ in range(ROUNDS):
            killed += run(files, sandbox, draw.randrange(1, 900)) == -signal.SIGKILL
            doubted |= suspects(tmp_path)
            files.change()
        assert run(files, sandbox) == 0
        doubted |= suspects(tmp_path)
        arrived = Counter(int(record["user_id"][5:]) for record in sandbox.records())
        assert run(files, sandbox) == 0
        assert sum(arrived.values()) == sum(1 for _ in sandbox.records())

    for path in files.all():
        missing = Counter(numbers_in(path)) - arrived
        assert not missing, f"{len(missing)} records of {path.name} are not at Miso"
    too_many = set(arrived - files.most)
    assert too_many <= doubted, f"{len(too_many - doubted)} came too often, uncounted"
    print(f"{killed} kills; {len(too_many)} records came more than once, all of them counted")
    assert killed
