"""Measures the program against a short script and other tools, and reports the ratios.

    python benchmarks/run.py [--rows N] [--rounds N] [--clients PYTHON] [--parser PYTHON]

All commands take turns, round after round, so that other load on the machine affects all of them.
The table has the median rate of each command, and its ratio to the rate of the floor in the same
run. The figures go to `build/benchmarks.json`, the table and the plot to `docs/`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import inputs
import null_server
from picture import bars

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
FIGURES = ROOT / "build" / "benchmarks.json"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
FLOOR = "the floor"
KEEPING = "the floor, where glibc keeps its memory"
KEEP = ("env", "MALLOC_TRIM_THRESHOLD_=1000000000", "MALLOC_MMAP_THRESHOLD_=1000000000")
"""Keeps freed memory until the end: on some machines, the floor spends half its time freeing it."""
SLOW_SERVER_SECONDS = 1.0
SLOW_CHUNK = 500
SLOW_CHUNKS = 160
AT_A_TIME = 8


@dataclass
class Work:
    """A command to measure.

    Attributes:
        name: The name in the table.
        command: The command; `{state}` is a new directory each time.
        rows: The number of rows that it processes.
        against: The command whose rate is the divisor of the ratio, or a number of `unit` per
            second.
        target: The lowest acceptable ratio.
        codes: The acceptable exit codes.
        unit: The unit of the rate.
    """

    name: str
    command: tuple[str, ...]
    rows: int
    against: str | float = FLOOR
    target: float | None = None
    codes: tuple[int, ...] = (0,)
    unit: str = "rows"
    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return the median rate, in `unit` per second."""
        return self.rows / statistics.median(self.seconds)


def measure(work: Work, folder: Path) -> None:
    """Run a command once; note its duration and the peak memory of all its processes."""
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    command = [part.format(state=state) for part in work.command]
    environment = {**os.environ, "MISO_API_KEY": "key", "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=folder
    ) as process:
        most = 0.0
        while process.poll() is None:
            most = max(most, megabytes_of(process.pid))
            time.sleep(0.01)
        work.seconds.append(time.perf_counter() - started)
        if process.returncode not in work.codes:
            raise SystemExit(
                f"{work.name}: exit code {process.returncode}\n{process.stderr.read().decode()}"
            )
    work.megabytes.append(most)


