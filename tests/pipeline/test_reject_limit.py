"""When a run stops because most of its rows are no interactions."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from miso_upload.errors import RejectRateError
from miso_upload.pipeline.reject_limit import RejectRateLimit
from miso_upload.records import Reason, Rejection
from miso_upload.report.summary import Summary
from tests.helpers.doubles import batch_of, record

NO_TYPE = (Reason("type", "is missing"),)
REES46 = {"event_time": "2019-10-01 00:00:00 UTC", "event_type": "view", "product_id": "1",
          "price": "9.99", "user_id": "7"}  # fmt: skip


@pytest.fixture
def summary():
    return Summary("upload", "api.test", datetime.now(UTC))


def batch(good, bad, skipped, row=None):
    """Return a batch of a block with so many rows of each kind."""
    rejections = tuple(Rejection(line, NO_TYPE, row) for line in range(good + 1, good + bad + 1))
    made = batch_of([record(number) for number in range(good)], rejections=rejections)
    return replace(made, rows=made.rows + skipped, skipped=skipped)


def look(limit, *batches, proven=False):
    for each in batches:
        limit.count(each.rows, len(each.rejections), each.skipped)
        limit.check(each, "a.log", "a.log:", proven=proven)


def test_skipped_rows_are_neither_good_nor_bad(summary, golden):
    limit = RejectRateLimit(0.1, summary, stops=True)

    with pytest.raises(RejectRateError) as caught:
        look(limit, batch(1_000, 200, 8_800))
    assert str(caught.value) == golden


def test_a_few_bad_rows_among_many_skipped_ones_do_not_stop_a_run(summary):
    look(RejectRateLimit(0.1, summary, stops=True), batch(3, 20, 9_977), batch(0, 1, 9_999))


def test_a_first_block_of_skipped_and_bad_rows_stops_a_run(summary, golden):
    with pytest.raises(RejectRateError) as caught:
        look(RejectRateLimit(0.1, summary, stops=True), batch(0, 150, 9_850))
    assert str(caught.value) == golden


@pytest.mark.parametrize("stops", [True, False], ids=["in an upload", "in a dry run"])
def test_a_preset_that_the_rows_look_like_is_named(summary, stops, golden):
    limit = RejectRateLimit(0.1, summary, stops=stops, suggests_preset=True)
    said = ""

    try:
        look(limit, batch(0, 5, 0, REES46))
    except RejectRateError as error:
        said = str(error)

    assert "--preset rees46" in (said or summary.advice[0])
    assert (said or summary.advice[0]) == golden


def test_no_preset_is_suggested_if_the_user_named_one(summary):
    with pytest.raises(RejectRateError) as caught:
        look(RejectRateLimit(0.1, summary, stops=True), batch(0, 5, 0, REES46))

    assert "rees46" not in str(caught.value)
