"""A file that is not the export that a preset is for is refused, and others are read."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.commands import invoke
from tests.helpers.rows import counts_in
from tests.presets.test_presets import specimen

OTHER = {"name": "opened", "at": "2024-05-01T08:00:00Z", "who": "u-1"}
LOG = '192.0.2.1 - - [01/May/2024:08:00:00 +0000] "GET /p/1 HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def event(name="Product Viewed"):
    properties = {"product_id": "p", "$device_id": "d"}
    return {"event": name, "timestamp": "2024-05-01T08:00:00Z", "properties": properties}


def dry_run(*args, **options):
    return invoke(*args, "--dry-run", **options)


@pytest.mark.parametrize("name", ["rees46.csv", "events.jsonl", "list.json", "visits.log"])
def test_the_one_input_of_another_export_is_refused(folder, name, golden):
    shutil.copy(specimen("rees46"), folder / "rees46.csv")
    (folder / "events.jsonl").write_text(lines(*[OTHER] * 20))
    (folder / "list.json").write_text(json.dumps([OTHER] * 20))
    (folder / "visits.log").write_text(LOG)

    done = dry_run(name, "--preset", "retailrocket")

    assert done.exit_code == 2
    assert done.stderr == golden


def test_every_input_of_another_export_is_named(folder):
    shutil.copy(specimen("rees46"), folder / "rees46.csv")
    (folder / "dates.csv").write_text("date,item_sku\n2024-05-01,a\n")

    done = dry_run("rees46.csv", "dates.csv", "--preset", "woocommerce-orders")

    assert done.exit_code == 2
    assert "rees46.csv: " in done.stderr
    assert "dates.csv: the preset woocommerce-orders is for another export" in done.stderr


def test_other_inputs_are_read(folder, golden):
    (folder / "other.jsonl").write_text(lines(*[OTHER] * 20))
    (folder / "events.jsonl").write_text(lines(event()))

    done = dry_run("other.jsonl", "events.jsonl", "--preset", "posthog")

    assert done.exit_code == 3
    assert counts_in(done.stdout)[:2] == [1, 1]
    assert done.stderr == golden


@pytest.mark.parametrize("rows", [[OTHER] * 19, [*[OTHER] * 9_999, event()]])
def test_few_rows_and_one_that_fits_are_no_proof(folder, rows):
    (folder / "events.jsonl").write_text(lines(*rows))

    assert counts_in(dry_run("events.jsonl", "--preset", "posthog").stdout)[0] == len(rows)


def test_a_row_that_fits_after_the_first_10000_does_not_count(folder):
    (folder / "events.jsonl").write_text(lines(*[OTHER] * 10_000, event()))

    assert dry_run("events.jsonl", "--preset", "posthog").exit_code == 2


def test_standard_input_is_searched_before_it_is_read():
    right = dry_run("-", "--preset", "posthog", input=lines(*[OTHER] * 500, event()))
    wrong = dry_run("-", "--preset", "posthog", input=lines(*[OTHER] * 500))

    assert counts_in(right.stdout)[:2] == [501, 1]
    assert wrong.exit_code == 2


def test_one_row_of_parquet_shows_its_columns(folder):
    pq.write_table(pa.table({name: [value] for name, value in OTHER.items()}), "events.parquet")

    assert dry_run("events.parquet", "--preset", "posthog").exit_code == 2


@pytest.mark.parametrize(
    ("name", "preset"),
    [("yoochoose-clicks", "yoochoose-buys"), ("lastfm-1k", "yoochoose-clicks")],
)
def test_a_file_without_a_header_is_known_by_its_layout(name, preset):
    done = dry_run(str(specimen(name)), "--preset", preset)

    assert done.exit_code == 2
    assert f"the preset {preset} is for another export" in done.stderr


def test_a_mapping_file_over_the_preset_can_name_other_columns(folder):
    (folder / "events.jsonl").write_text(lines(*[OTHER] * 20))
    (folder / "my.toml").write_text(
        '[options]\npreset = "posthog"\n[attributes]\ntimestamp = "at"\nuser_id = "who"\n'
        'type = { column = "name", values = { opened = "home_page_view" } }\n'
    )

    assert counts_in(dry_run("events.jsonl", "-m", "my.toml").stdout)[:2] == [20, 20]


def test_a_preset_of_lists_knows_its_export_by_the_list(folder):
    (folder / "visits.json").write_text(lines(*[{**OTHER, "actionDetails": []}] * 20))
    (folder / "events.json").write_text(lines(*[OTHER] * 20))

    assert counts_in(dry_run("visits.json", "--preset", "matomo").stdout)[0] == 20
    assert dry_run("events.json", "--preset", "matomo").exit_code == 2


def test_preview_refuses_it_too(folder):
    (folder / "events.jsonl").write_text(lines(*[OTHER] * 20))

    assert invoke("preview", "events.jsonl", "--preset", "posthog").exit_code == 2
