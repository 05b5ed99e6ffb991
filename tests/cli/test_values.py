"""Whole runs over files whose values programs and spreadsheets have damaged."""

import json

import pytest

from tests.helpers.commands import invoke
from tests.helpers.rows import counts_in, row, write_rows

TIME = "2026-03-01T10:00:00Z"


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def dry_run(path, *args):
    done = invoke(path, "--dry-run", "--max-reject-rate", "1", *args)
    return counts_in(done.stdout)[1:3], done.stdout


def report(path, *args):
    return json.loads(invoke(path, "--dry-run", "--json", "--max-reject-rate", "1", *args).stdout)


@pytest.fixture
def dump(tmp_path):
    path = tmp_path / "dump.csv"
    path.write_text(
        "type,timestamp,user_id,product_ids,revenue\n"
        f"checkout,{TIME},\\N,a,\\N\n"
        f"checkout,{TIME},u1,NULL,3.5\n"
        f"checkout,{TIME},undefined,a,x\n"
        f"checkout,{TIME}, u2 , b ,nan\n"
    )
    return path


def test_null_words_are_counted_by_word(dump, golden):
    counts, text = dry_run(dump)

    assert counts == [2, 2]
    assert text.replace(str(dump.parent), "") == golden
    assert report(dump)["null_words"] == {"\\N": 2, "NULL": 1, "undefined": 1, "nan": 1}


def test_the_words_can_be_changed_and_switched_off(dump, tmp_path):
    assert report(dump, "--null-values", "default,u2")["null_words"]["u2"] == 1
    assert report(dump, "--null-values", "NULL", "--null-values", "nan")["null_words"] == {
        "NULL": 1, "nan": 1,
    }  # fmt: skip
    assert report(dump, "--null-values", "")["null_words"] == {}
    (tmp_path / "m.toml").write_text('[options]\nnull_values = ""\n')
    assert report(dump, "-m", "m.toml")["null_words"] == {}


@pytest.mark.parametrize("rows", [1, 300])
def test_valid_json_rows_are_cleaned_too(tmp_path, rows):
    path = write_rows(
        tmp_path / "h.jsonl",
        [*map(row, range(rows)), row(0, user_id=" NULL "), row(1, product_ids=["a", "null"])],
    )

    assert dry_run(path)[0] == [rows + 1, 1]
    assert report(path)["null_words"] == {"NULL": 1, "null": 1}


def test_damaged_ids_are_warned_about_by_kind(tmp_path, golden):
    path = tmp_path / "sheet.csv"
    ids = ["9.87654E+14", '"=""0042"""', "#REF!", "z\u200b", "77.0"]
    lines = [f"like,{TIME},{each},a" for each in ids]
    path.write_text("\n".join(["type,timestamp,user_id,product_ids", *lines, ""]))

    counts, text = dry_run(path)

    assert counts == [4, 1]
    assert text.replace(str(tmp_path), "") == golden
    assert dry_run(path, "--float-ids", "integer")[0] == [5, 0]


def test_amounts_are_read_in_the_declared_convention(tmp_path, golden):
    path = tmp_path / "orders.csv"
    amounts = ["2.345,67 €", "(8,50)", "EUR 3", "4,000.50", "5'000.00 CHF"]
    lines = [f"checkout;{TIME};u{i};a;{amount}" for i, amount in enumerate(amounts)]
    path.write_text("\n".join(["type;timestamp;user_id;product_ids;revenue", *lines, ""]))
    (tmp_path / "m.toml").write_text('[attributes.revenue]\ncolumn = "revenue"\ndecimal = ","\n')

    counts, text = dry_run(path, "-m", "m.toml")

    assert counts == [3, 2]
    assert text.replace(str(tmp_path), "") == golden
    assert dry_run(path)[0] == [0, 5]


def test_the_same_mark_twice_is_refused(tmp_path):
    (tmp_path / "m.toml").write_text(
        '[attributes.revenue]\ncolumn = "x"\ndecimal = ","\nthousands = ","\n'
    )

    assert invoke(tmp_path / "h.csv", "-m", "m.toml", "--dry-run").exit_code == 2


def test_day_numbers_of_excel_are_refused_until_the_format_says_so(tmp_path):
    path = write_rows(tmp_path / "h.jsonl", [row(1, timestamp="45352.75"), row(2, timestamp=45352)])

    assert dry_run(path)[0] == [0, 2]
    assert dry_run(path, "--timestamp-format", "excel")[0] == [0, 2]
    found = report(path, "--timestamp-format", "excel", "--timezone", "UTC")
    assert (found["first_timestamp"], found["last_timestamp"]) == (
        "2024-03-01T00:00:00+00:00", "2024-03-01T18:00:00+00:00",
    )  # fmt: skip


def test_a_run_says_if_the_other_order_of_day_and_month_fits(tmp_path):
    days = ["31.12.2025", "02.03.2025"]
    path = write_rows(tmp_path / "h.jsonl", [row(i, timestamp=day) for i, day in enumerate(days)])
    options = ("--timezone", "UTC", "--timestamp-format", "%m.%d.%Y")

    counts, text = dry_run(path, *options)

    assert (counts, "other order of day and month" in text) == ([1, 1], True)
    path = write_rows(path, [row(0, timestamp=days[0]), row(1, timestamp="never")])
    assert "other order of day and month" not in dry_run(path, *options)[1]
