from pathlib import Path

import pytest

from miso_upload.transform.mapping import read_mapping_file
from tests.helpers.commands import invoke
from tests.helpers.paths import ROOT
from tests.helpers.rows import counts_in, row, write_rows

ORDERS = str(ROOT / "sample_data" / "orders.csv")


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_from_a_file_to_a_dry_run_in_two_commands(tmp_path, golden):
    made = invoke("init", ORDERS, "--timezone", "Europe/Berlin")

    assert made.exit_code == 0
    assert made.stdout == golden
    tried = invoke(ORDERS, "-m", "mapping.toml", "--dry-run")
    assert counts_in(tried.stdout) == [180, 179, 1, 0]


def test_three_rows_are_shown_before_and_after(golden):
    shown = invoke("init", ORDERS).stdout

    assert shown == golden


def test_a_zone_that_is_missing_is_asked_for_and_shown_as_utc(golden):
    shown = invoke("init", ORDERS).stdout

    assert shown == golden
    assert read_mapping_file("mapping.toml")
    assert invoke(ORDERS, "-m", "mapping.toml", "--dry-run").stdout == golden


def test_a_file_that_is_there_is_never_overwritten_unless_forced(tmp_path):
    (tmp_path / "mapping.toml").write_text("# mine\n")

    refused = invoke("init", ORDERS)

    assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
    assert (tmp_path / "mapping.toml").read_text() == "# mine\n"
    assert invoke("init", ORDERS, "--force").exit_code == 0
    assert "# mine" not in (tmp_path / "mapping.toml").read_text()


def test_standard_output_holds_the_file_alone(tmp_path, golden):
    made = invoke("init", ORDERS, "-o", "-")

    (tmp_path / "m.toml").write_text(made.stdout)
    assert read_mapping_file("m.toml").rules
    assert made.stderr == golden
    assert not (tmp_path / "mapping.toml").exists()


def test_the_options_that_read_the_file_are_kept_for_the_upload(tmp_path):
    (tmp_path / "h.txt").write_bytes(
        "user_id~sku~at\nä1~b2~2024-05-01T10:00:00Z\n".encode("cp1252")
    )
    invoke("init", "h.txt", "--format", "csv", "--delimiter", "~", "--encoding", "cp1252")

    done = invoke("h.txt", "-m", "mapping.toml", "--dry-run")

    assert counts_in(done.stdout)[:2] == [1, 1]


def test_standard_input_is_looked_at_too(golden):
    made = invoke("init", "-", "--format", "csv", input="user_id,sku,ts\nu,a1,1260759144\n")

    assert made.exit_code == 0
    assert made.stdout == golden


@pytest.mark.parametrize("content", ["", "[1]\n", "a,b\n"])
def test_a_file_without_rows_is_told(tmp_path, content, golden):
    (tmp_path / "h.csv").write_text(content)

    done = invoke("init", "h.csv")

    assert done.exit_code == 2
    assert done.stderr == golden
    assert not (tmp_path / "mapping.toml").exists()


@pytest.mark.parametrize(
    "args",
    [
        ("none.csv",),
        (ORDERS, "--timezone", "Europe/Berln"),
        (ORDERS, "--quote", "::"),
        (ORDERS, "-o", "no/such/place.toml"),
    ],
)
def test_what_cannot_be_meant_is_exit_code_2(args, golden):
    done = invoke("init", *args)

    assert done.exit_code == 2
    assert done.stderr == golden


def test_addresses_are_in_neither_file_nor_view(tmp_path):
    write_rows(tmp_path / "h.jsonl", [row(1, ip="203.0.113.42", note="from 203.0.113.43")])

    made = invoke("init", "h.jsonl")

    assert "203.0.113" not in made.stdout + (tmp_path / "mapping.toml").read_text()


def test_preview_takes_the_options_of_an_upload(tmp_path, golden):
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
    assert shown.stdout == golden


def test_preview_tells_why_a_row_is_rejected(tmp_path, golden):
    write_rows(tmp_path / "h.jsonl", [row(1, type="purchase")])

    assert invoke("preview", "h.jsonl").stdout == golden


def test_preview_looks_for_rows_that_become_records_where_the_first_do_not(golden):
    write_rows(Path("h.jsonl"), [*[row(1, type="x")] * 9, row(2), row(3, type="like")])

    shown = invoke("preview", "h.jsonl", "--rows", "2", env={"COLUMNS": "80"}).stdout

    assert shown == golden


