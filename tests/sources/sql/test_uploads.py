"""The result of a query is uploaded, resumed and accounted for like any input."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from miso_upload.sandbox import Sandbox
from miso_upload.sources.sql.private_folder import PrivateFolder
from tests.helpers.commands import invoke
from tests.helpers.uploads import Uploads

LINES = (
    "order,who,at,sku,pieces,amount\n"
    "31,anna,2025-04-01T08:00:00Z,LAMP,2,20.10\n"
    "32,bert,2025-04-01T08:05:00Z,SOFA,1,300\n"
    "31,anna,2025-04-01T08:00:00Z,DESK,1,79.90\n"
)
GROUPED = """
SELECT 'checkout' AS type, any_value(who) AS user_id, min("at") AS timestamp,
       list(sku ORDER BY sku) AS product_ids, list(pieces ORDER BY sku) AS quantities,
       sum(amount) AS revenue
FROM input GROUP BY "order" ORDER BY "order"
"""
FOREVER = (
    "SELECT count(*) AS user_id FROM range(1000000) a, range(1000000) b "
    "WHERE hash(a.range + b.range) % 3 = 1"
)


@pytest.fixture
def uploads(tmp_path):
    with Sandbox(key="key") as sandbox:
        (tmp_path / "lines.csv").write_text(LINES)
        yield Uploads(tmp_path, sandbox)


def test_scattered_order_lines_become_one_record_each(uploads):
    summary = uploads.upload("lines.csv", sql=GROUPED)
    assert summary.totals.accepted == summary.totals.rows == 2
    records = {each["user_id"]: each for each in uploads.sandbox.records()}
    assert records["anna"]["product_ids"] == ["DESK", "LAMP"]
    assert records["anna"]["quantities"] == [1, 2]
    assert records["anna"]["revenue"] == 100


def test_numeric_ids_of_a_result_are_converted_like_cells(uploads):
    (uploads.place / "ids.csv").write_text("user_id,product_ids\n17,004\n18,5\n")
    sql = "SELECT *, 'like' AS type, '2025-04-01T08:00:00Z' AS timestamp FROM input ORDER BY ALL"
    summary = uploads.upload("ids.csv", sql=sql)
    assert summary.totals.accepted == 2
    assert [each["product_ids"] for each in uploads.sandbox.records()] == [["004"], ["5"]]


def test_the_same_query_again_sends_only_what_is_new(uploads):
    uploads.upload("lines.csv", sql=GROUPED)
    with (uploads.place / "lines.csv").open("a") as file:
        file.write("33,carl,2025-04-02T08:00:00Z,LAMP,1,10.05\n")
    summary = uploads.upload("lines.csv", sql=GROUPED)
    assert (summary.totals.accepted, summary.totals.already_sent) == (1, 2)
    assert uploads.held() == ["anna", "bert", "carl"]


def test_a_query_in_a_file_is_another_source_after_it_is_edited(uploads):
    query = uploads.place / "load.sql"
    query.write_text(GROUPED)
    name = uploads.upload("lines.csv", sql_file=str(query)).sources[0].name
    query.write_text(GROUPED.replace('ORDER BY "order"', 'ORDER BY "order" DESC'))
    summary = uploads.upload("lines.csv", sql_file=str(query))
    assert name.startswith("load.sql-")
    assert summary.sources[0].name != name
    assert summary.totals.already_sent == 2


def test_rejected_rows_are_numbered_as_the_query_orders_them(uploads):
    sql = "SELECT who AS user_id, 'no such type' AS type FROM input ORDER BY amount"
    summary = uploads.upload("lines.csv", sql=sql, dry_run=True)
    assert summary.totals.rejected == summary.totals.rows == 3


def start(sql, folder, csv):
    command = [sys.executable, "-m", "miso_upload", csv, "--dry-run", "--sql", sql]
    environment = {**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while not any(folder.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_signal_ends_a_running_query_and_leaves_no_files(uploads, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    process = start(FOREVER, folder, str(tmp_path / "lines.csv"))
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert not any(folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no locks")
def test_the_next_query_deletes_the_files_of_a_killed_one(uploads, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    own = PrivateFolder()
    process = start(FOREVER, folder, str(tmp_path / "lines.csv"))
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.05)
    time.sleep(0.3)
    process.kill()
    process.communicate(timeout=60)
    left = set(folder.iterdir()) - {own.path}
    assert left
    other = PrivateFolder()
    assert set(folder.iterdir()) == {own.path, other.path}
    assert other.path.stat().st_mode & 0o777 == 0o700
    own.close()
    other.close()
    assert not any(Path(folder).iterdir())


@pytest.mark.parametrize("how", ["--sql", "--sql-file"])
def test_a_draft_for_a_query_names_the_file_that_the_query_reads(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "load.sql").write_text(GROUPED)
    query = GROUPED if how == "--sql" else "load.sql"

    drafted = invoke("init", "lines.csv", how, query)
    command = shlex.split(drafted.stdout.splitlines()[-1])

    assert command == ["miso-upload", "lines.csv", "-m", "mapping.toml", "--dry-run"]
    checked = invoke(*command[1:])
    assert "2 rows read = 2 valid" in checked.output
    assert "query-" not in (tmp_path / "mapping.toml").read_text()
