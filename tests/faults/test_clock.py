"""The clock of the wall may jump: nothing waits by it."""

from __future__ import annotations

import ast
import sys

import pytest

from miso_upload.sandbox import Faults
from tests.helpers.paths import ROOT

WALL = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
MAY_ASK = {
    "delivery/client",  # what a date in Retry-After means, against the server's own date
    "ledger/archive",  # when a ledger was exported
    "ledger/scans",  # when something was noted, for `status`
    "pipeline/job",  # what `--since 90d` means
    "pipeline/run",  # when a run started, for the report
    "report/progress",  # when a line of JSON was written
    "sandbox/store",  # when a request came
    "sources/checksums",  # whether a file was written to just before it is read
    "sources/stream",  # whether a growing file is settled
    "transform/warnings",  # whether a record is in the future
}

JUMPS = """
import datetime, itertools, time
moments = itertools.count(2_000_000_000, -86_400)
time.time = lambda: float(next(moments))
time.time_ns = lambda: next(moments) * 10**9

class Jumping(datetime.datetime):
    @classmethod
    def now(cls, zone=None):
        return datetime.datetime.fromtimestamp(next(moments), zone)

import miso_upload.pipeline.run, miso_upload.ledger.scans, miso_upload.delivery.client
for module in (miso_upload.pipeline.run, miso_upload.ledger.scans, miso_upload.delivery.client):
    module.datetime = Jumping
"""


def test_waits_do_not_use_the_time_of_day():
    asking = {
        str(path.relative_to(ROOT / "miso_upload").with_suffix(""))
        for path in (ROOT / "miso_upload").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WALL
    }

    assert asking <= MAY_ASK


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_clock_that_jumps_backward_changes_nothing(case, sandbox):
    """Each look at it shows the day before; Miso is busy, and answers are lost."""
    sandbox.faults = Faults(script=("503", "drop-after", "503"), retry_after="0")

    done = case.upload(prelude=JUMPS)

    assert done.code == 1
    sandbox.faults = Faults()
    assert case.upload(prelude=JUMPS).code == 0
    case.must_be_whole()
