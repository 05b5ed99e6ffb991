"""A source of a run goes through its states in order, and through none twice."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from miso_upload.errors import DamagedSourceError
from miso_upload.ledger.options import ResumeOptions
from miso_upload.pipeline.resume import Start
from miso_upload.pipeline.selection import Selector
from miso_upload.pipeline.source_run import SourceRun, SourceState
from miso_upload.records.totals import Totals
from miso_upload.report.summary import SourceSummary

DAMAGE = DamagedSourceError("a.gz: ends too early")
ENDS = {
    SourceState.COMPLETE: SourceRun.complete,
    SourceState.DAMAGED: lambda run: run.damaged(DAMAGE),
    SourceState.STOPPED: SourceRun.close,
}


@pytest.fixture
def run():
    return SourceRun(
        start=Start(SimpleNamespace(id=1), is_new=True, offset=0, line=1),
        job="",
        prefix="a:",
        summary=SourceSummary("a", before=Totals(rows=2, rejected=2)),
        rejects=None,
        selector=Selector([], ResumeOptions()),
    )


def test_only_the_first_batch_begins_the_sending(run):
    assert run.begin_sending()
    assert not run.begin_sending()
    assert run.state is SourceState.SENDING


@pytest.mark.parametrize("has_sent", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_a_source_ends_once(run, end, has_sent):
    if has_sent:
        run.begin_sending()

    ENDS[end](run)
    run.close()

    assert run.state is end
    assert run.is_complete == (end is SourceState.COMPLETE)
    assert run.damage is (DAMAGE if end is SourceState.DAMAGED else None)
    with pytest.raises(ValueError, match="cannot become"):
        run.complete()


def test_a_source_is_proven_by_its_first_record(run):
    assert not run.proven

    run.count_records(SimpleNamespace(lines=[]))
    assert not run.proven

    run.count_records(SimpleNamespace(lines=[3]))
    assert run.proven
