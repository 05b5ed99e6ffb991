"""Uploads under random faults, kills the upload again and again, and then compares every row.

    python benchmarks/soak.py --minutes 60 --kill-every 180

The sandbox runs in its own process, injects a fault into one request in five, and stores records
in SQLite. The test generates, uploads and deletes files, one set after the other. Every few
minutes, at a random time, it kills the upload (-9) and runs the same command again. Half of the
files share rows with the file before them, or are a part of it, and some grow between two runs.
The rate of requests is limited. When the time is up, the test finishes the last set and compares
three accounts: the generated rows, the rows at the server, and the ledger.

Exits with 0 if they agree and memory use was flat, with 1 otherwise.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = (sys.executable, "-m", "miso_upload")
KEY = "sentinel-key-0123456789"
FAULTS = {
    "429": 0.04, "503": 0.03, "500": 0.02, "502": 0.02, "502-after": 0.02, "drop": 0.02,
    "drop-after": 0.02, "garbage": 0.01, "errors-true": 0.02,
}  # fmt: skip
"""One request in five, together."""
EXPECTED = {0, 1, 3, -signal.SIGKILL}
"""Done, done with rejected rows, stopped early, and killed."""
OUTCOMES = ("accepted", "already_sent", "rejected", "skipped", "unknown", "pending")
ROWS_IN_A_FILE = 10_000
BAD_EVERY = 97
WARM_UP_SECONDS = 20
MOST_GROWTH = 16 * 1024
"""The limit in KiB for the growth of memory from the first to the last third of a process."""


GROWS_BY = 1_000


def rows_of(file):
    """Return the rows of a file, each as the file that it first appears in and a number."""
    half, rest = ROWS_IN_A_FILE // 2, range(1, ROWS_IN_A_FILE + 1)
    if file % 4 == 2:  # overlaps the one before
        return [(file - 1, number) for number in rest[half:]] + [(file, n) for n in rest[:half]]
    if file % 4 == 0:  # is a part of the one before
        return [(file - 1, number) for number in rest[half // 2 : -half // 2]]
    return [(file, number) for number in rest]


def is_bad(number):
    """Return whether a row is bad."""
    return number % BAD_EVERY == 0


def record(file, number):
    """Return a row; some rows are bad."""
    seed = number * 7919 + file * 104_729
    month, day, hour = seed % 12 + 1, seed % 28 + 1, seed % 24
    bad = is_bad(number)
    return {
        "type": ("product_detail_page_view", "add_to_cart", "like")[number % 3],
        "timestamp": f"2024-{13 if bad else month:02}-{day:02}T{hour:02}:{number % 60:02}:00Z",
        "user_id": f"{file}-{number}",
        "product_ids": [f"sku-{seed % 5000}"],
    }


def write_file(folder, file):
    """Write a file: every third one is compressed, the others lack some rows."""
    path = folder / f"part-{file:06}.jsonl{'.gz' if file % 3 == 0 else ''}"
    opener, rows = (
        (gzip.open, rows_of(file)) if file % 3 == 0 else (open, rows_of(file)[:-GROWS_BY])
    )
    with opener(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(record(*row)) + "\n" for row in rows)
    return path


def grow(path, file):
    """Append the last rows of a file that is not compressed."""
    if path.suffix != ".gz":
        with path.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(record(*row)) + "\n" for row in rows_of(file)[-GROWS_BY:])


@dataclass
class Life:
    """One process of the upload: its exit code, and its memory as pairs of seconds and KiB."""

    paths: list[Path]
    code: int | None = None
    memory: list[tuple[float, int]] = field(default_factory=list)

    def growth(self):
        """Return the growth of memory from the first to the last third, if it ran long enough."""
        settled = [kib for seconds, kib in self.memory if seconds > WARM_UP_SECONDS]
        third = len(settled) // 3
        if third < 5:
            return None
        return statistics.median(settled[-third:]) - statistics.median(settled[:third])


def start_sandbox(folder):
    """Start the sandbox; return its process and its URL."""
    faults = [word for name, rate in FAULTS.items() for word in ("--fault", f"{name}:{rate}")]
    with (folder / "sandbox.log").open("w") as log:
        process = subprocess.Popen(
            [*PROGRAM, "sandbox", "--port", "0", "--store", str(folder / "store.sqlite"), *faults,
             "--fault", "seed:1", "--quiet"],
            stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "MISO_SANDBOX_KEY": KEY, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    return process, re.search(r"http://\S+:\d+", process.stdout.readline())[0]


def memory_of(process):
    """Return the resident memory of a process in KiB, on Linux."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) if found else None


