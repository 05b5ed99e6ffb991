"""A web server's log directory: rows are written, and the log is rotated, as logrotate does it.

What makes the rows is a `Rows`, so that other kinds of logs go through the same weeks.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGIN = datetime(2026, 3, 1, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """A kind of log.

    Attributes:
        name: What the tests are called by.
        line: Makes the line, without its end, of the row with a number and a moment.
        number: Finds the number again in the record that the line became.
        options: What the command needs to know about such logs.
    """

    name: str
    line: object
    number: object
    options: tuple[str, ...] = ()


def json_line(number, moment):
    return json.dumps(
        {
            "type": "product_detail_page_view",
            "timestamp": moment.isoformat(),
            "user_id": f"user-{number}",
            "product_ids": [f"sku-{number}"],
        }
    )


def json_number(record):
    return int(record["user_id"].removeprefix("user-"))


def request_line(number, moment):
    return (
        f"198.51.100.7 - user-{number} [{moment:%d/%b/%Y:%H:%M:%S %z}] "
        f'"GET /product/sku-{number} HTTP/1.1" 200 512 "-" "Mozilla/5.0"'
    )


JSON_LINES = Rows("jsonl", json_line, json_number, ("--format", "jsonl"))
REQUESTS = Rows(
    "requests",
    request_line,
    json_number,
    (
        *("--format", "log", "--preset", "none", "--set", "type=product_detail_page_view"),
        *("--map", "user_id=user", "--map", "product_ids=url"),
    ),
)
KINDS = [JSON_LINES, REQUESTS]


@dataclass
class Site:
    """A directory with a log that is written and rotated.

    Attributes:
        complete: The numbers of all rows of which the end was written.
        seen: The numbers that a run had the chance to read.
        kept: How many rotated files are kept at most.
    """

    directory: Path
    rows: Rows = JSON_LINES
    dated: bool = False
    copies: bool = False
    delayed: bool = True
    kept: int = 100
    name: str = "access.log"
    complete: set = field(default_factory=set)
    number: int = 0
    now: datetime = BEGIN
    _rest: bytes = b""
    _file: object = None
    _days: int = 0

    def __post_init__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / self.name
        self._reopen()

    def _reopen(self):
        if self._file is not None:
            self._file.close()
        self._file = self.log.open("ab", buffering=0)

    def close(self):
        """Let go of the log."""
        self._file.close()

    def _next_line(self, seconds):
        self.number += 1
        self.now += timedelta(seconds=seconds)
        return self.rows.line(self.number, self.now).encode() + b"\n"

    def write(self, count, seconds=60):
        """Write whole rows, after the rest of a row that was begun."""
        self.finish()
        lines = []
        for _ in range(count):
            lines.append(self._next_line(seconds))
            self.complete.add(self.number)
        self._file.write(b"".join(lines))

    def begin_row(self, share=0.5, seconds=60):
        """Write a part of a row, and keep the rest for later."""
        self.finish()
        line = self._next_line(seconds)
        size = max(1, min(int(len(line) * share), len(line) - 1))
        self._file.write(line[:size])
        self._rest = line[size:]

    def finish(self):
        """Write the rest of a row that was begun, and let go of a log that was renamed."""
        if self._rest:
            self._file.write(self._rest)
            self._rest = b""
            self.complete.add(self.number)
        self._reopen()

    def rotate(self):
        """Rotate as logrotate does, once a day.

        After a renaming, the writer still has the old file in its hand until its row is whole.
        """
        self._days += 1
        if self.copies:
            self.finish()  # a row that is torn is no row
        if self.dated:
            rotated = self.directory / f"{self.name}-{BEGIN + timedelta(days=self._days):%Y%m%d}"
        else:
            self._shift()
            rotated = self.directory / f"{self.name}.1"
        if self.copies:
            rotated.write_bytes(self.log.read_bytes())
            self.log.write_bytes(b"")
        else:
            self.log.rename(rotated)
            self.log.touch()
            if not self._rest:
                self._reopen()
        self._pack_and_delete(rotated)

    def _shift(self):
        """Give every rotated file the next number, the oldest first."""
        for path in self.rotated():
            number = int(path.name.removeprefix(f"{self.name}.").removesuffix(".gz"))
            ending = ".gz" if path.name.endswith(".gz") else ""
            path.rename(self.directory / f"{self.name}.{number + 1}{ending}")

    def _pack_and_delete(self, newest):
        for path in self.rotated():
            if path.suffix == ".gz" or self._holds(path) or (self.delayed and path == newest):
                continue
            Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
            path.unlink()
        for path in self.rotated()[: -self.kept]:
            if not self._holds(path):
                path.unlink()

    def _holds(self, path):
        """Whether the writer has yet to finish a row in this file."""
        return self._rest and path.stat().st_ino == os.fstat(self._file.fileno()).st_ino

    def rotated(self):
        """Return the rotated files, the oldest first."""
        found = [path for path in self.directory.iterdir()
                 if path.name.startswith(self.name) and path != self.log
                 and not path.name.endswith(".rejects.jsonl")]  # fmt: skip
        if self.dated:
            return sorted(found)
        plain = {path: path.name.removesuffix(".gz").rpartition(".")[2] for path in found}
        return sorted(found, key=lambda path: -int(plain[path]))
