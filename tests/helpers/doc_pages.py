"""Runs what the README and the pages in docs/ show, so that they show what happens.

On a page, a `console` block is a terminal session: each line that starts with `$ ` is run, and the
lines below it are what it prints. A block with `title="NAME"` is a file of that name, which the
sessions below it can use. All blocks of a page run in one directory, in the order of the page.

`python -m tests.helpers.doc_pages` writes the current output of sessions into the pages, and the
options of all commands into the reference; the suite compares.
"""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from miso_upload.sandbox import Sandbox
from tests.helpers import cli_reference
from tests.helpers.processes import COMMAND, shell_command

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^```(?P<kind>\w+)(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
TITLE = re.compile(r'title="([^"]+)"')
_SHOWN_URL = "http://127.0.0.1:8642"
_SHOWN_STATE = "~/.local/state/miso-upload"
# What differs from run to run.
_VARIES = (
    (re.compile(r"((?<=127\.0\.0\.1:)|(?<=localhost:))\d+"), "8642"),
    (re.compile(r"\d+\.\d s\b"), "0.1 s"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"), "2026-11-24T10:00:00+00:00"),
)


def pages() -> list[str]:
    """Return the paths of the pages that have sessions, from the root of the tree."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        path.relative_to(ROOT).as_posix()
        for path in found
        if "```console\n" in path.read_text(encoding="utf-8")
    ]


def replayed(page: str) -> str:
    """Return the text of a page with the output of each session as it is now."""
    text = (ROOT / page).read_text(encoding="utf-8")
    prepared = _prepared_for_inputs if page == "docs/inputs.md" else _prepared
    with (
        tempfile.TemporaryDirectory() as home,
        Sandbox(key="sandbox") as sandbox,
        prepared(Path(home).resolve()) as environment,
    ):
        terminal = Terminal(Path(home).resolve(), sandbox.url, environment)
        if page != "README.md":
            terminal.program = shell_command()
        return BLOCK.sub(terminal.block, text)


class Terminal:
    """A shell in a directory of its own, whose output is made the same for every run."""

    def __init__(self, home: Path, url: str, environment: dict[str, str]) -> None:
        """Use `home` as working and home directory, and the mock server at `url`."""
        self.home, self.url = home, url
        self.program = shlex.join(COMMAND)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MISO_", "XDG_"))}
        self.environment = {
            **inherited,
            "COLUMNS": "80",
            "HOME": str(home),
            "MISO_API_KEY": "sandbox",
            "PYTHONPATH": str(ROOT),
            **environment,
        }

    def block(self, found: re.Match[str]) -> str:
        """Return a block as it is after it was run, or written to its file."""
        if found["kind"] == "console":
            return f"```console{found['info']}\n{self.session(found['text'])}```"
        if name := TITLE.search(found["info"]):
            path = self.home / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found["text"], encoding="utf-8")
        return found[0]

    def session(self, text: str) -> str:
        """Return a session with the output that it has now."""
        commands = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
        return "".join(f"$ {command}\n{self.output(command)}" for command in commands)

    def output(self, command: str) -> str:
        """Return what a command prints, standard error first."""
        if command.startswith("export "):
            for name, _, value in (each.partition("=") for each in command.split()[1:]):
                known = value.replace("$PWD", str(self.home)).replace(_SHOWN_URL, self.url)
                self.environment[name] = known
            return ""
        command = command.replace("miso-upload sandbox", "miso-upload sandbox --port 0")
        command = re.sub(r"\bmiso-upload(?= )", self.program, command)
        command = re.sub(r"^python(?= )", sys.executable, command).replace(_SHOWN_URL, self.url)
        done = subprocess.run(
            command, shell=True, cwd=self.home, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return self._as_shown(done.stderr + done.stdout)

    def _as_shown(self, output: str) -> str:
        for url in (self.url, self.url.removeprefix("http://")):
            output = output.replace(
                url, _SHOWN_URL.removeprefix("http://") if url != self.url else _SHOWN_URL
            )
        below = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
        output = output.replace(str(self.home / below / "miso-upload"), _SHOWN_STATE)
        output = output.replace(f"{self.home}/", "/home/you/")
        for pattern, instead in _VARIES:
            output = pattern.sub(instead, output)
        return output


@contextmanager
def _prepared(home: Path) -> Iterator[dict[str, str]]:
    """Put what is in the source tree, and pages name, into a directory."""
    shutil.copytree(ROOT / "sample_data", home / "sample_data")
    specimens = "tests/presets/specimens"
    shutil.copytree(ROOT / specimens, home / specimens)
    yield {}


@contextmanager
def _prepared_for_inputs(home: Path) -> Iterator[dict[str, str]]:
    """Add the compressed files, the Parquet file and the objects that docs/inputs.md shows."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import zstandard

    from tests.helpers.remote_servers import s3_server

    history = (ROOT / "sample_data" / "history.jsonl").read_bytes()
    lines = history.splitlines(keepends=True)
    (home / "history.jsonl.zst").write_bytes(zstandard.compress(history))
    with zipfile.ZipFile(home / "export.zip", "w") as archive:
        for name in ("2024-05.csv", "2024-06.csv"):
            archive.writestr(name, "user_id,type\n")
    orders = {
        "event": ["checkout"],
        "user_id": ["customer-0"],
        "event_time": pa.array([1_714_557_600_000], pa.timestamp("ms", "UTC")),
        "product_ids": [["WW-0000"]],
        "price": pa.array([Decimal("0.99")], pa.decimal128(9, 2)),
    }
    pq.write_table(pa.table(orders), home / "orders.parquet")
    with s3_server() as bucket:
        bucket.put("logs/2026-03-02.jsonl.gz", gzip.compress(b"".join(lines[:1200])))
        bucket.put("logs/2026-03-03.jsonl.gz", gzip.compress(b"".join(lines[1200:])))
        yield bucket.environment


def main() -> None:
    """Write what is true now into the pages that are named, or into all of them."""
    for page in sys.argv[1:] or pages():
        (ROOT / page).write_text(replayed(page), encoding="utf-8")
    cli_reference.write()


if __name__ == "__main__":
    main()