def upload(paths, url, folder, options, kill_after):
    """Upload a set of files; kill the upload after `kill_after` seconds."""
    command = [
        *PROGRAM, *map(str, paths), "--server", url, "--json",
        "--state-dir", str(folder / "state"), "--rejects", str(folder / "rejects.jsonl"),
        "--report", str(folder / "report.json"),
        "--chunk-size", str(options.chunk_size), "--max-requests-per-second", str(options.rate),
    ]  # fmt: skip
    life = Life(paths)
    with (folder / "upload.log").open("a") as log:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, "MISO_API_KEY": KEY, "PYTHONPATH": str(ROOT)},
        )
        try:
            while process.poll() is None:
                lived = time.monotonic() - started
                if kill_after is not None and lived >= kill_after:
                    process.kill()
                if kib := memory_of(process):
                    life.memory.append((lived, kib))
                time.sleep(0.5)
        finally:
            process.kill()
            life.code = process.wait()
    return life


def soak(folder, options):
    """Upload one set after the other until the time is up; return all processes and files."""
    draw = random.Random(options.seed)
    sandbox, url = start_sandbox(folder)
    lives, files, ends = [], 0, time.monotonic() + options.minutes * 60
    # At the limited rate, uploading a set takes longer than the time between two kills.
    in_a_set = max(int(options.rate * options.chunk_size * options.kill_every / ROWS_IN_A_FILE), 1)
    try:
        while time.monotonic() < ends:
            inputs = folder / "inputs"
            inputs.mkdir()
            numbers = range(files + 1, files + in_a_set + 1)
            paths = [write_file(inputs, file) for file in numbers]
            files += in_a_set
            grown = False
            while not grown or lives[-1].code not in (0, 1):
                if lives and lives[-1].paths == paths and not grown:
                    grown = True
                    for path, file in zip(paths, numbers, strict=True):
                        grow(path, file)
                kill_after = draw.uniform(0.2, 1.4) * options.kill_every
                over = time.monotonic() >= ends
                lives.append(upload(paths, url, folder, options, None if over else kill_after))
                if lives[-1].code not in EXPECTED:
                    sys.exit((folder / "upload.log").read_text()[-2000:])
            shutil.rmtree(inputs)
    finally:
        sandbox.send_signal(signal.SIGINT)
        sandbox.wait(60)
        sandbox.stdout.close()
    return lives, files


def compare(folder, files):
    """Compare the rows at the server with those generated; also return the requests by fault."""
    seen = {file: bytearray(ROWS_IN_A_FILE + 1) for file in range(1, files + 1)}
    found = Counter(missing=0, doubled=0, altered=0, strange=0)
    with closing(sqlite3.connect(folder / "store.sqlite")) as store:
        for (body,) in store.execute("SELECT body FROM records"):
            arrived = json.loads(body)
            file, _, number = arrived.get("user_id", "").partition("-")
            if not (file.isdecimal() and int(file) in seen and number.isdecimal()):
                found["strange"] += 1
                continue
            expected = record(int(file), int(number))
            found["altered"] += arrived != expected
            found["strange"] += is_bad(int(number))
            copies = seen[int(file)][int(number)]
            found["doubled"] += copies == 1
            seen[int(file)][int(number)] = min(copies + 1, 2)
        requests = dict(
            store.execute("SELECT ifnull(fault, 'none'), count(*) FROM requests GROUP BY 1")
        )
    rows = {row for file in range(1, files + 1) for row in rows_of(file)}
    found["missing"] = sum(not seen[file][number] for file, number in rows if not is_bad(number))
    return found, requests


