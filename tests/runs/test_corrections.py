"""Rejected rows are corrected in the input itself; the same command sends those and no others."""

import json
import shutil

import pytest
from click.testing import CliRunner

from miso_upload.cli.commands import program
from miso_upload.sandbox import Sandbox
from tests.helpers.paths import ROOT
from tests.helpers.rows import row, write_rows

LOG = '192.0.2.1 - - [10/Oct/2023:13:55:{:02} -0700] "GET /{} HTTP/1.1" 200 1 "-" "Browser/1.0"'
ROUTES = '[[routes]]\nmatch = "/**"\ntype = "home_page_view"\n'
ORDERS = (
    "--set", "type=checkout", "--map", "user_id=customer", "--map", "product_ids=skus",
    "--list-separator", " ", "--map", "timestamp=ordered_at", "--timezone", "Europe/Berlin",
    "--map", "revenue=total",
)  # fmt: skip


@pytest.fixture
def server():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def upload(server, tmp_path, monkeypatch):
    """Upload a file of the working directory; return the exit code and the report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MISO_API_KEY", server.key)

    def upload_file(name, *options):
        result = CliRunner().invoke(
            program, [name, "--server", server.url, "--max-reject-rate", "1", "--json", *options]
        )
        return result.exit_code, json.loads(result.stdout)

    return upload_file


def counts(report):
    totals = report["totals"]
    return totals["accepted"], totals["already_sent"], totals["rejected"]


def test_a_corrected_row_of_json_is_sent_and_no_other(upload, server, tmp_path):
    history = write_rows(tmp_path / "history.jsonl", [row(1), row(2, type="x"), row(3)])
    first = upload("history.jsonl")
    write_rows(history, [row(1), row(2), row(3)])

    second = upload("history.jsonl")

    assert (first[0], counts(first[1])) == (1, (2, 0, 1))
    assert (second[0], counts(second[1])) == (0, (1, 2, 0))
    assert sorted(each["user_id"] for each in server.records()) == ["user-1", "user-2", "user-3"]


def test_a_corrected_cell_of_a_table_is_sent_and_no_other(upload, server, tmp_path):
    shutil.copy(ROOT / "sample_data" / "orders.csv", tmp_path)
    first, report = upload("orders.csv", *ORDERS)
    (line,) = [
        json.loads(each)["line"]
        for each in (tmp_path / "orders.csv.rejects.jsonl").read_text().splitlines()
    ]
    lines = (tmp_path / "orders.csv").read_text().splitlines(keepends=True)
    lines[line - 1] = lines[line - 2].replace(lines[line - 2].split(";")[0], "corrected", 1)
    (tmp_path / "orders.csv").write_text("".join(lines))

    second, corrected = upload("orders.csv", *ORDERS)

    assert (first, counts(report)) == (1, (179, 0, 1))
    assert second == 0
    assert sum(counts(corrected)) == 180
    assert counts(corrected)[2] == 0
    assert len(list(server.records())) == 179 + counts(corrected)[0] <= 180


def test_a_corrected_line_of_a_log_is_sent_and_no_other(upload, server, tmp_path):
    lines = [LOG.format(1, "a"), LOG.format(2, "b")[:60], LOG.format(3, "c")]
    write_rows(tmp_path / "access.log", lines)
    (tmp_path / "my.toml").write_text(ROUTES)
    first, report = upload("access.log", "-m", "my.toml")
    write_rows(tmp_path / "access.log", [lines[0], LOG.format(2, "b"), lines[2]])

    second, corrected = upload("access.log", "-m", "my.toml")

    assert (first, counts(report)) == (1, (2, 0, 1))
    assert (second, counts(corrected)) == (0, (1, 2, 0))
    assert len(list(server.records())) == 3


def test_a_row_that_is_still_bad_stays_in_the_rejects_file_and_a_corrected_one_does_not(
    upload, tmp_path
):
    history = write_rows(
        tmp_path / "history.jsonl", [row(1), row(2, type="x"), row(3, type="y"), row(4)]
    )
    rejects = tmp_path / "history.jsonl.rejects.jsonl"
    upload("history.jsonl")
    assert [json.loads(each)["line"] for each in rejects.read_text().splitlines()] == [2, 3]
    write_rows(history, [row(1), row(2), row(3, type="y"), row(4)])

    exit_code, report = upload("history.jsonl")

    assert (exit_code, counts(report)) == (1, (1, 2, 1))
    assert [json.loads(each)["line"] for each in rejects.read_text().splitlines()] == [3]


def test_corrections_in_a_file_of_their_own_are_sent_and_no_others(upload, server, tmp_path):
    write_rows(tmp_path / "history.jsonl", [row(1), row(2, type="x"), row(3)])
    upload("history.jsonl")
    write_rows(tmp_path / "corrected.jsonl", [row(2), row(3)])

    exit_code, report = upload("corrected.jsonl")

    assert (exit_code, counts(report)) == (0, (1, 1, 0))
    assert len(list(server.records())) == 3
