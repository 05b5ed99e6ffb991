"""Values are carried down across blocks, workers, resumed runs and retries."""

import csv
import gzip
import io
import json
import random

import pytest

from miso_upload.errors import NoColumnError
from miso_upload.pipeline.interrupt import StopSignal
from miso_upload.pipeline.job import Job
from miso_upload.pipeline.preview import rows_of
from miso_upload.pipeline.settings import Settings
from miso_upload.pipeline.workers.pool import WorkerPool
from miso_upload.records import Span
from miso_upload.sources import ReadingOptions, Source
from miso_upload.values.json import decode_joined
from tests.helpers.desk import Crash, Desk, Loses, Moments, Mortal

MAPPING = """
[rows]
carry_down = ["customer", "day"]
[attributes]
type = { value = "like" }
timestamp = "day"
user_id = "customer"
product_ids = "sku"
"""
TIME = "2026-03-01T10:00:00Z"
NAMES = ("customer", "day", "sku")


def sparse_rows(count, seed=1):
    """Return rows in which a customer and a day are most often only in the first of several."""
    dice = random.Random(seed)
    rows = [("u0", TIME, "p0")]
    for number in range(1, count):
        customer = f"u{number}" if dice.random() < 0.2 else dice.choice(["", " "])
        day = f"2026-03-0{dice.randrange(1, 9)}T10:00:00Z" if dice.random() < 0.1 else ""
        rows.append((customer, day, f"p{number}"))
    return rows


def filled(rows):
    """Return the user, the day and the product of each row, with values carried down."""
    made, last = [], ["", ""]
    for *cells, sku in rows:
        last = [cell.strip() or before for cell, before in zip(cells, last, strict=True)]
        made.append((*last, sku))
    return made


def written(path, rows):
    if ".csv" in path.name:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([NAMES, *rows])
        data = text.getvalue()
    else:
        objects = [
            {name: cell for name, cell in zip(NAMES, row, strict=True) if cell} for row in rows
        ]
        lines = list(map(json.dumps, objects))
        data = f"[{','.join(lines)}]" if path.suffix == ".json" else "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(data.encode()) if path.suffix == ".gz" else data.encode())
    return path


@pytest.fixture
def job(tmp_path):
    """Return a job whose mapping carries values down."""
    mapping = tmp_path / "orders.toml"
    mapping.write_text(MAPPING)
    return Job(Settings.of(inputs=("x",), mapping=str(mapping), dry_run=True), b"secret" * 8)


def opened(job, path, size):
    source = Source(str(path), ReadingOptions(chunk_size=size))
    return source, job.transform(source)


def records_of(batch):
    return [
        (each["user_id"], each["timestamp"], *each["product_ids"])
        for each in decode_joined(batch.slices)
    ]


