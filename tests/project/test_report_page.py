"""The page about the report names every field that the report has."""

from datetime import UTC, datetime

import pytest

from miso_upload import summary_json
from miso_upload.pipeline.status import Status
from miso_upload.records.totals import Totals
from miso_upload.report.modes import UPLOAD
from miso_upload.report.summary import SourceSummary, Summary
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
REPORT = summary_json(Summary(UPLOAD, None, datetime.now(UTC), sources=[SourceSummary("a")]))
STATUS = Status("a", "b", "c", "d", Totals(), 0, 0).as_json()


@pytest.mark.parametrize(
    "field", [*REPORT, *REPORT["totals"], *REPORT["sources"][0], *REPORT["possible_copies"]]
)
def test_a_field_of_the_report_is_explained(field):
    assert f"`{field}`" in PAGE


@pytest.mark.parametrize("field", STATUS)
def test_a_field_of_status_is_explained(field):
    assert f"`{field}`" in PAGE.rpartition("miso-upload status --json")[2]
