"""Every state of a summary has a text for people and JSON for machines."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload import errors
from miso_upload.accounting import Totals
from miso_upload.encoding import encode_pretty
from miso_upload.records import Findings, Tally
from miso_upload.report import (
    NOTING,
    READING,
    TRANSFORMING,
    WAITING,
    SourceSummary,
    Summary,
)
from miso_upload.sitemap import SiteMap

NOW = datetime(2025, 3, 1, tzinfo=UTC)
ERRORS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.MisoUploadError)
]

counts = st.integers(0, 3) | st.integers(0, 2**40)
seconds = st.just(0.0) | st.floats(0, 1e6)
texts = st.text(st.characters(), max_size=12)
times = st.none() | st.datetimes(timezones=st.just(UTC))
totals = st.builds(Totals, *[counts for _ in Totals.names()])
tallies = st.builds(Tally, counts, counts, texts, texts)


def counters(keys):
    return st.dictionaries(keys, counts, max_size=3).map(Counter)


@st.composite
def stops(draw):
    kind = draw(st.sampled_from(ERRORS))
    if kind is errors.InterruptedRunError:
        return kind(draw(texts), signal_number=draw(st.sampled_from([2, 15, 1])))
    return kind(draw(texts))


@st.composite
def site_maps(draw):
    seen = SiteMap()
    for path in draw(st.lists(texts, max_size=3)):
        seen.see(f"/{path}", draw(st.lists(texts, max_size=2)), draw(st.integers(1, 5)))
    return seen


findings = st.builds(
    Findings,
    types=counters(st.sampled_from(["search", "checkout"]) | texts),
    ids=counters(
        st.sampled_from(["user_id", "anonymous_id", "anonymous_id derived", "neither"]),
    ),
    warnings=st.dictionaries(texts, tallies, max_size=3),
    unmapped=counters(texts),
    skipped=counters(texts),
    not_of_type=counters(st.tuples(texts, texts)),
    unrouted=site_maps(),
    first_timestamp=times,
    last_timestamp=times,
)
sources = st.builds(
    SourceSummary, texts, totals, totals, counts, counts, rejects_file=st.none() | texts
)
arrived = st.fixed_dictionaries(
    {"records": counts, "accepted_requests": counts, "types": st.dictionaries(texts, counts)}
)
summaries = st.builds(
    Summary,
    mode=st.sampled_from(["upload", "dry-run", "server-dry-run", "sandbox"]),
    host=st.none() | texts,
    started_at=st.just(NOW),
    sources=st.lists(sources, max_size=3),
    findings=findings,
    reasons=st.dictionaries(texts, tallies, max_size=12),
    requests=counts,
    bytes_sent=counts,
    seconds=seconds,
    seconds_by_activity=st.dictionaries(
        st.sampled_from([READING, TRANSFORMING, WAITING, NOTING]), seconds
    ),
    seconds_of_requests=seconds,
    workers=counts,
    concurrency=counts,
    stopped_by=st.none() | stops(),
    problems=st.lists(stops(), max_size=2),
    advice=st.lists(texts, max_size=2),
    arrived=st.none() | arrived,
    groups=st.dictionaries(texts, texts, max_size=2),
)


@given(summaries)
def test_every_summary_renders_as_text_and_as_json(summary):
    text = summary.as_text()
    report = json.loads(encode_pretty(summary.as_json()))

    assert text.endswith("\n")
    assert report["exit_code"] == summary.exit_code
    assert report["totals"]["rows"] == summary.totals.rows
    assert report["stopped_by"] is None or isinstance(report["stopped_by"], str)


def waiting(requests=0, accepted=0):
    """Return the summary of a minute that was spent waiting for Miso."""
    return Summary(
        "upload",
        "miso.test",
        NOW,
        sources=[SourceSummary("a", Totals(rows=5, accepted=accepted, unknown=5 - accepted))],
        requests=requests,
        seconds=60.0,
        seconds_by_activity={WAITING: 59.0},
        seconds_of_requests=59.0 if requests else 0.0,
        concurrency=4,
    )


def test_more_concurrency_is_suggested_where_miso_accepted_records_slowly():
    assert "more --concurrency may help" in waiting(requests=2, accepted=5).as_text()


@pytest.mark.parametrize(
    ("requests", "said"),
    [(0, "which has not answered any request"), (8, "which accepted nothing in this run")],
)
def test_more_concurrency_is_not_suggested_where_nothing_was_accepted(requests, said):
    text = waiting(requests).as_text()

    assert said in text
    assert "--concurrency" not in text
