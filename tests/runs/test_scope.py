"""Runs with a scope: what is outside is counted, not settled, and sent by a later run."""

import contextlib
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload import Settings, check, summary_json, summary_text
from miso_upload.errors import ConfigurationError, UnprovenSourceError
from miso_upload.ledger import Ledger
from miso_upload.pipeline.job import Job
from miso_upload.sandbox import Sandbox
from tests.helpers.desk import SECRET, Crash, Desk, Loses, Moments, Mortal
from tests.helpers.doubles import record
from tests.helpers.old_ledgers import write_old_ledger
from tests.helpers.uploads import Uploads

TYPES = ("like", "watch", "bookmark")


def event(number, name=None):
    """Return a row of the day with this number; three types take turns."""
    day = f"2024-05-{number:02}T10:00:00Z"
    return record(number, type=name or TYPES[number % 3], timestamp=day, product_ids=["p"])


@pytest.fixture
def desk(tmp_path):
    with Sandbox(key="key") as sandbox:
        yield Uploads(tmp_path, sandbox)


def write(desk, numbers, name="a.jsonl"):
    text = "".join(json.dumps(event(number)) + "\n" for number in numbers)
    (desk.place / name).write_text(text)


def counts(summary):
    totals = summary.totals
    assert totals.balanced
    return totals.rows, totals.accepted, totals.already_sent, totals.outside


# -- outside ---------------------------------------------------------------------------------------


def test_rows_before_since_are_outside_and_not_sent(desk):
    write(desk, range(1, 11))

    summary = desk.upload("a.jsonl", since="2024-05-08")

    assert (summary.exit_code, counts(summary)) == (0, (10, 3, 0, 7))
    assert desk.held() == ["u10", "u8", "u9"]


def test_until_is_not_part_of_the_scope(desk):
    write(desk, range(1, 11))

    desk.upload("a.jsonl", since="2024-05-02T10:00:00Z", until="2024-05-04T10:00:00Z")

    assert desk.held() == ["u2", "u3"]


def test_dates_are_read_in_the_time_zone(desk):
    write(desk, [1, 2])

    desk.upload("a.jsonl", since="2024-05-02T00:00:00", timezone="Pacific/Auckland")

    assert desk.held() == ["u2"]
    desk.upload("a.jsonl", since="2024-05-01 22:00", timezone="Pacific/Auckland")
    assert desk.held() == ["u1", "u2"]


def test_a_period_ends_now(desk):
    write(desk, [1, 2])

    assert counts(desk.upload("a.jsonl", since="12h"))[3] == 2
    assert counts(desk.upload("a.jsonl", since="200000d")) == (2, 2, 0, 0)


def test_only_and_skipped_types(desk):
    write(desk, range(1, 11))

    assert counts(desk.upload("a.jsonl", only_type=("like", "watch"))) == (10, 7, 0, 3)
    assert counts(desk.upload("a.jsonl", skip_type="like")) == (10, 3, 4, 3)
    assert len(desk.held()) == 10


def test_a_record_without_a_timestamp_is_outside_a_window(desk):
    rows = [event(1), {key: value for key, value in event(2).items() if key != "timestamp"}]
    (desk.place / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))

    first = desk.upload("a.jsonl", since="2024-01-01", allow_missing="timestamp")

    assert counts(first) == (2, 1, 0, 1)
    assert counts(desk.upload("a.jsonl", allow_missing="timestamp")) == (2, 1, 1, 0)


def test_rows_that_are_not_valid_are_rejected_in_any_scope(desk):
    (desk.place / "a.jsonl").write_text(json.dumps(event(1, "no such type")) + "\n")

    summary = desk.upload("a.jsonl", since="2024-06-01")

    assert (summary.totals.rejected, summary.totals.outside) == (1, 0)


