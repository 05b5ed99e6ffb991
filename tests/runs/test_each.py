"""Rows that become several records, from the file to the server and back after each death."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload import check as forecast_of
from miso_upload import upload
from miso_upload.delivery.answers import Answer
from miso_upload.pipeline.settings import Settings
from miso_upload.records.totals import Totals
from miso_upload.sandbox import Sandbox
from miso_upload.sources import ReadingOptions, Source
from tests.helpers.desk import Desk, Loses, Moments
from tests.helpers.mapped_jobs import job_of, run_with_deaths
from tests.helpers.rows import write_rows

SEEN = """
[rows]
each = "seen[]"
index = "page_number"

[attributes]
type.value = "product_detail_page_view"
timestamp.value = "2024-05-01T10:00:00Z"
user_id = "who"
product_ids = "item"
"context.custom_context.position" = "page_number"
"""
SLATES = """
[options]
no_header = true

[attributes]
timestamp.value = "2024-05-01T10:00:00Z"
user_id = "1"
product_ids = "shown"

[[records]]
each = "2"
split = " "
pattern = "{shown}/{taken}"
attributes.type.value = "impression"

[[records]]
each = "2"
split = " "
pattern = "{shown}/{taken}"
when = { column = "taken", in = ["yes"] }
attributes.type.value = "click"
"""


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def visit(who, *seen):
    return {"who": who, "seen": list(seen)}


def at_miso(desk):
    """Return the visitor and the product of each record at Miso."""
    return Counter((each["user_id"], *each.get("product_ids", ())) for each in desk.miso.held)


def run(desk, name, toml=SEEN, **options):
    options.setdefault("max_reject_rate", 1)
    return desk.run(name, prepare=job_of(desk.path, toml).transform, **options)


def forecast(path, toml, *names, **options):
    """Return the summary of a dry run of the program."""
    file = path / "job.toml"
    file.write_text(toml)
    return forecast_of([str(path / name) for name in names], mapping=str(file), **options)


def rejects(desk):
    path = desk.path / "rejects.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_element_becomes_a_record_and_both_equations_balance(desk):
    name = desk.write("a.jsonl", [visit("u1", "a", "b"), visit("u2"), visit("u3", "c")])

    summary = run(desk, name)

    assert at_miso(desk) == Counter([("u1", "a"), ("u1", "b"), ("u3", "c")])
    assert [each["context"]["custom_context"]["position"] for each in desk.miso.held] == [1, 2, 1]
    assert summary.totals == Totals(
        rows=3, accepted=3, skipped=1, records=3, mapped=2, rejected_rows=0
    )
    assert summary.balanced
    assert summary.findings.skipped.total() == 1


def test_a_bad_element_does_not_take_its_siblings_down(desk):
    name = desk.write("a.jsonl", [visit("u1", "a", {"item": {}}, "b", 1.5), visit("u2", True)])

    summary = run(desk, name)

    assert at_miso(desk) == Counter([("u1", "a"), ("u1", "b")])
    totals = summary.totals
    assert (totals.rows, totals.mapped, totals.rejected_rows, totals.skipped) == (2, 1, 1, 0)
    assert (totals.records, totals.accepted, totals.rejected) == (5, 2, 3)
    assert summary.balanced


def test_the_rejects_file_has_a_row_once_with_the_numbers_of_its_elements(desk, golden):
    row = visit("u1", "a", {"item": {}}, "b", 1.5)
    name = desk.write("a.jsonl", [row, visit("u2", "c")])

    run(desk, name)

    (line,) = rejects(desk)
    assert (line["line"], line["elements"], line["row"]) == (1, [2, 4], row)
    assert line["reasons"] == golden


def test_what_miso_refuses_is_written_with_the_number_of_its_element(desk):
    desk.miso.bad = lambda each: each["product_ids"] == ["b"]
    name = desk.write("a.jsonl", [visit("u1", "a", "b"), visit("u2", "c")])

    summary = run(desk, name)

    (line,) = rejects(desk)
    assert (line["line"], line["elements"], line["row"]["product_ids"]) == (1, [2], ["b"])
    assert (summary.totals.mapped, summary.totals.rejected, summary.totals.accepted) == (2, 1, 2)
    assert summary.balanced


def test_a_row_that_was_accepted_in_part_is_resumed_with_the_rest_only(desk):
    rows = [visit(f"u{number}", *"abcdefgh") for number in range(1, 4)]
    name = desk.write("a.jsonl", rows)
    desk.miso.max_bytes = 700
    accept = desk.miso.then
    desk.miso.then = lambda records: Answer(503) if len(desk.miso.held) >= 6 else accept(records)
    first = run(desk, name, on_unknown="hold")
    sent = len(desk.miso.held)
    desk.miso.then = accept

    second = run(desk, name, on_unknown="resend")

    assert 0 < sent < 24
    assert first.balanced
    assert first.totals.accepted == sent
    assert (second.totals.accepted, second.totals.records, second.totals.mapped) == (24, 24, 3)
    assert second.balanced
    # The server stored nothing of the requests that it did not accept.
    assert at_miso(desk) == Counter(
        (f"u{number}", product) for number in range(1, 4) for product in "abcdefgh"
    )


def test_one_row_gives_impressions_of_all_and_clicks_of_some(tmp_path):
    (tmp_path / "a.tsv").write_text("u1\tP1/no P2/yes P3/no\nu2\tP2/no\nu1\tP9/yes\n")

    summary = forecast(tmp_path, SLATES, "a.tsv", no_header=True)

    assert summary.findings.types == {"impression": 5, "click": 2}
    assert (summary.totals.rows, summary.totals.mapped, summary.totals.records) == (3, 3, 7)


def test_records_of_a_row_stay_together_in_the_order_of_the_tables(desk):
    path = desk.path / "a.tsv"
    path.write_text("u1\tP1/no P2/yes\nu2\tP3/yes\n")
    job = job_of(desk.path, SLATES, inputs=(str(path),))
    with Source(str(path), ReadingOptions(no_header=True)) as source:
        (block,) = source.blocks(source.body_start, source.body_line)
        batch = job.transform(source)(block)

    made = [
        (each["user_id"], each["type"], *each["product_ids"])
        for each in json.loads(b"[" + b",".join(batch.slices) + b"]")
    ]
    assert made == [
        ("u1", "impression", "P1"),
        ("u1", "impression", "P2"),
        ("u1", "click", "P2"),
        ("u2", "impression", "P3"),
        ("u2", "click", "P3"),
    ]


def test_a_row_that_no_table_applies_to_is_skipped_under_a_name(tmp_path, golden):
    toml = SLATES.replace('attributes.type.value = "impression"', (
        'when = { column = "taken", in = ["maybe"] }\nattributes.type.value = "impression"'
    ))  # fmt: skip
    (tmp_path / "a.tsv").write_text("u1\tP1/no\nu2\t\nu3\tP2/yes\n")

    summary = forecast(tmp_path, toml, "a.tsv", no_header=True)

    assert (summary.totals.rows, summary.totals.mapped, summary.totals.skipped) == (3, 1, 2)
    assert sorted(summary.findings.skipped) == golden


def test_the_function_of_the_user_may_return_several_rows(tmp_path):
    code = tmp_path / "several.py"
    code.write_text(
        "def transform(row):\n"
        "    if row['n'] < 0:\n        return None\n"
        "    return [{**row, 'product_ids': [str(i)]} for i in range(row['n'])]\n"
    )
    rows = [
        {"type": "click", "timestamp": "2024-05-01T10:00:00Z", "user_id": "u1", "n": n}
        for n in (2, 0, -1, 1)
    ]
    write_rows(tmp_path / "a.jsonl", rows)

    summary = forecast_of([str(tmp_path / "a.jsonl")], transform=str(code))

    assert (summary.totals.rows, summary.totals.mapped, summary.totals.skipped) == (4, 2, 2)
    assert summary.totals.records == 3
    assert len(summary.findings.skipped) == 2


def test_a_file_in_which_every_row_is_one_record_is_reported_as_ever(desk, golden):
    name = desk.write("a.jsonl", [visit("u1", "a"), visit("u2", "b"), visit("u3", 1.5)])

    summary = run(desk, name)

    assert summary.totals.as_sentences() == golden
    assert "records" not in summary.totals.as_json()


def test_both_equations_are_shown_if_rows_are_not_records(desk, golden):
    name = desk.write("a.jsonl", [visit("u1", "a", "b"), visit("u2"), visit("u3", 1.5)])

    assert run(desk, name).totals.as_sentences() == golden


def test_changed_lists_are_changed_options(tmp_path, golden):
    write_rows(tmp_path / "a.jsonl", [visit("u1", "a", "b")])
    (tmp_path / "job.toml").write_text(SEEN)
    with Sandbox() as sandbox:
        said = Settings.of(
            str(tmp_path / "a.jsonl"), mapping=str(tmp_path / "job.toml"), server=sandbox.url,
            api_key=sandbox.key, state_dir=tmp_path / "state",
        )  # fmt: skip
        first = upload(said)
        (tmp_path / "job.toml").write_text(SEEN.replace('index = "', 'as = "item"\nindex = "more_'))
        second = upload(said)

    assert first.totals.accepted == 2
    assert (second.exit_code, second.totals.accepted) == (2, 0)
    assert str(second.stopped_by) == golden


# -- whatever happens ------------------------------------------------------------------------------

items = st.one_of(st.sampled_from(["a", "b", "refused", 7]), st.none(), st.just(1.5))
visits = st.lists(st.lists(items, max_size=4), min_size=1, max_size=12)


def expected(rows):
    """Return what a plain loop would make of the rows: records for Miso, and the counts."""
    good, counts = Counter(), Counter(rows=len(rows))
    for number, seen in enumerate(rows, 1):
        made = [str(each) for each in seen if isinstance(each, str | int)]
        bad = sum(isinstance(each, float) for each in seen)
        good.update((f"u{number}", each) for each in made if each != "refused")
        counts["mapped"] += bool(made)
        counts["rejected_rows"] += bool(bad and not made)
        counts["skipped"] += not (made or bad)
        counts["rejected"] += bad + made.count("refused")
        counts["records"] += len(made) + bad
    counts["accepted"] = good.total()
    return good, counts


def check(desk, summary, rows, *, lost=False):
    good, counts = expected(rows)
    totals = summary.totals.filled_in()
    found = {name: getattr(totals, name) for name in counts}
    assert found == dict(counts)
    assert summary.balanced
    assert set(at_miso(desk)) == set(good)
    if lost:
        assert len(desk.miso.held) >= good.total()
    else:
        assert at_miso(desk) == good
    lines = [(each["line"], *each.get("elements", ())) for each in rejects(desk)]
    assert len(lines) == len(set(lines))
    assert sum(max(len(line) - 1, 1) for line in lines) == counts["rejected"]


def refusing(*lost):
    return Loses(*lost, bad=lambda each: "refused" in each.get("product_ids", ()))


@settings(max_examples=60, deadline=None)
@given(rows=visits, size=st.integers(1, 5), name=st.sampled_from(["a.jsonl", "a.json"]))
def test_every_element_arrives_once_whatever_the_chunks(tmp_path_factory, rows, size, name):
    desk = Desk(tmp_path_factory.mktemp("each"), refusing())
    path = desk.write(name, [visit(f"u{number}", *seen) for number, seen in enumerate(rows, 1)])

    summary = run(desk, path, rows=size)

    check(desk, summary, rows)


def test_nothing_is_lost_at_whichever_step_it_dies(tmp_path):
    rows = [["a", 1.5, "b"], [], ["refused", "c"], [None, "d"], [2.5], ["e"] * 3]
    died, step = True, 0
    while died:
        step += 1
        (tmp_path / str(step)).mkdir()
        desk = Desk(tmp_path / str(step), refusing(2))
        path = desk.write("a.jsonl", [visit(f"u{n}", *seen) for n, seen in enumerate(rows, 1)])
        prepare = job_of(desk.path, SEEN).transform

        died, summary = run_with_deaths(
            desk, path, deaths=[Moments(step)], prepare=prepare, rows=2, max_reject_rate=1
        )

        check(desk, summary, rows, lost=True)
    assert step > 20
