import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, row, write_rows

from miso_upload.cli.commands import program
from miso_upload.transform.mapping import read_mapping_file

ORDERS = str(ROOT / "sample_data" / "orders.csv")


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def invoke(*args, **kwargs):
    return CliRunner().invoke(program, args, **kwargs)


def test_from_a_file_to_a_dry_run_in_two_commands(tmp_path):
    made = invoke("init", ORDERS, "--timezone", "Europe/Berlin")

    assert made.exit_code == 0
    assert f"miso-upload {ORDERS} -m mapping.toml --dry-run" in made.stdout
    assert (
        "180 rows read = 179 valid + 1 rejected + 0 skipped"
        in invoke(ORDERS, "-m", "mapping.toml", "--dry-run").stdout
    )


def test_three_rows_are_shown_before_and_after():
    shown = invoke("init", ORDERS).stdout

    assert shown.count("-> becomes checkout") == 3
    assert "First 180 rows = 179 valid + 1 rejected + 0 skipped" in shown


def test_a_zone_that_is_missing_is_asked_for_and_shown_as_utc():
    shown = invoke("init", ORDERS).stdout

    assert "as if it were UTC" in shown
    assert read_mapping_file("mapping.toml")
    assert "without a zone" in invoke(ORDERS, "-m", "mapping.toml", "--dry-run").stdout


def test_a_file_that_is_there_is_never_overwritten_unless_forced(tmp_path):
    (tmp_path / "mapping.toml").write_text("# mine\n")

    refused = invoke("init", ORDERS)

    assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
    assert (tmp_path / "mapping.toml").read_text() == "# mine\n"
    assert invoke("init", ORDERS, "--force").exit_code == 0
    assert "# mine" not in (tmp_path / "mapping.toml").read_text()


def test_standard_output_holds_the_file_alone(tmp_path):
    made = invoke("init", ORDERS, "-o", "-")

    (tmp_path / "m.toml").write_text(made.stdout)
    assert read_mapping_file("m.toml").rules
    assert "becomes checkout" in made.stderr
    assert "Save it as mapping.toml, read it, change what is wrong, and then:" in made.stderr
    assert not (tmp_path / "mapping.toml").exists()


def test_the_options_that_read_the_file_are_kept_for_the_upload(tmp_path):
    (tmp_path / "h.txt").write_bytes(
        "user_id~sku~at\nä1~b2~2024-05-01T10:00:00Z\n".encode("cp1252")
    )
    invoke("init", "h.txt", "--format", "csv", "--delimiter", "~", "--encoding", "cp1252")

    done = invoke("h.txt", "-m", "mapping.toml", "--dry-run")

    assert "1 row read = 1 valid" in done.stdout


def test_standard_input_is_looked_at_too():
    made = invoke("init", "-", "--format", "csv", input="user_id,sku,ts\nu,a1,1260759144\n")

    assert made.exit_code == 0
    assert "timestamp    2009-12-14T02:52:24Z" in made.stdout