def megabytes_of(pid: int) -> float:
    """Return the memory of a process and its children in MB, without shared pages twice."""
    total = 0
    for each in [pid, *_children(pid)]:
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1000


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def all_work(
    folder: Path, rows: int, url: str, slow: str, options: argparse.Namespace
) -> list[Work]:
    """Create the inputs, and return the commands to measure."""
    ids = inputs.write_jsonl(folder / "ids.jsonl", rows)
    derived = inputs.write_jsonl(folder / "derived.jsonl", rows, ids=False)
    strangers = inputs.write_jsonl(folder / "strangers.jsonl", rows, ids=False, rows_each=1)
    bad = inputs.write_jsonl(folder / "bad.jsonl", rows, bad_every=1000)
    table = inputs.write_csv(folder / "export.csv", rows)
    columns = inputs.write_as_parquet(table)
    log = inputs.write_log(folder / "access.log", rows)
    compressed = folder / "ids.jsonl.gz"
    subprocess.run(["gzip", "-1", "-k", "-f", str(ids)], check=True)
    few = inputs.write_jsonl(folder / "few.jsonl", SLOW_CHUNKS * SLOW_CHUNK)
    (folder / "csv.toml").write_text(inputs.MAPPING)
    (folder / "log.toml").write_text(inputs.ROUTES)
    upload = (options.program, "-m", "miso_upload")
    dry, send = ("--dry-run", "-q"), ("-q", "--state-dir", "{state}", "--server")
    floor = (options.program, str(HERE / "floor.py"))
    works = [
        Work(FLOOR, (*floor, str(ids)), rows),
        Work("the floor, sending", (*floor, str(ids), url), rows),
        Work("dry run, JSONL with ids", (*upload, str(ids), *dry), rows, target=1.2),
        Work("dry run, ids derived", (*upload, str(derived), *dry), rows, target=0.9),
        Work("the same, each row a stranger's", (*upload, str(strangers), *dry), rows),
        Work("gzip -dc, and nothing else", ("gzip", "-dc", str(compressed)), rows),
        Work("dry run, gzipped", (*upload, str(compressed), *dry), rows),
        Work("dry run, one bad row in 1,000", (*upload, str(bad), *dry), rows,
             "dry run, JSONL with ids", 1 / 1.3, (1,)),
        Work("CSV of 12 columns, mapping file", (*upload, str(table), "-m", "csv.toml", *dry), rows,
             target=0.6),
        Work("access log, routes, bots", (*upload, str(log), "-m", "log.toml", *dry), rows,
             target=0.5),
        Work("12 columns by SQL from CSV",
             (*upload, str(table), "--sql", "FROM input", "-m", "csv.toml", *dry), rows,
             "dry run, JSONL with ids", 1 / 1.8),
        Work("12 columns by SQL from Parquet",
             (*upload, str(columns), "--sql", "FROM input", "-m", "csv.toml", *dry), rows,
             "dry run, JSONL with ids", 1 / 1.8),
        Work("upload, ledger on", (*upload, str(ids), *send, url), rows,
             "dry run, JSONL with ids", 0.65),
        Work(f"{AT_A_TIME} requests at a time, 1 s each",
             (*upload, str(few), "--chunk-size", str(SLOW_CHUNK),
              "--concurrency", str(AT_A_TIME), *send, slow),
             SLOW_CHUNKS, AT_A_TIME / SLOW_SERVER_SECONDS, 0.9, unit="chunks"),
    ]  # fmt: skip
    works += [
        Work(KEEPING, (*KEEP, *floor, str(ids)), rows),
        Work("dry run, JSONL with ids, the same", (*KEEP, *upload, str(ids), *dry), rows, KEEPING),
    ]
    one = inputs.write_jsonl(folder / "one.jsonl", 1)
    click, requests = "python -c 'import click'", "python -c 'import requests'"
    works += [
        Work(click, (options.program, "-c", "import click"), 1, click, unit="starts"),
        Work("--version", (*upload, "--version"), 1, click, 1 / 1.3, unit="starts"),
        Work("--help", (*upload, "--help"), 1, click, 1 / 1.3, unit="starts"),
        Work(requests, (options.program, "-c", "import requests"), 1, requests, unit="starts"),
        Work("an upload of one row", (*upload, str(one), *send, url), 1, requests, 1 / 2.5,
             unit="starts"),
    ]  # fmt: skip
    peers = str(HERE / "peers.py")
    if options.clients:
        works.append(
            Work("miso-sdk in a loop", (options.clients, peers, "miso-sdk", str(ids), url), rows)
        )
        less = inputs.write_jsonl(folder / "less.jsonl", max(rows // 20, 1))
        singer = folder / "singer"
        singer.mkdir()
        works.append(
            Work("target-miso",
                 (options.clients, peers, "target-miso", str(less), url, str(singer)),
                 max(rows // 20, 1))
        )  # fmt: skip
    if options.parser:
        works.append(
            Work("apachelogs, parsing alone", (options.parser, peers, "apachelogs", str(log)), rows)
        )
    return works


def table(works: list[Work]) -> str:
    """Return the results as a table in Markdown."""
    rates = {work.name: work.rate for work in works}
    lines = [
        "| work | a second | ratio | to | wanted | memory |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for work in works:
        is_fixed = isinstance(work.against, float)
        to = f"{work.against:g} {work.unit} a second" if is_fixed else work.against
        ratio = work.rate / (work.against if is_fixed else rates[work.against])
        wanted = f"{work.target:.2f}" if work.target else ""
        lines.append(
            f"| {work.name} | {_shown(work.rate, work.unit)} | {ratio:.2f} | {to} | {wanted} "
            f"| {max(work.megabytes):,.0f} MB |"
        )
    return "\n".join(lines)


def _shown(rate: float, unit: str) -> str:
    return f"{rate:,.0f} {unit}" if unit == "rows" else f"{rate:.1f} {unit}"


def machine() -> str:
    """Describe the machine."""
    names = [line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return (
        f"{len(os.sched_getaffinity(0))} processors ({names[0] if names else platform.machine()}), "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=sys.executable, help="a Python that has miso-upload")
    parser.add_argument("--clients", help="a Python that has miso-sdk and target-miso")
    parser.add_argument("--parser", help="a Python that has apachelogs")
    parser.add_argument(
        "--only", help="measure only the floor and commands whose names contain this"
    )
    parser.add_argument("--write", action="store_true", help="put the results into docs/")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        null_server.running() as (url, server),
        null_server.running(SLOW_SERVER_SECONDS) as (slow, _),
    ):
        folder = Path(directory)
        works = all_work(folder, options.rows, url, slow, options)
        if options.only:
            works = [work for work in works if options.only in work.name or work.name == FLOOR]
            for work in works:
                if isinstance(work.against, str) and work.against not in {w.name for w in works}:
                    work.against = FLOOR
        for number in range(options.rounds):
            for work in works:
                measure(work, folder)
                print(f"round {number + 1}: {work.name}: {work.seconds[-1]:.2f} s", flush=True)
    text = table(works)
    about = (
        f"{options.rows:,} rows, medians of {options.rounds} rounds, null server: {server}; "
        f"{machine()}."
    )
    print(f"\n{about}\n\n{text}")
    FIGURES.parent.mkdir(exist_ok=True)
    figures = [{"name": each.name, "rows": each.rows, "seconds": each.seconds,
                "megabytes": each.megabytes} for each in works]  # fmt: skip
    FIGURES.write_text(json.dumps({"machine": machine(), "works": figures}, indent=1) + "\n")
    if options.write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}{about}\n\n{text}\n{END}{after}")
        PLOT.write_text(
            bars({work.name: work.rate for work in works if work.unit == "rows"}, "rows a second")
        )


if __name__ == "__main__":
    main()
