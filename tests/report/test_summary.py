"""Every state of a summary has a text for people and JSON for machines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miso_upload import errors
from miso_upload.records import Findings, Tally
from miso_upload.records.totals import Totals
from miso_upload.records.unmatched_paths import UnmatchedPaths
from miso_upload.report.json import summary_json
from miso_upload.report.modes import (
    DRY_RUN,
    REMEMBER,
    REMEMBER_DRY_RUN,
    SANDBOX,
    SERVER_DRY_RUN,
    UPLOAD,
)
from miso_upload.report.summary import (
    NOTING,
    READING,
    TRANSFORMING,
    WAITING,
    SourceSummary,
    Summary,
)
from miso_upload.report.text import summary_text
from miso_upload.values.json import encode_pretty

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
    if kind is errors.NewKeyError:
        return kind(draw(texts), names=draw(st.lists(texts, max_size=2)))
    return kind(draw(texts))


@st.composite
def unmatched_paths(draw):
    seen = UnmatchedPaths()
    for path in draw(st.lists(texts, max_size=3)):
        seen.count(f"/{path}", draw(st.lists(texts, max_size=2)), draw(st.integers(1, 5)))
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
    unmatched_paths=unmatched_paths(),
    first_timestamp=times,
    last_timestamp=times,
)
sources = st.builds(
    SourceSummary,
    texts,
    totals,
    totals,
    superseded=counts,
    already_sent_from=counters(texts),
    first_already_sent=st.dictionaries(texts, counts, max_size=3),
    open_unknown=counts,
    rejects_file=st.none() | texts,
)
arrived = st.fixed_dictionaries(
    {"records": counts, "accepted_requests": counts, "types": st.dictionaries(texts, counts)}
)
summaries = st.builds(
    Summary,
    mode=st.sampled_from([UPLOAD, DRY_RUN, SERVER_DRY_RUN, SANDBOX, REMEMBER, REMEMBER_DRY_RUN]),
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
    accepted_at_target=counts,
)


@given(summaries)
def test_every_summary_renders_as_text_and_as_json(summary):
    text = summary_text(summary)
    report = json.loads(encode_pretty(summary_json(summary)))

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


def test_more_concurrency_is_suggested_where_miso_accepted_records_slowly(golden):
    assert summary_text(waiting(requests=2, accepted=5)) == golden


@pytest.mark.parametrize(
    "requests",
    [0, 8],
)
def test_more_concurrency_is_not_suggested_where_nothing_was_accepted(requests, golden):
    text = summary_text(waiting(requests))

    assert text == golden
    assert "--concurrency" not in text


def told(mode=UPLOAD, before=None, whence=None, open_unknown=0, **counts):
    """Return what is said, below the equation, of a run over one source."""
    requests = counts.pop("requests", 0)
    source = SourceSummary(
        "h.jsonl",
        Totals(**counts),
        before or Totals(),
        already_sent_from=Counter(whence or {}),
        open_unknown=open_unknown,
    )
    summary = Summary(mode, "miso.test", NOW, sources=[source], requests=requests)
    return summary_text(summary).splitlines()[1:]


SENT = "  0 requests, 0 bytes, 0.0 s, to miso.test"


def test_rows_that_other_sources_sent_are_nothing_new(golden):
    lines = told(rows=5, already_sent=5, whence={"a.jsonl": 4, "h.jsonl": 1})

    assert lines == golden


def test_rejected_rows_beside_known_ones_are_not_at_miso(golden):
    lines = told(rows=5, already_sent=4, rejected=1)

    assert lines == golden


def test_a_source_that_has_not_changed_is_settled(golden):
    known = Totals(rows=5, accepted=4, rejected=1)

    assert told(before=known, rows=5, accepted=4, rejected=1) == golden


def test_unknown_rows_that_were_given_up_are_settled(golden):
    known = Totals(rows=5, accepted=4, unknown=1)

    assert told(before=known, rows=5, accepted=4, unknown=1) == golden


@pytest.mark.parametrize("left", [{"pending": 1}, {"unknown": 1, "open_unknown": 1}])
def test_rows_that_are_left_are_not_settled(left, golden):
    known = Totals(rows=5, accepted=4, **{next(iter(left)): 1})

    lines = told(before=known, rows=5, accepted=4, **left)

    assert lines == golden  # fmt: skip


def test_a_source_of_rejected_rows_only_is_no_news_of_miso():
    assert told(rows=5, rejected=5) == [SENT]


def test_a_few_new_rows_are_told_with_the_known_ones(golden):
    lines = told(rows=5, accepted=1, already_sent=4, whence={"a": 4}, requests=1)

    assert lines == golden


def test_many_origins_are_summed_up(golden):
    lines = told(rows=9, already_sent=9, whence={"a": 4, "b": 2, "c": 1, "d": 1, "e": 1})

    assert lines[3] == golden


def test_a_dry_run_tells_what_is_known_and_what_is_held(golden):
    text = summary_text(Summary(
        DRY_RUN, None, NOW, sources=[SourceSummary("a", Totals(9, already_sent=4, pending=3,
        unknown=2))], requests=1, bytes_sent=7,
    ))  # fmt: skip

    assert text == golden


def test_a_dry_run_of_known_rows_would_send_nothing(golden):
    assert told(DRY_RUN, rows=5, already_sent=4, rejected=1) == golden


def test_records_that_are_noted_are_told_apart_from_known_ones(golden):
    assert told(REMEMBER, rows=5, already_sent=5, whence={"a": 4}) == golden


def test_all_that_a_target_has_is_told_where_it_is_more_than_the_inputs_have(golden):
    summary = Summary(UPLOAD, None, NOW, sources=[SourceSummary("a", Totals(1, 1))])

    assert summary_text(replace(summary, accepted_at_target=1)) == golden
    assert summary_text(replace(summary, accepted_at_target=7)) == golden


def test_unknown_rows_that_another_source_has_are_nothing_new(golden):
    lines = told(before=Totals(5, accepted=3, unknown=2), rows=5, accepted=3, already_sent=2)

    assert lines == golden