@pytest.mark.parametrize(
    ("content", "message"), [("", "no rows"), ("[1]\n", "no rows"), ("a,b\n", "no rows")]
)
def test_a_file_without_rows_is_told(tmp_path, content, message):
    (tmp_path / "h.csv").write_text(content)

    done = invoke("init", "h.csv")

    assert (done.exit_code, message in done.stderr) == (2, True)
    assert not (tmp_path / "mapping.toml").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("none.csv",), "no such file"),
        ((ORDERS, "--timezone", "Europe/Berln"), "Europe/Berlin"),
        ((ORDERS, "--delimiter", "::"), "one character"),
        ((ORDERS, "-o", "no/such/place.toml"), "cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_exit_code_2(args, message):
    done = invoke("init", *args)

    assert (done.exit_code, message in done.stderr) == (2, True)


def test_addresses_are_in_neither_file_nor_view(tmp_path):
    write_rows(tmp_path / "h.jsonl", [row(1, ip="203.0.113.42", note="from 203.0.113.43")])

    made = invoke("init", "h.jsonl")

    assert "203.0.113" not in made.stdout + (tmp_path / "mapping.toml").read_text()


def test_preview_takes_the_options_of_an_upload(tmp_path):
    options = (
        "--set",
        "type=checkout",
        "--map",
        "user_id=customer",
        "--map",
        "timestamp=ordered_at",
    )

    shown = invoke("preview", ORDERS, *options, "--timezone", "UTC", "--rows", "2")

    assert shown.exit_code == 0
    assert shown.stdout.count("-> becomes checkout") == 2


def test_preview_tells_why_a_row_is_rejected(tmp_path):
    write_rows(tmp_path / "h.jsonl", [row(1, type="purchase")])

    assert "is not an interaction type" in invoke("preview", "h.jsonl").stdout


def outcomes(shown):
    return re.findall(r"-> (is \w+|becomes \w+)", shown)


def test_preview_looks_for_rows_that_become_records_where_the_first_do_not():
    write_rows(Path("h.jsonl"), [*[row(1, type="x")] * 9, row(2), row(3, type="like")])

    shown = invoke("preview", "h.jsonl", "--rows", "2", env={"COLUMNS": "80"}).stdout

    assert outcomes(shown) == ["becomes product_detail_page_view", "becomes like"]
    assert "First 11 rows = 2 valid + 9 rejected + 0 skipped" in shown


def test_preview_shows_the_first_rows_where_some_become_records():
    write_rows(Path("h.jsonl"), [row(1, type="x"), row(2), row(3, type="like")])

    shown = invoke("preview", "h.jsonl", "--rows", "2", env={"COLUMNS": "80"}).stdout

    assert outcomes(shown) == ["is rejected", "becomes product_detail_page_view"]


def test_preview_shows_only_rows_that_end_as_asked_for():
    write_rows(Path("h.jsonl"), [row(1), row(2, type="x"), row(3), row(4, type="y")])

    def only(outcome):
        return invoke("preview", "h.jsonl", "--only", outcome, env={"COLUMNS": "80"}).stdout

    assert outcomes(only("valid")) == ["becomes product_detail_page_view"] * 2
    assert outcomes(only("rejected")) == ["is rejected"] * 2
    assert only("skipped") == "First 4 rows = 2 valid + 2 rejected + 0 skipped\n"


@pytest.mark.parametrize(
    ("options", "says_so"), [((), True), (("--no-header",), False)], ids=["as it is", "told"]
)
def test_init_says_that_a_header_looks_like_data(options, says_so):
    Path("r.csv").write_text("7,1193,5,978300760\n8,661,3,978302109\n")

    assert ("the first line looks like data" in invoke("init", "r.csv", *options).stdout) == says_so


def test_init_names_a_preset_that_has_the_columns():
    shown = invoke("init", str(ROOT / "tests" / "presets" / "specimens" / "rees46.csv")).stdout

    assert "columns of the preset rees46, which needs no mapping file" in shown
    assert "rees46.csv --preset rees46 --dry-run" in shown


def test_preview_takes_a_file_that_holds_a_whole_job(tmp_path):
    write_rows(tmp_path / "h.jsonl", [row(1)])
    (tmp_path / "job.toml").write_text('[options]\nchunk_size = 5\ntimezone = "UTC"\n')

    shown = invoke("preview", "h.jsonl", "-m", "job.toml")

    assert (shown.exit_code, "becomes product_detail_page_view" in shown.stdout) == (0, True)


def test_preview_names_a_column_that_is_not_there():
    done = invoke("preview", ORDERS, "--map", "user_id=custumer")

    assert (done.exit_code, "did you mean 'customer'" in done.stderr) == (2, True)


def test_a_file_without_a_header_is_drafted_by_numbers(tmp_path):
    (tmp_path / "h.csv").write_text("u1@x,2024-05-01T10:00:00Z,view\n" * 3)
    invoke("init", "h.csv", "--no-header")

    assert "no_header = true" in (tmp_path / "mapping.toml").read_text()
    assert read_mapping_file("mapping.toml").options == {"no_header": True}
    assert 'column = "2"' in (tmp_path / "mapping.toml").read_text()


def test_named_columns_are_kept_for_the_upload(tmp_path):
    (tmp_path / "h.csv").write_text("u1,2024-05-01T10:00:00Z,sku-1,x\n" * 3)
    invoke("init", "h.csv", "--columns", "user_id,at, sku ,-")

    assert read_mapping_file("mapping.toml").options == {"columns": ["user_id", "at", "sku", ""]}
    assert "3 rows read = 3 valid" in invoke("h.csv", "-m", "mapping.toml", "--dry-run").stdout


def test_preview_reads_a_file_without_a_header(tmp_path):
    (tmp_path / "h.csv").write_text("u1,2024-05-01T10:00:00Z,sku-1\n")

    shown = invoke("preview", "h.csv", "--columns", "user_id,timestamp,x", "--set", "type=like")

    assert "becomes like" in shown.stdout
