"""Measures the cost of content keys for whole commands.

    python benchmarks/budgets.py [--rows N] [--files N] [--rounds N] [--program PYTHON] [--write]

Each command runs with and without content keys. The commands take turns. A figure is the CPU time
of a command and its children; the table has the median of the differences of all rounds. --write
puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import inputs
import null_server
from run import PAGE, ROOT, machine

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- content keys: begin -->\n", "<!-- content keys: end -->\n"
ROWS_OF_A_FILE = 20
MORE = 5
"""The second directory has this many times as many small files."""


class Work(NamedTuple):
    """A command to measure.

    Attributes:
        name: The name in the output.
        entry: The arguments of Python that start the program.
        inputs: The input of the upload.
        state: The state directory to start with; None for an empty one.
        arguments: Additional options.
    """

    name: str
    entry: Sequence[str]
    inputs: Path
    state: Path | None = None
    arguments: Sequence[str] = ()


PROGRAM = ("-m", "miso_upload")
WITHOUT = (str(HERE / "without_keys.py"),)
BASE, NEW, OTHERS = "without content keys", "new days", "new rows on days of another source"
SENT, AGAIN = "rows already sent, in a copy of the file", "nothing new, the same file"
FEW, MANY, NIGHT = "small files", "more small files", "more small files, nothing new"
ONE, ONE_BASE = "one row", "one row, without content keys"


def seconds(work: Work, folder: Path, url: str, python: str) -> float:
    """Run a command and return its CPU time in seconds."""
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    if work.state is not None:
        shutil.copytree(work.state, state)
    command = [
        python, *work.entry, str(work.inputs), "-q", "--server", url, "--state-dir", str(state),
        "--workers", "0", *work.arguments,
    ]  # fmt: skip
    environment = {**os.environ, "MISO_API_KEY": "key", "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_small_files(folder: Path, files: int) -> Path:
    """Write files of a few rows each."""
    folder.mkdir()
    rows = map(json.dumps, inputs.records(files * ROWS_OF_A_FILE))
    for number in range(files):
        lines = "\n".join(islice(rows, ROWS_OF_A_FILE))
        (folder / f"{number:06}.jsonl").write_text(lines + "\n")
    return folder


def prepared(folder: Path, url: str, options: argparse.Namespace) -> list[Work]:
    """Create the inputs and ledgers, and return the commands to measure."""
    first = inputs.write_jsonl(folder / "first.jsonl", options.rows)
    copy = Path(shutil.copy(first, folder / "copy.jsonl"))
    others = folder / "others.jsonl"
    others.write_text(first.read_text().replace('"user-', '"guest-'))
    one = inputs.write_jsonl(folder / "one.jsonl", 1)
    few = write_small_files(folder / "few", options.files)
    many = write_small_files(folder / "many", options.files * MORE)
    ledgers = []
    for name, path in (("sent", first), ("sent-many", many)):
        seconds(Work(name, PROGRAM, path), folder, url, options.program)
        ledgers.append((folder / "state").rename(folder / name))
    sent, sent_many = ledgers
    return [
        Work(ONE_BASE, WITHOUT, one),
        Work(ONE, PROGRAM, one),
        Work(BASE, WITHOUT, first),
        Work(NEW, PROGRAM, first),
        Work(OTHERS, PROGRAM, others, sent),
        Work(SENT, PROGRAM, copy, sent),
        Work(AGAIN, PROGRAM, first, sent),
        Work(FEW, PROGRAM, few),
        Work(MANY, PROGRAM, many),
        Work(NIGHT, PROGRAM, many, sent_many),
    ]


def table(found: dict[str, list[float]], options: argparse.Namespace) -> str:
    """Return the results as a table in Markdown."""

    def more(name: str, base: str = BASE) -> float:
        pairs = zip(found[name], found[base], strict=True)
        return statistics.median(mine - theirs for mine, theirs in pairs)

    def a_file(name: str, files: int) -> str:
        return f"{more(name, ONE) / files * 1e3:.2f} ms a file"

    base = statistics.median(found[BASE]) / options.rows * 1e6
    a_row = {name: f"{more(name) / options.rows * 1e6:+.2f} µs" for name in (NEW, OTHERS, SENT)}
    many = options.files * MORE
    slower = (more(MANY, ONE) / many) / (more(FEW, ONE) / options.files)
    lines = [
        "| upload with one process | CPU time | budget |",
        "|---|---:|---:|",
        f"| a row, without content keys | {base:.2f} µs |  |",
        f"| more a row: days that no other source has | {a_row[NEW]} | +0.80 µs |",
        f"| more a row: new rows on days of another source | {a_row[OTHERS]} | +2.00 µs |",
        f"| more a row: rows already sent from another file | {a_row[SENT]} | +2.00 µs |",
        f"| a file that has not changed, start-up included | {min(found[AGAIN]):.2f} s |  |",
        f"| start-up, more than without content keys | {more(ONE, ONE_BASE) * 1e3:+.0f} ms |  |",
        f"| {options.files:,} files of {ROWS_OF_A_FILE} rows | {a_file(FEW, options.files)} |  |",
        f"| {many:,} files of {ROWS_OF_A_FILE} rows | {a_file(MANY, many)} |  |",
        f"| the ratio of the last two | {slower:.2f} | 1.20 |",
        f"| {many:,} files, nothing new | {a_file(NIGHT, many)} |  |",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--program", default=sys.executable, help="a Python that has miso-upload")
    parser.add_argument("--write", action="store_true", help="put the results into docs/")
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as directory, null_server.running() as (url, _):
        folder = Path(directory)
        works = prepared(folder, url, options)
        for number in range(options.rounds):
            for work in works:
                found.setdefault(work.name, []).append(seconds(work, folder, url, options.program))
                print(f"round {number + 1}: {work.name}: {found[work.name][-1]:.2f} s", flush=True)
    about = f"{options.rows:,} rows, medians of {options.rounds} rounds; {machine()}."
    text = table(found, options)
    print(f"\n{about}\n\n{text}")
    if options.write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}{about}\n\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