def test_rows_outside_are_valid_and_do_not_stop_a_run(desk):
    rows = [event(number) for number in range(1, 10)] + [{"type": "like"}]
    (desk.place / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    summary = desk.upload("a.jsonl", since="2024-06-01", limit=10)

    assert (summary.exit_code, counts(summary)) == (1, (10, 0, 0, 9))


def test_the_summary_and_the_report_name_what_is_outside(desk, golden):
    write(desk, range(1, 11))

    summary = check(desk.settings("a.jsonl", since="2024-05-08", only_type="like"))

    assert summary_json(summary)["outside"] == {"earlier than since": 7, "type watch": 1,
                                                "type bookmark": 1}  # fmt: skip
    assert summary_json(summary)["totals"]["outside"] == 9
    assert summary_text(summary).replace(str(desk.place), "") == golden


@pytest.mark.parametrize(
    "options",
    [
        {"only_type": "lik"}, {"skip_type": "watches"}, {"since": "tomorrow"}, {"until": "90"},
        {"since": "2024-02-30"}, {"since": "2024-05-01", "until": "2024-05-01"}, {"limit": 0},
        {"only_type": "like", "skip_type": "like"}, {"since": "999999w"},
    ],
)  # fmt: skip
def test_a_scope_that_cannot_be_meant_is_refused(desk, options, golden):
    write(desk, [1])

    with pytest.raises(ConfigurationError) as refused:
        desk.upload("a.jsonl", **options)

    assert str(refused.value) == golden


# -- later runs ------------------------------------------------------------------------------------


def scan_ids(desk):
    (ledger,) = (desk.place / "state").glob("*.ledger")
    with contextlib.closing(Ledger(ledger)) as opened:
        return [scan.id for scan in opened.scans.all()]


def test_a_wider_scope_reads_again_and_content_decides(desk):
    write(desk, range(1, 11))
    desk.upload("a.jsonl", since="2024-05-08")

    wider = desk.upload("a.jsonl", since="2024-05-05")

    assert counts(wider) == (10, 3, 3, 4)
    assert counts(desk.upload("a.jsonl")) == (10, 4, 6, 0)
    assert len(desk.held()) == 10


def test_a_scope_that_moves_forward_every_night_reads_only_what_was_added(desk):
    write(desk, range(1, 11))
    desk.upload("a.jsonl", since="2024-05-08", skip_type="watch")
    before = scan_ids(desk)
    write(desk, range(1, 13))

    moved = desk.upload("a.jsonl", since="2024-05-09", skip_type="watch")

    assert scan_ids(desk) == before
    assert counts(moved) == (12, 4, 0, 8)
    assert counts(desk.upload("a.jsonl", since="2024-05-09", skip_type="watch")) == (12, 4, 0, 8)


def test_an_end_that_moves_over_rows_outside_reads_them(desk):
    write(desk, range(1, 11))
    desk.upload("a.jsonl", until="2024-05-05")

    assert counts(desk.upload("a.jsonl", until="2024-05-08")) == (10, 3, 4, 3)


def test_a_scope_is_not_part_of_the_job_fingerprint(desk):
    write(desk, range(1, 11))
    desk.upload("a.jsonl", only_type="like", since="2024-05-01", limit=4)

    again = desk.upload("a.jsonl")

    assert (again.exit_code, again.stopped_by) == (0, None)


def test_rows_outside_are_sent_under_a_changed_mapping_only_if_the_user_says_so(desk):
    write(desk, range(1, 11))
    desk.upload("a.jsonl", since="2024-05-08")
    changed = {"set": ("product_group_ids=g",), "changed_mapping": "continue"}

    stopped = desk.upload("a.jsonl", **changed)

    assert (stopped.exit_code, len(desk.held())) == (2, 3)


def test_an_input_of_which_an_old_ledger_has_rows_needs_a_run_without_a_scope(tmp_path):
    desk = Desk(tmp_path)
    name = desk.write("a.jsonl", [event(number) for number in range(1, 5)])
    write_old_ledger(desk.ledger, [(name, (tmp_path / "a.jsonl").read_bytes(), [(4, {})])])
    job = Job(Settings.of(name, since="2024-05-03"), SECRET)

    stopped = desk.run(name, prepare=job.transform, scope=job.scope)

    assert isinstance(stopped.stopped_by, UnprovenSourceError)


# -- a limit ---------------------------------------------------------------------------------------


def test_a_limit_stops_the_run_and_the_next_run_continues_there(desk):
    write(desk, range(1, 11))

    first = desk.upload("a.jsonl", limit=4)

    assert (first.exit_code, first.limit_reached, counts(first)) == (0, True, (4, 4, 0, 0))
    assert counts(desk.upload("a.jsonl", limit=3)) == (7, 7, 0, 0)
    last = desk.upload("a.jsonl")
    assert (last.limit_reached, counts(last)) == (False, (10, 10, 0, 0))
    assert len(desk.held()) == 10


def test_a_limit_counts_the_rows_of_all_inputs(desk):
    write(desk, range(1, 5))
    write(desk, range(11, 15), "b.jsonl")
    write(desk, range(21, 25), "c.jsonl")

    assert counts(desk.upload("a.jsonl", "b.jsonl", "c.jsonl", limit=6))[:2] == (6, 6)
    assert counts(desk.upload("a.jsonl", "b.jsonl", "c.jsonl", limit=6))[:2] == (12, 12)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[{}, {},\n {}]"),
        ("a.csv", 'type,user_id\n"a\nb",1\n"a\nb",2\n"a\nb",3\n'),
        ("a.jsonl", "\n{}\n\n\n{}\n{}\n"),
    ],
)
def test_a_limit_is_exact_in_each_format(desk, name, text):
    (desk.place / name).write_text(text)

    assert [counts(desk.upload(name, limit=1))[0] for _ in range(4)] == [1, 2, 3, 3]