FORMATS = ["a.csv", "a.jsonl", "a.json", "a.csv.gz"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_values_are_carried_over_the_ends_of_blocks(job, tmp_path, name, size):
    rows = sparse_rows(60)
    source, transform = opened(job, written(tmp_path / name, rows), size)

    with source:
        blocks = list(source.blocks(source.body_start, source.body_line))
        found = [record for block in blocks for record in records_of(transform(block))]

    assert found == filled(rows)


@pytest.mark.parametrize("name", FORMATS)
def test_values_are_carried_to_wherever_reading_resumes(job, tmp_path, name):
    rows = sparse_rows(40)
    path = written(tmp_path / name, rows)
    source, _ = opened(job, path, 3)
    with source:
        blocks = list(source.blocks(source.body_start, source.body_line))
    for index, block in enumerate(blocks):
        source, transform = opened(job, path, 7)
        with source:
            rest = list(source.blocks(block.start, block.first_line))
            found = [record for each in rest for record in records_of(transform(each))]

        assert found == filled(rows)[3 * index :]


@pytest.mark.parametrize("name", FORMATS)
def test_values_are_carried_to_spans_that_are_read_again_in_any_order(job, tmp_path, name):
    rows = sparse_rows(40)
    path = written(tmp_path / name, rows)
    source, transform = opened(job, path, 3)
    with source:
        batches = list(map(transform, source.blocks(source.body_start, source.body_line)))
    order = list(enumerate(batches))
    random.Random(3).shuffle(order)

    source, transform = opened(job, path, 9)
    with source:
        for index, each in order:
            span = Span(each.start, each.end, each.first_line, each.checksum)

            found = records_of(transform(source.reread(span)))

            assert found == filled(rows)[3 * index : 3 * index + 3]


def test_workers_carry_values_down_as_one_process_does(job, tmp_path):
    rows = sparse_rows(100)
    source, transform = opened(job, written(tmp_path / "a.csv", rows), 7)
    pool = WorkerPool(2, StopSignal())
    try:
        with source:
            work = ((block, None) for block in source.blocks(source.body_start, source.body_line))
            batches = [batch for batch, _ in pool.run(transform, work, source.path)]
    finally:
        pool.close()

    assert [record for batch in batches for record in records_of(batch)] == filled(rows)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_values_are_carried_down_at_whichever_step_a_run_dies(job, tmp_path, name):
    rows = sparse_rows(12)
    last, died = 0, True
    while died:
        last += 3
        (tmp_path / str(last)).mkdir()
        desk = Desk(tmp_path / str(last), Loses(2))
        path = str(written(desk.path / name, rows))
        moments = Moments(last)
        died = False
        try:
            desk.run(path, prepare=job.transform, wrap=lambda part, m=moments: Mortal(part, m))
        except Crash:
            died = True

        summary = desk.run(path, prepare=job.transform)

        sent = {(each["user_id"], each["timestamp"], *each["product_ids"])
                for each in desk.miso.held}  # fmt: skip
        assert sent == set(filled(rows))
        assert summary.totals.accepted == len(rows)
    assert last > 15


def test_what_is_added_to_a_file_takes_values_from_the_rows_before(job, tmp_path):
    desk = Desk(tmp_path)
    rows = sparse_rows(20)
    path = str(written(tmp_path / "a.csv", rows[:9]))
    desk.run(path, prepare=job.transform)
    written(tmp_path / "a.csv", rows)

    desk.run(path, prepare=job.transform)

    assert [(each["user_id"], *each["product_ids"]) for each in desk.miso.held] == [
        (user, sku) for user, _, sku in filled(rows)
    ]


def test_an_empty_cell_below_an_unreadable_row_is_rejected_and_not_guessed(job, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        f"customer,day,sku\nu1,{TIME},a\n,,b\nu2,{TIME},c,and more\n"
        f",,d\n,,e\nu3,,f\n,{TIME},g\n,,h\n"
    )
    for size in (1, 2, 100):
        source, transform = opened(job, path, size)
        with source:
            batches = list(map(transform, source.blocks(source.body_start, source.body_line)))

        assert [record[2] for each in batches for record in records_of(each)] == [
            "a",
            "b",
            "g",
            "h",
        ]
        assert [each.line for batch in batches for each in batch.rejections] == [4, 5, 6, 7]
        assert sum(batch.rows for batch in batches) == 8


def test_a_row_that_is_too_long_may_have_had_the_value(job, tmp_path):
    path = tmp_path / "a.jsonl"
    first = json.dumps({"customer": "u1", "day": TIME, "sku": "a"})
    long = json.dumps({"customer": "u2", "sku": "b" * 900})
    path.write_text(f'{first}\n{long}\n{{"sku": "c"}}\n')
    source = Source(str(path), ReadingOptions(max_row_bytes=500))
    transform = job.transform(source)
    with source:
        batches = list(map(transform, source.blocks(source.body_start, source.body_line)))

    assert [record[2] for each in batches for record in records_of(each)] == ["a"]
    assert [each.line for batch in batches for each in batch.rejections] == [2, 3]


def test_rejects_and_previews_show_rows_as_they_were_read(job, tmp_path, golden):
    path = tmp_path / "a.csv"
    path.write_text(f"customer,day,sku\nu1,{TIME},a\n,,b\nu2,never,c\n,,d\n")
    source, transform = opened(job, path, 100)
    with source:
        (block,) = source.blocks(source.body_start, source.body_line)
        shown = rows_of(block, source.format, transform)

    assert [each.row["customer"] for each in shown] == ["u1", "", "u2", ""]
    assert [each.record and each.record["user_id"] for each in shown] == ["u1", "u1", None, None]
    assert [each.reasons for each in shown] == golden


def test_rows_above_the_first_value_have_none(job, tmp_path):
    rows = [("", TIME, "a"), ("", "", "b"), ("u1", "", "c")]
    source, transform = opened(job, written(tmp_path / "a.csv", rows), 1)
    with source:
        batches = list(map(transform, source.blocks(source.body_start, source.body_line)))

    assert [len(each.rejections) for each in batches] == [1, 1, 0]


def test_a_column_that_the_header_lacks_is_reported(job, tmp_path, golden):
    path = tmp_path / "a.csv"
    path.write_text("custumer,day,sku\nu1,2026-03-01,a\n")
    with Source(str(path), ReadingOptions()) as source, pytest.raises(NoColumnError) as caught:
        Job(
            Settings.of(inputs=("x",), mapping=str(tmp_path / "orders.toml"), map=("user_id=day",))
        ).transform(source)

    assert str(caught.value).replace(str(tmp_path), "") == golden


def test_what_is_carried_down_is_part_of_the_fingerprint(job, tmp_path):
    mapping = tmp_path / "plain.toml"
    mapping.write_text(MAPPING.replace(', "day"', ""))
    other = Job(Settings.of(inputs=("x",), mapping=str(mapping)))
    with Source(str(written(tmp_path / "a.csv", sparse_rows(2))), ReadingOptions()) as source:
        assert job.fingerprint(source) != other.fingerprint(source)


DIALECTS = {
    "comments.csv": f"customer,day,sku\nu1,{TIME},a\n# a,b,c\n,,b\n# end\nu2,,c\n,,d\n",
    "header again.csv": f"customer,day,sku\nu1,{TIME},a\n,,b\nsku,customer,day\nc,u2,\nd,,\n",
    "pretty.jsonl": (
        f'{{\n "customer": "u1",\n "day": "{TIME}",\n "sku": "a"\n}}\n{{\n "sku": "b"\n}}\n'
        '{\n "customer": "u2",\n "sku": "c"\n}\n{\n "sku": "d"\n}\n'
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_lines_that_are_no_rows_change_no_values_and_stay_counted(job, tmp_path, name, size):
    path = tmp_path / name
    path.write_text(DIALECTS[name])
    options = ReadingOptions(chunk_size=size, comment="#" if "comments" in name else None)

    def batches_from(start, line):
        with Source(str(path), options) as source:
            transform = job.transform(source)
            blocks = source.blocks(start or source.body_start, line or source.body_line)
            return list(map(transform, blocks))

    batches = batches_from(0, 0)
    found = [record for each in batches for record in records_of(each)]
    lines = 2 if "comments" in name else 1 if "again" in name else 0

    assert [(user, sku) for user, _, sku in found] == [
        ("u1", "a"), ("u1", "b"), ("u2", "c"), ("u2", "d"),
    ]  # fmt: skip
    assert sum(each.skipped for each in batches) == lines
    assert sum(each.rows for each in batches) == 4 + lines
    for i, batch in enumerate(batches[1:], 1):
        rest = batches_from(batch.start, batch.first_line)
        assert [record for each in rest for record in records_of(each)] == [
            record for each in batches[i:] for record in records_of(each)
        ]
