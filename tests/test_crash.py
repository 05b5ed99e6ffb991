"""The program is killed at random moments, and rerun until it is through.

`MISO_UPLOAD_CRASH_ROWS=1000000 pytest tests/test_crash.py` does it with a million rows.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest
from conftest import row, started, write_rows

from miso_upload.sandbox import Sandbox

KILLS = 10
ROWS = int(os.environ.pop("MISO_UPLOAD_CRASH_ROWS", "0")) or 30_000
BAD_EVERY = 101


@pytest.fixture
def history(tmp_path):
    rows = (
        row(number, timestamp="2024-13-01") if number % BAD_EVERY == 0 else row(number)
        for number in range(1, ROWS + 1)
    )
    return write_rows(tmp_path / "history.jsonl", rows)


def kill_and_rerun(history, sandbox, draw):
    """Run the upload again and again, killing it at a random moment of each of the first runs."""
    command = [sys.executable, "-m", "miso_upload", str(history), "--server", sandbox.url]
    command += ["--chunk-size", str(max(ROWS // 100, 100)), "--json"]
    killed = 0
    while True:
        with started(
            command,
            env={**os.environ, "MISO_API_KEY": sandbox.key},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            if killed < KILLS:
                # Wait until it has got somewhere, and then a moment that nobody chose.
                for _ in range(draw.randrange(1, 9)):
                    process.stderr.readline()
                time.sleep(draw.random() * 0.05)
                process.send_signal(signal.SIGKILL)
            process.stderr.read()
            process.wait()
        if process.returncode != -signal.SIGKILL:
            return process.returncode, killed
        killed += 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a matter of POSIX")
def test_nothing_is_lost_and_nothing_is_doubled_unsaid_however_often_it_is_killed(
    history, tmp_path
):
    draw = random.Random(ROWS)
    store = tmp_path / "store.sqlite"
    with Sandbox(store=store) as sandbox:
        exit_code, killed = kill_and_rerun(history, sandbox, draw)
        arrived = Counter(int(record["user_id"][5:]) for record in sandbox.records())

    (ledger,) = (tmp_path / "state").glob("*.ledger")
    with closing(sqlite3.connect(ledger)) as db:
        spans = db.execute("SELECT first_line, line_count, duplicates FROM spans").fetchall()
        (totals,) = db.execute(
            "SELECT sum(rows), sum(accepted), sum(rejected), sum(unknown), sum(pending), "
            "sum(duplicates) FROM spans"
        )
    rejects = (tmp_path / "history.jsonl.rejects.jsonl").read_text().splitlines()
    bad = ROWS // BAD_EVERY
    twice = {number for number, count in arrived.items() if count > 1}
    suspects = {
        line
        for first, count, duplicates in spans
        if duplicates
        for line in range(first, first + count)
    }
    print(
        f"{killed} kills, {ROWS:,} rows: {len(arrived):,} arrived, {len(twice):,} of them more "
        f"than once; {totals[5]:,} were counted as possible duplicates"
    )
    assert set(arrived) == {n for n in range(1, ROWS + 1) if n % BAD_EVERY}
    assert twice <= suspects
    assert len(twice) <= totals[5]
    assert totals[:5] == (ROWS, ROWS - bad, bad, 0, 0)
    assert len(rejects) == len(set(rejects)) == bad
    assert killed == KILLS
    assert exit_code in (0, 1)
