"""The README's commands for rows to be corrected, as they stand there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, row, write_rows

from miso_upload.cli.commands import program

README = (ROOT / "README.md").read_text(encoding="utf-8")
LOG = '192.0.2.1 - - [10/Oct/2023:13:55:36 -0700] "GET /{} HTTP/1.1" 200 1 "-" "Browser/1.0"'
ROUTES = '[[routes]]\nmatch = "/**"\ntype = "home_page_view"\n'
ORDERS = (
    "--set", "type=checkout", "--map", "user_id=customer", "--map", "product_ids=skus",
    "--list-separator", " ", "--map", "timestamp=ordered_at", "--timezone", "Europe/Berlin",
    "--map", "revenue=total",
)  # fmt: skip

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rejected(name, *options):
    """Leave the rejects file of a dry run where an upload would."""
    return CliRunner().invoke(
        program,
        [name, "--dry-run", "--max-reject-rate", "1", "--rejects", f"{name}.rejects.jsonl",
         *options],
    ).stdout.splitlines()[0]  # fmt: skip


def correct(made):
    """Run the command of the README that makes this file, and return the file's lines."""
    (command,) = re.findall(rf"^    (.* > {re.escape(made)})$", README, re.MULTILINE)
    subprocess.run(["bash", "-ec", command], check=True)
    return Path(made).read_text(encoding="utf-8").splitlines()


def test_rows_of_json_come_back_as_they_were(tmp_path):
    bad = row(2, type="x")
    write_rows(tmp_path / "history.jsonl", [row(1), bad, row(3)])
    assert "2 valid + 1 rejected" in rejected("history.jsonl")

    assert len(correct("corrected.jsonl")) == 1
    assert "1 row read = 0 valid + 1 rejected" in rejected("corrected.jsonl")


def test_rows_of_a_table_come_back_under_its_header():
    shutil.copy(ROOT / "sample_data" / "orders.csv", ".")
    assert "179 valid + 1 rejected" in rejected("orders.csv", *ORDERS)

    header, line = correct("corrected.csv")

    assert line.count(",") == header.count(",") > 0
    assert "1 row read = 0 valid + 1 rejected" in rejected("corrected.csv", *ORDERS)


def test_lines_of_a_log_come_back_as_they_were(tmp_path):
    lines = [LOG.format("a"), LOG.format("b")[:60], LOG.format("c")]
    write_rows(tmp_path / "access.log", lines)
    (tmp_path / "my.toml").write_text(ROUTES)
    assert "2 valid + 1 rejected" in rejected("access.log", "-m", "my.toml")

    assert correct("corrected.log") == [lines[1]]