# -- a sample --------------------------------------------------------------------------------------


def test_a_sample_of_a_dry_run_is_the_same_each_time(desk):
    text = "".join(json.dumps(event(number % 28 + 1)) + "\n" for number in range(2000))
    (desk.place / "a.jsonl").write_text(text + "no JSON\n" * 100)

    one, two = (check(desk.settings("a.jsonl", sample=0.1)) for _ in range(2))

    assert one.totals == two.totals
    assert one.totals.balanced
    assert 100 < one.totals.pending < 300
    assert 0 < one.totals.rejected < 40
    assert check(desk.settings("a.jsonl", sample=1)).totals.outside == 0


@pytest.mark.parametrize("options", [{}, {"dry_run": True, "bot_rate": 9}])
def test_a_sample_is_refused_where_it_would_mislead(desk, options):
    write(desk, [1])

    with pytest.raises(ConfigurationError):
        desk.upload("a.jsonl", sample=0.5, **options)


# -- any scopes ------------------------------------------------------------------------------------

DAYS = st.integers(1, 12)
SCOPES = st.fixed_dictionaries(
    {},
    optional={
        "since": DAYS.map("2024-05-{:02}".format),
        "until": st.integers(13, 16).map("2024-05-{:02}".format) | st.just("90d"),
        "only_type": st.sets(st.sampled_from(TYPES), min_size=1).map(sorted),
        "limit": st.integers(1, 8),
    },
)


@settings(max_examples=80, deadline=None)
@given(
    runs=st.lists(
        st.tuples(
            st.lists(st.integers(1, 15), max_size=6), SCOPES, st.none() | st.integers(1, 30)
        ),
        min_size=1, max_size=6,
    ),
    lost=st.lists(st.integers(1, 8), max_size=2),
    concurrency=st.sampled_from([0, 2]),
)  # fmt: skip
def test_under_changing_scopes_and_kills_each_record_arrives_once(
    tmp_path_factory, runs, lost, concurrency
):
    """A file grows, the scope changes, and runs die at any step; at last all is sent."""
    desk = Desk(tmp_path_factory.mktemp("files"), Loses(*lost))
    numbers, doubted = [], 0

    def run(options, death):
        job = Job(Settings.of("a", **options), SECRET)
        name = desk.write("a.jsonl", map(event, numbers))
        moments = Moments(death or 10**9)
        with contextlib.suppress(Crash):
            summary = desk.run(
                name, rows=3, concurrency=concurrency, wrap=lambda part: Mortal(part, moments),
                prepare=job.transform, scope=job.scope, limit=options.get("limit"),
            )  # fmt: skip
            assert summary.totals.balanced
            assert not summary.totals.unknown
            assert summary.exit_code == 0

    for added, options, death in [*runs, ([], {}, None)]:
        numbers += added
        if not numbers:
            continue
        run(options, death)
        with contextlib.closing(Ledger(desk.ledger)) as ledger:
            doubted = ledger.duplicates_total()

    wanted = Counter(f"u{number}" for number in numbers)
    held = desk.held()
    assert not wanted - held
    assert len(held - wanted) <= doubted
    if not lost and all(death is None for _, _, death in runs):
        assert held == wanted