def test_preview_shows_the_first_rows_where_some_become_records(golden):
    write_rows(Path("h.jsonl"), [row(1, type="x"), row(2), row(3, type="like")])

    shown = invoke("preview", "h.jsonl", "--rows", "2", env={"COLUMNS": "80"}).stdout

    assert shown == golden


def test_preview_shows_only_rows_that_end_as_asked_for(golden):
    write_rows(Path("h.jsonl"), [row(1), row(2, type="x"), row(3), row(4, type="y")])

    def only(outcome):
        return invoke("preview", "h.jsonl", "--only", outcome, env={"COLUMNS": "80"}).stdout

    assert only("valid") == golden
    assert only("rejected") == golden
    assert only("skipped") == golden


@pytest.mark.parametrize("options", [(), ("--no-header",)], ids=["as it is", "told"])
def test_init_says_that_a_header_looks_like_data(options, golden):
    Path("r.csv").write_text("7,1193,5,978300760\n8,661,3,978302109\n")

    assert invoke("init", "r.csv", *options).stdout == golden


@pytest.mark.parametrize(
    "rows",
    [
        "product_detail_page_view,u1,2025-03-01T10:00:00Z,A\nadd_to_cart,u2,2025-03-02T11:00:00Z,B\n",
        "u1,add_to_cart,sku-1\nu2,add_to_cart,sku-2\nu1,search,sku-2\n",
        "ann@example.com,A\nbob@example.com,B\n",
    ],
)
def test_a_file_without_a_header_is_recognised_by_init_and_dry_run(rows):
    Path("r.csv").write_text(rows)

    drafted = invoke("init", "r.csv")
    tried = invoke("r.csv", "--dry-run")
    again = invoke("r.csv", "-m", "mapping.toml", "--dry-run")

    assert "looks like data" in drafted.stdout
    assert read_mapping_file("mapping.toml").options == {"no_header": True}
    assert "looks like data" in tried.stdout + tried.stderr
    assert counts_in(again.stdout)[0] == rows.count("\n")


@pytest.mark.parametrize(
    "rows",
    [
        "user_id,type,2025\nu1,search,3\nu2,view,4\n",
        "user,mobile\nu1,mobile\nu2,\nu3,\n".replace("user,", "user,at,"),
        "User ID,Event Type,Sku\nu1,search,sku-2\n",
    ],
)
def test_a_header_is_not_taken_for_data(rows):
    Path("r.csv").write_text(rows)

    assert "looks like data" not in invoke("init", "r.csv").stdout


def test_init_names_a_preset_that_has_the_columns(golden):
    shown = invoke("init", str(ROOT / "tests" / "presets" / "specimens" / "rees46.csv")).stdout

    assert shown == golden


def test_preview_takes_a_file_that_holds_a_whole_job(tmp_path, golden):
    write_rows(tmp_path / "h.jsonl", [row(1)])
    (tmp_path / "job.toml").write_text('[options]\nchunk_size = 5\ntimezone = "UTC"\n')

    shown = invoke("preview", "h.jsonl", "-m", "job.toml")

    assert shown.exit_code == 0
    assert shown.stdout == golden


def test_preview_names_a_column_that_is_not_there(golden):
    done = invoke("preview", ORDERS, "--map", "user_id=custumer")

    assert done.exit_code == 2
    assert done.stderr == golden


def test_a_file_without_a_header_is_drafted_by_numbers(tmp_path, golden):
    (tmp_path / "h.csv").write_text("u1@x,2024-05-01T10:00:00Z,view\n" * 3)
    invoke("init", "h.csv", "--no-header")

    assert read_mapping_file("mapping.toml").options == {"no_header": True}
    assert (tmp_path / "mapping.toml").read_text() == golden


def test_named_columns_are_kept_for_the_upload(tmp_path):
    (tmp_path / "h.csv").write_text("u1,2024-05-01T10:00:00Z,sku-1,x\n" * 3)
    invoke("init", "h.csv", "--columns", "user_id,at, sku ,-")

    assert read_mapping_file("mapping.toml").options == {"columns": ["user_id", "at", "sku", ""]}
    assert counts_in(invoke("h.csv", "-m", "mapping.toml", "--dry-run").stdout)[:2] == [3, 3]


def test_preview_reads_a_file_without_a_header(tmp_path, golden):
    (tmp_path / "h.csv").write_text("u1,2024-05-01T10:00:00Z,sku-1\n")

    shown = invoke("preview", "h.csv", "--columns", "user_id,timestamp,x", "--set", "type=like")

    assert shown.stdout == golden
