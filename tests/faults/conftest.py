"""The program against a server that misbehaves, from the fault to the end of the job."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import partial

import pytest
from click.testing import CliRunner

from miso_upload.cli.commands import program
from miso_upload.delivery import Backoff, deliverer
from miso_upload.sandbox import Sandbox
from miso_upload.values.certificates import VARIABLES
from tests.helpers.certificates import self_signed
from tests.helpers.crashes import MANY, Case
from tests.helpers.misbehaving import Misbehaving
from tests.helpers.rows import counts_in, row, write_rows

KEY = "sentinel-key-0123456789"
ROWS = 6
COUNTS = ("rows", "accepted", "rejected", "unknown", "pending", "duplicates")


@pytest.fixture(autouse=True)
def _no_proxies_from_outside(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", *VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MISO_API_KEY", KEY)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """Wait a tenth of the time before asking again, where Miso names none."""
    monkeypatch.setattr(deliverer, "Backoff", partial(Backoff, base=0.05))


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """Return a server's side of TLS, and the file with the certificate to trust."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serve():
    """Return a function that starts a server; all of them end with the test."""
    servers = []

    def start(*script, **options):
        servers.append(Misbehaving(*script, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@dataclass(frozen=True)
class Run:
    """What the user saw of a run."""

    code: int
    out: str
    err: str


class Job:
    """Six rows in three chunks, and the program that uploads them, here in this process.

    Attributes:
        place: The directory of its files.
        history: The file with the rows.
        rows: How many there are.
    """

    def __init__(self, place):
        self.place = place
        self.history = place / "history.jsonl"
        self.more_rows(ROWS)

    def more_rows(self, count):
        """Let the file have so many rows."""
        self.rows = count
        write_rows(self.history, [row(number) for number in range(1, count + 1)])

    @property
    def rejects(self):
        """The rejected rows, with their numbers and reasons."""
        path = self.history.with_name("history.jsonl.rejects.jsonl")
        lines = path.read_text().splitlines() if path.exists() else []
        return {
            int(each["row"]["user_id"].removeprefix("user-")): each
            for each in map(json.loads, lines)
        }

    def upload(self, server, *options):
        """Run `miso-upload` to its end, one chunk after the other."""
        url = server if isinstance(server, str) else server.url
        defaults = ["--chunk-size", "2", "--concurrency", "1", "--max-attempts", "2"]
        defaults += ["--read-timeout", "5", "--connect-timeout", "5"]
        return self.run(self.history, "--server", url, *defaults, *options)

    def status(self):
        """Return what the ledger says of the rows, as `COUNTS` has them."""
        (known,) = json.loads(self.run("status", "--json").out)
        totals = known["totals"]
        assert totals["rows"] == sum(
            totals[name]
            for name in ("accepted", "already_sent", "rejected", "skipped", "unknown", "pending")
        )
        return tuple(totals[name] for name in COUNTS)

    def run(self, *args):
        """Run the program to its end; it has no traceback and no secret to show."""
        done = CliRunner().invoke(program, [*map(str, args)])
        run = Run(done.exit_code, done.stdout, done.stderr)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        assert KEY not in run.out + run.err
        assert "Traceback" not in run.err
        return run

    def must_stop(self, server, *options, code=3, held=(1, 2)):
        """Run the upload into a fault at its second chunk; the first is there, the position kept.

        Returns:
            What it said.
        """
        run = self.upload(server, *options)
        assert run.code == code, run
        accepted = len(held)
        assert self.status() == (accepted + 2, accepted, 0, 0, 2, 0)
        assert server.numbers == list(held)
        assert counts_in(run.out)[-1] == 2
        return run.err

    def must_finish(self, server, *options, twice=()):
        """Run the same command again: all is there, and twice only what was counted."""
        run = self.upload(server, *options)
        assert run.code == 0, run
        status = self.status()
        assert status[:5] == (self.rows, self.rows, 0, 0, 0)
        assert set(server.numbers) == set(range(1, self.rows + 1))
        assert server.twice == list(twice)
        assert len(server.numbers) - self.rows <= status[5]
        return run


@pytest.fixture
def job(tmp_path, caplog):
    """The job, with everybody at their most talkative; the key is in nothing that it leaves."""
    caplog.set_level(logging.DEBUG)
    yield Job(tmp_path)
    left = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(path.suffix == ".ledger" for path in left)
    assert [path for path, data in left.items() if KEY.encode() in data] == []
    assert KEY not in caplog.text


@pytest.fixture
def sandbox():
    """Return a mock server."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def cases(tmp_path, sandbox):
    """Return histories of their own, one after the other."""
    return (Case(f"case{n}", tmp_path / f"case{n}", sandbox) for n in range(1, MANY))


@pytest.fixture
def case(tmp_path, sandbox):
    """Return one history."""
    return Case("case", tmp_path / "case", sandbox)