def ledger_of(folder):
    """Return the totals of the ledger over all files."""
    command = [*PROGRAM, "status", "--json", "--state-dir", str(folder / "state")]
    done = subprocess.run(
        command, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    totals = Counter()
    for source in json.loads(done.stdout):
        totals.update(source["totals"])
    return totals


def compare_accounts(folder, lives, files):
    """Compare the three accounts; return the lines of the summary, and the claims that failed."""
    found, requests = compare(folder, files)
    totals = ledger_of(folder)
    counted = json.loads((folder / "report.json").read_text())["duplicates_at_target"]
    numbers = [number for file in range(1, files + 1) for _, number in rows_of(file)]
    rows, bad = len(numbers), sum(map(is_bad, numbers))
    distinct = {row for file in range(1, files + 1) for row in rows_of(file)}
    good = sum(not is_bad(number) for _, number in distinct)
    ends = Counter("killed" if life.code == -signal.SIGKILL else life.code for life in lives)
    growths = [growth for life in lives if (growth := life.growth()) is not None]
    peak = max((kib for life in lives for _, kib in life.memory), default=0)
    faulty = sum(requests.values()) - requests.get("none", 0)
    rejects = (folder / "rejects.jsonl").read_text().splitlines()
    log = (folder / "upload.log").read_text()
    claims = {
        "no row is missing": found["missing"] == 0,
        "no row is altered or strange": not found["altered"] and not found["strange"],
        "rows that are there twice were counted": found["doubled"] <= counted,
        "the equation holds": totals["rows"] == rows == sum(totals[name] for name in OUTCOMES),
        "every good row is accepted or already sent, every bad one rejected": totals["accepted"]
        + totals["already_sent"]
        == rows - bad
        and totals["rejected"] == bad,
        "no row is accepted for two files": totals["accepted"] <= good,
        # A file that is read again from its start adds its bad rows again.
        "the rejects file has each bad row": len(set(rejects)) == bad,
        "no traceback, no key in any output": "Traceback" not in log and KEY not in log,
        "memory is flat": bool(growths) and max(growths) < MOST_GROWTH,
    }
    shown = ", ".join(f"{name} {count}" for name, count in sorted(requests.items()))
    lines = [
        f"- {rows:,} rows in {files:,} files, {bad:,} of them bad; {sum(requests.values()):,} "
        f"requests, {faulty / sum(requests.values()):.1%} of them with a fault ({shown})",
        f"- {len(lives)} runs, {ends['killed']} of them killed with -9; exit codes of the others: "
        + ", ".join(f"{code} ({n} x)" for code, n in ends.items() if code != "killed"),
        f"- at the server: {found['missing']:,} missing, {found['altered']:,} altered, "
        f"{found['strange']:,} strange, {found['doubled']:,} there twice, of "
        f"{counted:,} counted as possibly there twice",
        f"- the ledger: {totals['rows']:,} rows read = {totals['accepted']:,} accepted + "
        f"{totals['already_sent']:,} already sent + {totals['rejected']:,} rejected + "
        f"{totals['skipped']:,} skipped + {totals['unknown']:,} unknown + "
        f"{totals['pending']:,} pending",
        f"- memory: {peak / 1024:.0f} MiB at most; between the first and the last third of a "
        f"process's life {max(growths, default=0) / 1024:+.1f} MiB at most, over {len(growths)} "
        "that ran long enough",
        *(f"- {claim}: {'yes' if true else 'NO'}" for claim, true in claims.items()),
    ]
    return lines, [claim for claim, true in claims.items() if not true]


def main():
    """Soak, compare, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60, help="default: 60")
    parser.add_argument("--kill-every", type=float, default=180, help="seconds; default: 180")
    parser.add_argument("--rate", type=float, default=6, help="requests a second; default: 6")
    parser.add_argument("--chunk-size", type=int, default=200, help="rows in each; default: 200")
    parser.add_argument("--seed", type=int, default=1, help="seed of the times to kill; default: 1")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep all files in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="miso-upload-soak-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        lives, files = soak(folder, options)
        lines, wrong = compare_accounts(folder, lives, files)
    print("\n".join(lines))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
