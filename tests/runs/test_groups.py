"""Rows that stand next to each other and become one record, however the input is cut and read."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miso_upload import check as forecast_of
from miso_upload import upload
from miso_upload.pipeline.group_blocks import BlockReader
from miso_upload.pipeline.grouped_jobs import grouper_of
from miso_upload.pipeline.settings import Settings
from miso_upload.records.grouping import Grouping
from miso_upload.sandbox import Sandbox
from miso_upload.sources import ReadingOptions, Source
from miso_upload.sources.groups import MOST_KEYS
from tests.helpers.desk import Desk, Loses, Moments
from tests.helpers.doubles import Miso
from tests.helpers.mapped_jobs import job_of, run_with_deaths
from tests.helpers.processes import run_program
from tests.helpers.rows import write_rows

LINES = """
[rows]
group_by = ["order"]

[attributes]
type.value = "checkout"
timestamp.value = "2024-05-01T10:00:00Z"
user_id = "who"
product_ids = "sku"
quantities = "n"
revenue = "total"
"""
COLUMNS = ("order", "who", "sku", "n", "total")


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def line(order, sku, n=1, *, who="u1", total=""):
    return {"order": str(order), "who": who, "sku": sku, "n": str(n), "total": str(total)}


def write(path, rows, name="a.csv"):
    """Write rows in the format of a name; text is written as it is."""
    file = path / name
    if name.endswith(".csv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            if isinstance(row, str):
                text.write(row + "\n")
            else:
                writer.writerow(row)
        file.write_text(text.getvalue())
    elif name.endswith(".json"):
        file.write_text(json.dumps(rows))
    else:
        write_rows(file, rows)
    return str(file)


def run(desk, name, toml=LINES, **options):
    options.setdefault("max_reject_rate", 1)
    settings = options.pop("settings", {})
    return desk.run(name, prepare=job_of(desk.path, toml, **settings).transform, **options)


def orders(records):
    """Return what matters of checkouts, sorted."""
    return sorted(
        (each["user_id"], tuple(each["product_ids"]), tuple(each["quantities"]),
         each.get("revenue"))
        for each in records
    )  # fmt: skip


def rejects(desk):
    path = desk.path / "rejects.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def reasons(summary):
    return sorted(summary.reasons)


# -- what becomes of a group -----------------------------------------------------------------------


def test_lists_collect_and_single_values_stand_once(desk):
    rows = [
        line(1, "a", 2, total="47.50"),
        line(1, "b", 1, who=""),
        line(2, "c", 3, who="u2", total="5"),
    ]
    summary = run(desk, write(desk.path, rows))

    assert orders(desk.miso.held) == [
        ("u1", ("a", "b"), (2, 1), 47.5),
        ("u2", ("c",), (3,), 5),
    ]
    totals = summary.totals
    assert (totals.rows, totals.mapped, totals.records, totals.accepted) == (3, 3, 2, 2)
    assert summary.balanced


@pytest.mark.parametrize(
    ("take", "revenue"),
    [("first", 0.1), ("last", 0.2), ("sum", 0.3), ("max", 0.2), ("min", 0.1)],
)
def test_a_rule_says_which_value_a_group_has(desk, take, revenue):
    toml = LINES.replace('revenue = "total"', f'revenue = {{ column = "total", take = "{take}" }}')
    rows = [line(1, "a", total="0.1"), line(1, "b"), line(1, "c", total="0.2")]

    run(desk, write(desk.path, rows), toml)

    assert [each["revenue"] for each in desk.miso.held] == [revenue]


def test_equal_numbers_that_are_written_differently_are_alike(desk):
    rows = [line(1, "a", total="2.50"), line(1, "b", total="2.5")]

    run(desk, write(desk.path, rows))

    assert [each["revenue"] for each in desk.miso.held] == [2.5]


def test_a_group_with_different_values_is_rejected_with_all_its_rows(desk, golden):
    rows = [line(1, "a", total=1), line(1, "b", total=2), line(2, "c")]

    summary = run(desk, write(desk.path, rows))

    (found,) = rejects(desk)
    assert (found["line"], found["lines"], found["row"]) == (2, [2, 3], rows[:2])
    assert found["reasons"] == golden
    totals = summary.totals
    assert (totals.rows, totals.mapped, totals.rejected_rows) == (3, 1, 2)
    assert (totals.records, totals.accepted, totals.rejected) == (2, 1, 1)
    assert summary.balanced


def test_a_product_that_is_absent_takes_its_quantity_with_it(desk):
    run(desk, write(desk.path, [line(1, "a", 2), line(1, " ", 7), line(1, "b", 3)]))

    assert orders(desk.miso.held) == [("u1", ("a", "b"), (2, 3), None)]


def test_a_product_without_a_quantity_beside_others_rejects_the_group(desk, golden):
    summary = run(desk, write(desk.path, [line(1, "a", 2), line(1, "b", "")]))

    assert reasons(summary) == golden


def test_a_default_fills_in_missing_quantities(desk):
    toml = LINES.replace('quantities = "n"', 'quantities = { column = "n", default = 1 }')

    run(desk, write(desk.path, [line(1, "a", 2), line(1, "b", ""), line(1, "", "")]), toml)

    assert orders(desk.miso.held) == [("u1", ("a", "b"), (2, 1), None)]


def test_a_skip_rule_sees_the_first_value_of_the_group(desk):
    toml = LINES + '[[skip]]\nname = "tests"\ncolumn = "who"\nin = ["tester"]\n'
    rows = [line(1, "a", who=""), line(1, "b", who="tester"), line(2, "c")]

    summary = run(desk, write(desk.path, rows), toml)

    assert summary.findings.skipped == {"tests": 1}
    assert (summary.totals.rows, summary.totals.skipped, summary.totals.mapped) == (3, 2, 1)
    assert summary.balanced


def test_a_sum_of_what_is_no_number_is_refused(desk, golden):
    toml = LINES.replace('user_id = "who"', 'user_id = { column = "who", take = "sum" }')

    summary = run(desk, write(desk.path, [line(1, "a")]), toml)

    assert str(summary.stopped_by).partition(": ")[2] == golden


@pytest.mark.parametrize("extra", ['each = "sku"', 'each = "sku[]"'])
def test_groups_and_lists_cannot_be_combined(desk, extra, golden):
    with pytest.raises(Exception, match="group_by") as refused:
        job_of(desk.path, LINES.replace("[rows]", f"[rows]\n{extra}"))

    assert str(refused.value).partition(": ")[2] == golden


# -- rows without a key, and rows that cannot be read ----------------------------------------------


def test_a_row_without_a_key_is_rejected(desk, golden):
    summary = run(desk, write(desk.path, [line(1, "a"), line("", "x"), line(2, "b")]))

    assert [each["line"] for each in rejects(desk)] == [3]
    assert len(desk.miso.held) == 2
    assert reasons(summary) == golden


def test_a_row_without_a_key_can_belong_to_the_group_above(desk):
    toml = LINES.replace("[rows]", '[rows]\nblank_key = "above"')
    rows = [line("", "x"), line(1, "a"), line("", "b"), line(" ", "c"), line(2, "d")]

    run(desk, write(desk.path, rows), toml, rows=1)

    assert [each[1] for each in orders(desk.miso.held)] == [("a", "b", "c"), ("d",)]
    assert [each["line"] for each in rejects(desk)] == [2]


def test_a_group_around_a_row_that_cannot_be_read_is_rejected(desk, golden):
    rows = [line(1, "a"), "1,broken", line(1, "b"), line(2, "c"), "broken"]

    summary = run(desk, write(desk.path, rows))

    assert [each[1] for each in orders(desk.miso.held)] == [("c",)]
    assert [each["line"] for each in rejects(desk)] == [2, 3, 6]
    assert summary.balanced
    assert reasons(summary) == golden


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_row_that_is_too_long_within_a_group_rejects_the_group(desk, size, again):
    long = {"order": "9", "sku": "x" * 2_000}
    rows = [line(0, "z"), line(1, "a"), long, line(1 if again else 2, "b"), line(3, "c")]

    summary = run(desk, write(desk.path, rows, "a.jsonl"), rows=size, row_bytes=1_000)

    whole = [] if again else [("a",), ("b",)]
    assert sorted(each[1] for each in orders(desk.miso.held)) == sorted([("z",), ("c",), *whole])
    assert summary.totals.rows == 5
    assert summary.balanced


# -- large groups, and groups that come back -------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_group_with_too_many_rows_is_rejected_as_a_whole(desk, size):
    rows = [line(0, "z"), *(line(1, f"a{n}") for n in range(9)), line(2, "b"), line(2, "c")]

    summary = run(desk, write(desk.path, rows), rows=size, settings={"max_group_rows": 5})

    assert [each[1] for each in orders(desk.miso.held)] == [("b", "c"), ("z",)]
    totals = summary.totals
    assert (totals.rows, totals.mapped, totals.rejected_rows, totals.rejected) == (12, 3, 9, 1)
    assert summary.balanced
    assert [each["line"] for each in rejects(desk)] == [3]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_groups_that_come_back_are_warned_about_with_their_line(desk, size, golden):
    rows = [line(1, "a"), line(2, "b"), line(1, "c"), line(1, "d"), line(2, "e")]

    summary = run(desk, write(desk.path, rows), rows=size)

    assert len(desk.miso.held) == 4
    assert [(text, each.count, each.line) for text, each in summary.findings.warnings.items()] == (
        golden(name="comes back")
    )


def test_the_memory_for_keys_is_bounded():
    assert MOST_KEYS <= 10**6


# -- files that grow, and other options ------------------------------------------------------------


def test_the_last_group_of_a_growing_file_waits(tmp_path):
    job = job_of(tmp_path, LINES)
    name = write(tmp_path, [line(1, "a"), line(2, "b"), line(2, "c")])
    with Sandbox() as sandbox:
        said = Settings.of(
            name, mapping=str(tmp_path / "job.toml"), growing=True, server=sandbox.url,
            api_key=sandbox.key, state_dir=tmp_path / "state",
        )  # fmt: skip
        first = upload(said)
        held = len(list(sandbox.records()))
        write(tmp_path, [line(1, "a"), line(2, "b"), line(2, "c"), line(2, "d"), line(3, "e")])
        upload(said)
        last = upload(said.but(growing=False))
        found = orders(sandbox.records())

    assert job is not None
    assert (held, first.totals.rows, first.sources[0].waiting.is_group) == (1, 1, True)
    assert [each[1] for each in found] == [("a",), ("b", "c", "d"), ("e",)]
    assert (last.totals.rows, last.totals.accepted) == (5, 3)


def test_a_group_that_was_read_too_early_is_read_again_as_a_whole(desk):
    before = [line(1, "a"), line(2, "b")]
    run(desk, write(desk.path, before))

    summary = run(desk, write(desk.path, [*before, line(2, "c"), line(3, "d")]))

    assert Counter(each[1] for each in orders(desk.miso.held)) == Counter(
        [("a",), ("b",), ("b", "c"), ("d",)]
    )
    assert (summary.totals.already_sent, summary.totals.accepted) == (1, 2)


def test_other_groups_cannot_be_continued(desk):
    name = write(desk.path, [line(1, "a"), line(1, "b"), line(2, "c")])
    plain = LINES.replace('group_by = ["order"]', 'key = ["order"]')
    run(desk, name, plain, job="one")

    job = "[rows] group_by=['order']"
    summary = run(desk, name, job=job, changed_mapping="continue")

    assert summary.stopped_by is not None
    assert len(desk.miso.held) == 3


# -- however it is cut -----------------------------------------------------------------------------

skus = st.sampled_from(["a", "b", "c", "", "refused"])
numbers = st.integers(1, 9)
some_lines = st.lists(
    st.tuples(st.integers(1, 4), skus, numbers, st.sampled_from(["", "5", "6"])),
    min_size=1,
    max_size=25,
)


def expected(rows, most):
    """Return what a plain loop makes of rows: the checkouts, and the counts."""
    groups = []
    for row in rows:
        if groups and groups[-1][0][0] == row[0]:
            groups[-1].append(row)
        else:
            groups.append([row])
    good, counts = [], Counter(rows=len(rows), records=len(groups))
    for group in groups:
        totals = {total for *_, total in group} - {""}
        if len(group) > most or len(totals) > 1:
            counts["rejected_rows"] += len(group)
            counts["rejected"] += 1
            continue
        counts["mapped"] += len(group)
        bought = [(sku, n) for _, sku, n, _ in group if sku]
        if any(sku == "refused" for sku, _ in bought):
            counts["rejected"] += 1
            continue
        revenue = float(totals.pop()) if totals else None
        products, quantities = zip(*bought, strict=True) if bought else ((), ())
        good.append((f"u{group[0][0]}", products, quantities, revenue))
    counts["accepted"] = len(good)
    return Counter(good), counts


def rows_of(some):
    return [line(order, sku, n, who=f"u{order}", total=total) for order, sku, n, total in some]


def checkouts(records):
    return Counter(
        (each["user_id"], tuple(each.get("product_ids", ())),
         tuple(each["quantities"]) if "product_ids" in each else (), each.get("revenue"))
        for each in records
    )  # fmt: skip


def check(desk, summary, some, most, *, lost=False):
    good, counts = expected(some, most)
    totals = summary.totals
    assert {name: getattr(totals, name) for name in counts} == dict(counts)
    assert summary.balanced
    found = checkouts(desk.miso.held)
    assert (set(found) == set(good) and found >= good) if lost else found == good
    assert len(rejects(desk)) == counts["rejected"]


def bad(record):
    return "refused" in record.get("product_ids", ())


@settings(max_examples=60, deadline=None)
@given(
    some=some_lines,
    size=st.integers(1, 8),
    most=st.integers(1, 6),
    name=st.sampled_from(["a.csv", "a.jsonl", "a.json"]),
)
def test_groups_are_whole_however_the_input_is_cut(tmp_path_factory, some, size, most, name):
    desk = Desk(tmp_path_factory.mktemp("groups"), Miso(bad))
    path = write(desk.path, rows_of(some), name)

    summary = run(desk, path, rows=size, settings={"max_group_rows": most})

    check(desk, summary, some, most)


@settings(max_examples=20, deadline=None)
@given(some=some_lines, size=st.integers(1, 4), deaths=st.lists(st.integers(1, 40), max_size=4))
def test_groups_are_whole_whenever_a_run_dies(tmp_path_factory, some, size, deaths):
    desk = Desk(tmp_path_factory.mktemp("deaths"), Loses(2, bad=bad))
    path = write(desk.path, rows_of(some))
    prepare = job_of(desk.path, LINES, max_group_rows=4).transform

    _, summary = run_with_deaths(
        desk, path, deaths=list(map(Moments, deaths)), prepare=prepare, rows=size,
        max_reject_rate=1,
    )  # fmt: skip

    check(desk, summary, some, 4, lost=True)


def test_nothing_is_lost_at_whichever_step_it_dies(tmp_path):
    some = [
        (1, "a", 1, "5"), (1, "b", 2, ""), (2, "refused", 1, ""), (2, "c", 1, ""), (3, "d", 1, "5"),
        (3, "e", 1, "6"), (4, "f", 1, ""), (4, "", 7, ""), (4, "g", 1, ""), (1, "h", 1, ""),
        *((2, "a", 1, "") for _ in range(6)), (3, "z", 1, ""),
    ]  # fmt: skip
    died, step = True, 0
    while died:
        step += 1
        (tmp_path / str(step)).mkdir()
        desk = Desk(tmp_path / str(step), Loses(2, bad=bad))
        path = write(desk.path, rows_of(some))
        prepare = job_of(desk.path, LINES, max_group_rows=4).transform

        died, summary = run_with_deaths(
            desk, path, deaths=[Moments(step)], prepare=prepare, rows=4, max_reject_rate=1
        )

        check(desk, summary, some, 4, lost=True)
    assert step > 20


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("size", [3, 1_000])
def test_worker_processes_see_whole_groups(tmp_path, workers, size):
    rows = [line(n // 3, f"s{n}", who=f"u{n // 3}") for n in range(300)]
    name = write(tmp_path, rows)
    job_of(tmp_path, LINES)

    with Sandbox() as sandbox:
        summary = upload(
            name, mapping=str(tmp_path / "job.toml"), workers=workers, chunk_size=size,
            server=sandbox.url, api_key=sandbox.key, state_dir=tmp_path / "state",
        )  # fmt: skip
        found = orders(sandbox.records())

    assert (summary.totals.rows, summary.totals.accepted) == (300, 100)
    assert {each[0]: each[1] for each in found} == {
        f"u{n}": tuple(f"s{3 * n + i}" for i in range(3)) for n in range(100)
    }


def test_a_dry_run_says_the_same_as_an_upload(tmp_path):
    name = write(tmp_path, [line(1, "a"), line(1, "b"), line(2, "c")])
    job_of(tmp_path, LINES)

    totals = forecast_of([name], mapping=str(tmp_path / "job.toml")).totals

    assert (totals.rows, totals.mapped, totals.records, totals.pending) == (3, 3, 2, 2)


def test_blocks_end_where_groups_end(tmp_path):
    name = write(tmp_path, [line(n // 4, "a") for n in range(40)])
    job = job_of(tmp_path, LINES)
    with Source(name, ReadingOptions(chunk_size=7)) as source:
        reader = BlockReader(source, job.transform(source))
        blocks = list(reader.blocks(source.body_start, source.body_line))

    assert [block.seq for block in blocks] == list(range(1, len(blocks) + 1))
    assert all(block.lines % 4 == 0 for block in blocks)
    assert sum(block.lines for block in blocks) == 40
    assert [a.end for a in blocks[:-1]] == [b.start for b in blocks[1:]]


def test_the_function_of_the_user_sees_the_rows_of_a_group_one_by_one(tmp_path):
    code = tmp_path / "code.py"
    code.write_text(
        "def transform(row):\n"
        "    if row['sku'] == 'gift':\n        return None\n"
        "    row['sku'] = row['sku'].upper()\n"
        "    row['order'] = 'the same for all'\n"
        "    return row\n"
    )
    name = write(tmp_path, [line(1, "a"), line(1, "gift"), line(1, "b"), line(2, "c")])
    job_of(tmp_path, LINES)

    with Sandbox() as sandbox:
        summary = upload(
            name, mapping=str(tmp_path / "job.toml"), transform=str(code), chunk_size=1,
            server=sandbox.url, api_key=sandbox.key, state_dir=tmp_path / "state",
        )  # fmt: skip
        found = orders(sandbox.records())

    assert [each[1] for each in found] == [("A", "B"), ("C",)]
    totals = summary.totals
    assert (totals.rows, totals.mapped, totals.skipped, totals.records) == (4, 3, 1, 2)


def test_several_records_can_be_made_of_a_group(desk):
    toml = LINES + '[[records]]\n[[records]]\nattributes.type.value = "add_to_cart"\n'

    summary = run(desk, write(desk.path, [line(1, "a", 2), line(1, "b", 3), line(2, "c")]), toml)

    assert Counter(each["type"] for each in desk.miso.held) == {"checkout": 2, "add_to_cart": 2}
    assert all(len(each["product_ids"]) == len(each["quantities"]) for each in desk.miso.held)
    assert (summary.totals.rows, summary.totals.mapped, summary.totals.records) == (3, 3, 4)
    assert summary.balanced


def test_preview_shows_groups_with_their_rows(tmp_path, golden):
    write(tmp_path, [line(1, "a", 2), line(1, "b", 3), line("", "x"), line(2, "c")])
    job_of(tmp_path, LINES)

    done = run_program("preview", "a.csv", "-m", "job.toml", cwd=tmp_path)

    assert done.stdout == golden


# -- rejected groups are shown again, and limits ---------------------------------------------------


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_the_rejects_command_shows_every_row_of_a_group(tmp_path, name):
    rows = [line(1, "a"), line(2, "b", who="u2"), line(2, "c", who="u3"), line("", "d")]
    file = write(tmp_path, rows, name)
    job_of(tmp_path, LINES)
    state = tmp_path / "state"

    with Sandbox() as sandbox:
        upload(
            file, mapping=str(tmp_path / "job.toml"), server=sandbox.url, api_key=sandbox.key,
            state_dir=state, max_reject_rate=1,
        )  # fmt: skip
    (written,) = tmp_path.glob("*.rejects.jsonl")
    shown = run_program("rejects", file, "--state-dir", str(state), cwd=tmp_path)

    def lines_of(text):
        return [json.loads(each) for each in text.splitlines()]

    assert lines_of(shown.stdout) == lines_of(written.read_text())
    assert [row["sku"] for row in lines_of(shown.stdout)[0]["row"]] == ["b", "c"]


@pytest.mark.parametrize("columns", [("order",), ("a'b",), ('a"b',), ("a'\"\u00e9", "c\\d\n")])
@pytest.mark.parametrize("blank_key", ["reject", "above"])
def test_the_groups_of_a_job_are_known_from_its_fingerprint(columns, blank_key):
    grouping = Grouping(columns, blank_key)
    job = f"--mapping=x\n[rows] group_by={ascii(grouping.fingerprint)[1:-1]}\n--series=y"

    assert grouper_of(job).grouping == grouping
    assert grouper_of("--mapping=x") is None


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
@pytest.mark.parametrize("limit", range(1, 9))
def test_after_any_limit_every_group_arrives_whole_and_once(tmp_path, name, limit):
    sizes = {1: 3, 2: 1, 3: 2, 4: 2}
    rows = [line(n, f"s{n}{i}", who=f"u{n}") for n, size in sizes.items() for i in range(size)]
    file = write(tmp_path, rows, name)
    job_of(tmp_path, LINES)

    with Sandbox() as sandbox:
        options = {
            "mapping": str(tmp_path / "job.toml"), "server": sandbox.url,
            "api_key": sandbox.key, "state_dir": tmp_path / "state",
        }  # fmt: skip
        first = upload(file, limit=limit, **options)
        early = len(list(sandbox.records()))
        again = upload(file, **options)
        found = orders(sandbox.records())

    assert first.balanced
    assert first.totals.rows <= limit
    assert early <= sum(sum(list(sizes.values())[: n + 1]) <= limit for n in range(len(sizes)))
    assert (again.balanced, again.totals.rows, again.totals.accepted) == (True, 8, 4)
    assert found == [
        (f"u{n}", tuple(f"s{n}{i}" for i in range(size)), (1,) * size, None)
        for n, size in sizes.items()
    ]


def test_a_limit_below_the_first_group_says_that_the_group_is_left(tmp_path):
    file = write(tmp_path, [line(1, "a"), line(1, "b"), line(1, "c"), line(2, "d")])
    job_of(tmp_path, LINES)

    for _ in range(2):
        done = run_program(file, "-m", "job.toml", "--limit", "2", "--dry-run", cwd=tmp_path)

        assert done.stdout.startswith("0 rows read")
        assert "--limit" in done.stdout + done.stderr


def test_a_sample_of_groups_is_refused(tmp_path):
    file = write(tmp_path, [line(1, "a")])
    job_of(tmp_path, LINES)

    done = run_program(file, "-m", "job.toml", "--sample", "0.5", "--dry-run", cwd=tmp_path)

    assert done.returncode == 2
    assert "group_by" in done.stderr
